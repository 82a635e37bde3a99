"""Questions to a person at a terminal."""

import sys

from deploy.errors import NobodyToAskError


def require_terminal(question: str) -> None:
    """Refuse, before anything is begun, where nobody could be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NobodyToAskError(question)


def answer(question: str) -> str:
    """Ask; not on stdout, which may go to a file while a person is asked."""
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def is_agreed(question: str) -> bool:
    """Ask for a yes."""
    return answer(f"{question} [y/N]").lower() in {"y", "yes"}
