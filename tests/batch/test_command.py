"""The door of batch scoring."""

from tests.batch.scoring import score


def test_help_shows_examples_and_typos_are_answered() -> None:
    said = score("--help")
    assert "python -m src.score input=customers.csv output=scored.csv" in said
    assert "did you mean workers?" in score("input=a.csv", "output=b.csv", "worker=2", code=2)
