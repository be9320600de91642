"""Signals as a program gets them that a person starts at a terminal."""

import signal


def heed_signals() -> None:
    """Let a child heed what nohup, or a shell that runs us in the background, has it ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
