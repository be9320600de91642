"""The version of this program, as pyproject.toml states it too (a test compares)."""

VERSION = "0.1.0"
