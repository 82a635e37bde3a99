"""Score files with a trained model."""

from collections.abc import Sequence

from tabproof import batch
from tabproof.batch import score_files


def score(words: Sequence[str]) -> None:
    """Score as words of the form key=value say, and print what came of it."""
    with score_files.ending_with_its_reader(), score_files.telling_what_stays():
        options = batch.parse(words)
        score_files.log(score_files.score(options), options)
