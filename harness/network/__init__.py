"""The emulated network: Mininet nodes, paths of two middle nodes each, addresses, routes and what is set on them."""
