"""The evaluator in JavaScript has the scorer's bits; contributions agree to the last digits."""

from pathlib import Path

import pytest

from tests.web.evaluating import FAST, SLOW, Model, compare, rows_of, write_files
from tests.web.test_web import needs_node, node

HERE = Path(__file__).parent


@needs_node
@pytest.mark.parametrize(
    "model",
    [
        *(pytest.param(model, id=name) for name, model in FAST.items()),
        *(pytest.param(model, id=name, marks=pytest.mark.slow) for name, model in SLOW.items()),
    ],
)
def test_rows_are_scored_as_in_python(model: Model, tmp_path: Path) -> None:
    case = model.make()
    columns = rows_of(case)
    write_files(case, columns, tmp_path)
    done = node(HERE / "score_file.js", tmp_path)
    assert done.returncode == 0, done.stderr
    compare(case, columns, (tmp_path / "scores").read_bytes()).check(model)
