"""The emulation harness: builds a network, breaks it, measures it, judges it, draws it."""
