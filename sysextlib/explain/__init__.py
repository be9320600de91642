"""Says offline whether systemd would merge an image into a system, and why not."""
