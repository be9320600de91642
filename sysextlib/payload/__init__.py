"""The update payload around an image."""
