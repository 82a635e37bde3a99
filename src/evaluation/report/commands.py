"""Command lines to copy: what a shell reads is what a reader sees."""

import shlex
from collections.abc import Sequence

from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.untrusted import is_hidden


def train_command(facts: ReportFacts) -> str:
    """Give the line that made the run."""
    return command_line(facts.command)


def replay_command(facts: ReportFacts) -> str:
    """Give the line that trains it again and compares."""
    return command_line(["python", "-m", "src.replay", facts.run_path])


def score_command(facts: ReportFacts) -> str:
    """Give the line that scores a file."""
    run = f"run={facts.run_path}"
    return command_line(["python", "-m", "src.score", run, "input=new.csv", "output=scored.csv"])


def service_commands(facts: ReportFacts) -> str:
    """Give the lines that promote a run and serve it."""
    words = ["python", "-m", "src.runs", "promote", facts.run_path, "--name", "NAME"]
    return f"{command_line(words)}\nmake api"


def command_line(words: Sequence[str]) -> str:
    """Quote words for a POSIX shell; those with letters that nobody sees for bash."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not any(map(is_hidden, word)):
        return shlex.quote(word)
    letters = (
        _escape(letter) if is_hidden(letter) or letter in "\\'" else letter for letter in word
    )
    return f"$'{''.join(letters)}'"


def _escape(letter: str) -> str:
    return f"\\{letter}" if letter in "\\'" else f"\\U{ord(letter):08x}"
