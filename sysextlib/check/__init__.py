"""Findings on a finished Tree."""
