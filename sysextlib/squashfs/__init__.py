"""Squashfs images, read without mounting."""
