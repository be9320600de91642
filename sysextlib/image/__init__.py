"""The signed dm-verity image around a Tree."""
