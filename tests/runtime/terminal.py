"""A terminal to test on: a real pseudo-terminal, and what a person would see on it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from unicodedata import east_asian_width

from tests.conftest import ROOT

TOKENS = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|(.)", re.DOTALL)
WIDTH, HEIGHT = 80, 24


class Terminal:
    """The side of a pseudo-terminal where a person sits; `process` sits on the other."""

    def __init__(self, process: subprocess.Popen[bytes], side: int, width: int) -> None:
        self.process, self._side, self._width = process, side, width
        self.text = ""
        # A letter may come in pieces.
        self._decoder = getincrementaldecoder("utf-8")()

    def read(self, until: str | None = None, timeout: float = 120) -> str:
        """Read until a text has come, or the process has ended."""
        end = monotonic() + timeout
        while until is None or until not in self.text:
            assert monotonic() < end, self.text
            if not select.select([self._side], [], [], 0.1)[0]:
                if self.process.poll() is not None:
                    break
                continue
            try:
                content = os.read(self._side, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not content:
                break
            self.text += self._decoder.decode(content)
        return self.text

    def wait(self) -> int:
        """Read to the end; give the exit code."""
        self.read()
        return self.process.wait(60)

    @property
    def screen(self) -> list[str]:
        """The lines as they stand now, those that have scrolled away included."""
        return screen_of(self.text, self._width)

    def close(self) -> None:
        """Pull the plug."""
        with suppress(OSError):
            os.close(self._side)


@contextmanager
def terminal(
    script: str, *, width: int = WIDTH, height: int = HEIGHT, **environment: str
) -> Iterator[Terminal]:
    """Run a script of Python on a terminal of that size."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    variables = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**variables, "TERM": "xterm", **environment},
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
    )
    os.close(there)
    watched = Terminal(process, here, width)
    try:
        yield watched
    finally:
        process.kill()
        process.wait(60)
        watched.close()


def screen_of(text: str, width: int) -> list[str]:
    """Do what a terminal does with the few codes in use; any other code fails."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for match in TOKENS.finditer(text):
        numbers, code, letter = match.groups()
        if code == "A":
            row -= int(numbers or 1)
        elif code == "K":
            assert numbers == "2"
            lines[row] = []
        elif code is not None:
            assert code in "mhl", match
        elif letter == "\r":
            column = 0
        elif letter == "\n":
            row += 1
            lines += [[] for _ in range(row + 1 - len(lines))]
        else:
            cells = [letter, ""] if east_asian_width(letter) in "WF" else [letter]
            assert column + len(cells) <= width, f"too long: {lines[row]!r}"
            lines[row] += [" "] * (column - len(lines[row]))
            lines[row][column : column + len(cells)] = cells
            column += len(cells)
    return ["".join(line).rstrip() for line in lines]
