"""Carrying out planned runs: one inside its sandbox, many from outside."""
