"""Ebuilds and eclasses read without bash: grammar, evaluator, metadata, repositories, profiles."""
