"""From wanted atoms to the list of packages to merge."""
