"""The evaluator in JavaScript has the scorer's bits; contributions agree to the last digits."""

from pathlib import Path

import pytest

from tests.web.evaluating import FAST, SLOW, Make, compare, rows_of, write_files
from tests.web.test_web import needs_node, node

HERE = Path(__file__).parent


@needs_node
@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(make, id=name) for name, make in FAST.items()),
        *(pytest.param(make, id=name, marks=pytest.mark.slow) for name, make in SLOW.items()),
    ],
)
def test_rows_are_scored_as_in_python(make: Make, tmp_path: Path) -> None:
    case = make()
    columns = rows_of(case)
    write_files(case, columns, tmp_path)
    done = node(HERE / "score_file.js", tmp_path)
    assert done.returncode == 0, done.stderr
    compare(case, columns, (tmp_path / "scores").read_bytes()).check()
