"""Questions at a terminal."""

import sys

from deploy.errors import NoTerminalError


def require_terminal(question: str) -> None:
    """Raise NoTerminalError if there is no terminal, before anything is changed."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoTerminalError(question=question)


def answer(question: str) -> str:
    """Ask on stderr, because stdout may be a file, and return the answer."""
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def is_agreed(question: str) -> bool:
    """Ask; return whether the answer is yes."""
    return answer(f"{question} [y/N]").lower() in {"y", "yes"}
