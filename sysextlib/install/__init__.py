"""From packages to a Tree."""
