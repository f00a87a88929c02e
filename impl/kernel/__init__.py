"""Endpoint programs for the kernel's own transports: TCP, TLS over TCP, Multipath TCP, and a wrapper around iperf3."""
