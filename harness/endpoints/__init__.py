"""Endpoints as the harness meets them: processes with an environment, a log, and a file of event lines."""
