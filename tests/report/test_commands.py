"""Command lines that people copy."""

import shutil
import subprocess

import pytest

from tabproof.report.sections import command_line
from tests.report.making import ODD_NAMES

BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="there is no bash to read the line")
@pytest.mark.parametrize("word", [*ODD_NAMES, "it's\u202e\\n", ""])
def test_a_shell_reads_the_word_that_was_meant(word: str) -> None:
    line = command_line(["printf", "%s", word])
    assert "\u202e" not in line
    assert "\n" not in line
    read = subprocess.run([str(BASH), "-c", line], capture_output=True, check=True)
    assert read.stdout.decode() == word
