"""Pictures: there, readable as PNG, and the same bytes for the same numbers."""

from pathlib import Path

import numpy as np
import pytest

from src.evaluation.plots import draw_plots

NAMES = {"calibration.png", "confusion.png", "precision_recall.png", "roc.png"}


def draw(n_classes: int, directory: Path, labels: list[str] | None = None) -> Path:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(n_classes), 200)
    y = np.array([rng.choice(n_classes, p=row) for row in proba])
    directory.mkdir()
    labels = labels or [f"c{i}" for i in range(n_classes)]
    draw_plots(y, proba, labels, title="a table", directory=directory)
    return directory


@pytest.mark.parametrize("n_classes", [2, 3, 15])
def test_the_same_numbers_give_the_same_bytes(n_classes: int, tmp_path: Path) -> None:
    first, second = draw(n_classes, tmp_path / "1"), draw(n_classes, tmp_path / "2")
    assert {path.name for path in first.iterdir()} == NAMES
    for name in NAMES:
        content = (first / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert content == (second / name).read_bytes()


def test_letters_that_no_font_has_are_reported_once_and_drawn_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(2, tmp_path / "1", labels=["no", "\U000f0000"])
    assert caplog.text.count("no font here has all letters") == 1


def test_labels_with_signs_of_mathematics_or_great_length_are_drawn_as_text(tmp_path: Path) -> None:
    draw(2, tmp_path / "1", labels=["$50_$", "_a" + "long label " * 20])
    assert {path.name for path in (tmp_path / "1").iterdir()} == NAMES
