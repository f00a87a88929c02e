"""Faults of a run: resolved into a plan of moments, performed on the running network, and recorded as they happen."""
