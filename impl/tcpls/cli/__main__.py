"""``python -m impl.tcpls.cli`` is the command ``tcpls``."""

from impl.tcpls.cli import main

main()
