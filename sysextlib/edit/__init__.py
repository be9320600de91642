"""The changes a definition makes to its Tree."""
