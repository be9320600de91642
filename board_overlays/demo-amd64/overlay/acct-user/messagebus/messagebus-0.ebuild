EAPI=8

inherit acct-user

ACCT_USER_ID=101
ACCT_USER_GROUPS=( messagebus )
ACCT_USER_COMMENT="System Message Bus"
acct-user_add_deps
