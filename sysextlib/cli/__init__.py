"""The command line: flags, commands, views. The only part that prints."""
