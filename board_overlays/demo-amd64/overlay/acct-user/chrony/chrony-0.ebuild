EAPI=8

inherit acct-user

ACCT_USER_ID=123
ACCT_USER_GROUPS=( chrony )
ACCT_USER_HOME="/var/lib/chrony"
ACCT_USER_COMMENT="user for chrony"
acct-user_add_deps
