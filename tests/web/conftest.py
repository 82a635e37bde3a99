"""A node process that answers calls of the evaluator's functions."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Calls = Callable[..., Any]


@pytest.fixture(scope="module")
def js() -> Iterator[Calls]:
    """Call a function of tests/web/answer_lines.js by its name."""
    command = ["node", Path(__file__).with_name("answer_lines.js")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def call(name: str, *arguments: Any) -> Any:
            process.stdin.write(json.dumps([name, *arguments]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield call
        process.stdin.close()
