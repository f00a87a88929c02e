"""TCPLS as an endpoint of the harness: ``python -m impl.tcpls.endpoint client``, told by its environment what to do."""
