"""QUIC (RFC 9000) as an endpoint of the harness: aioquic's protocol core on sockets of our own."""
