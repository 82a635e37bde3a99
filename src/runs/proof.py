"""What a run says of itself: its dataset, labels and predictions, after every byte was verified."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UnverifiedRunError
from src.runs.directory import PREDICTIONS, SUMMARY
from src.runs.reading import read_json
from src.runs.verified import read_verified

if TYPE_CHECKING:
    import pandas as pd

# How the loaders of data say where a table came from.
SOURCES = ("builtin_", "openml_", "file_")


def model_name_of(dataset: str) -> str:
    """Give the dataset's name without where it came from: builtin_wine is wine."""
    source = next((source for source in SOURCES if dataset.startswith(source)), "")
    return dataset.removeprefix(source)


@dataclass(frozen=True)
class Fingerprint:
    """The data, as summary.json identifies it."""

    sha256: str


@dataclass(frozen=True)
class Said:
    """What is read of summary.json."""

    dataset: str
    labels: list[str]
    data: Fingerprint


@dataclass(frozen=True)
class Proof:
    """What a run says of itself, after every byte of it was verified."""

    path: Path
    said: Said
    predictions: bytes

    @property
    def name(self) -> str:
        """What it is called when it is promoted."""
        return model_name_of(self.said.dataset)

    def hold_out(self) -> "pd.DataFrame":
        """Read the predictions: a row per row id, sorted; y_true as codes, a column per label."""
        # Loaded where predictions are read; the service imports this package and reads none.
        import pandas as pd

        labels = self.said.labels
        columns = [f"proba_{label}" for label in labels]
        try:
            # Without threads: one that still lives when a short command ends would abort it.
            content = io.BytesIO(self.predictions)
            frame = pd.read_parquet(content, use_threads=False, pre_buffer=False)
            frame = frame.set_index("row_id").sort_index()
            codes = frame["y_true"].map({label: code for code, label in enumerate(labels)})
            return frame[columns].astype("float64").assign(y_true=codes.astype("int64"))
        # pyarrow's errors are some of these.
        except (KeyError, ValueError, TypeError, OSError) as error:
            reason = f"is not of its form: {error}"
            raise UnverifiedRunError(self.path, PREDICTIONS, reason) from error


def differing_rows(one: Proof, other: Proof) -> tuple[str, str, str] | None:
    """Tell what keeps two runs from being compared row by row, and what either has; or None."""
    for what, ours, theirs in (
        ("the data", one.said.data.sha256, other.said.data.sha256),
        ("the labels", one.said.labels, other.said.labels),
    ):
        if ours != theirs:
            return what, str(ours), str(theirs)
    rows, their_rows = one.hold_out(), other.hold_out()
    n_common = len(set(rows.index) & set(their_rows.index))
    if not len(rows) == len(their_rows) == n_common:
        words = f"{len(rows)} rows", f"{len(their_rows)}, of which {n_common} are the same"
        return "the rows held out", *words
    if not rows["y_true"].equals(their_rows["y_true"]):
        return "the true labels", "some", "others"
    return None


def read_proof(run: Path) -> Proof:
    """Verify a run and read its numbers."""
    found = read_verified(run, {SUMMARY, PREDICTIONS}.__contains__).files
    for name in (SUMMARY, PREDICTIONS):
        if name not in found:
            raise UnverifiedRunError(run, name, "is missing")
    try:
        return Proof(run, read_json(found[SUMMARY], Said), found[PREDICTIONS])
    except ValueError as error:
        raise UnverifiedRunError(run, SUMMARY, str(error)) from error
