"""Streams of a session: both sides, and the table of those that are open (draft-piraux-tcpls-00, section 4.1)."""
