"""``python -m impl.tls13.cli`` is the command ``tls``."""

from impl.tls13.cli import main

main()
