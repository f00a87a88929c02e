"""Where the programs are that only administrators have on their PATH: ip, tc and iptables on Debian, for one."""

import os

FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def add_administrators_folders() -> None:
    """Let this process and those that it starts find them; inside a sandbox every user is an administrator."""
    known = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    os.environ["PATH"] = os.pathsep.join([*known, *(folder for folder in FOLDERS if folder not in known)])
