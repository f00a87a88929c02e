"""Who reads the terminal and gets its Ctrl-C: the program outside, or the one in the sandbox."""

import os
import signal


def take_terminal(descriptor: int = 0) -> None:
    """Make the calling process's group the foreground group of its terminal; without a terminal, do nothing.

    The program in the sandbox calls it before it opens a prompt. The program outside calls it when that prompt has
    closed: from inside, the outer group has no number to give the terminal back to.
    """
    if not os.isatty(descriptor):
        return
    # A background group that touches the terminal's settings is stopped by this signal unless it is blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        os.tcsetpgrp(descriptor, os.getpgrp())
    except OSError:
        pass  # the terminal of another session: nobody here is in its foreground
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
