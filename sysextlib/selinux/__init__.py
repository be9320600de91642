"""SELinux labels: the policy's file contexts, matched as libselinux matches them."""
