"""The only doors to the machine: programs, tools, folders, locks."""
