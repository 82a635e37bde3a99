"""A complete run as an object: its numbers, its model, and what a notebook shows of it."""

import io
import math
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from tabproof import artifacts
from tabproof.api import session
from tabproof.artifacts import run_directory as files
from tabproof.batch.frames import as_arrow
from tabproof.batch.scoring import BASE, CONTRIBUTION, LABEL, PROBA, ROW
from tabproof.batch.table import TableScorer
from tabproof.errors import UserError, listed

# Columns named in a warning.
SHOWN = 5


class NoSuchFileError(UserError):
    """A file that a run does not have."""

    template = "{path} has no {name}; train it with {option}"


class RowsNotScoredWarning(UserWarning):
    """Rows, cells or columns that a model cannot use as they are."""


class Run:
    """A complete run.

    Parameters
    ----------
    path : its directory.

    Attributes
    ----------
    path : its directory, absolute.
    run_id : the hash of all that determines its numbers.
    summary : what `summary.json` holds: metrics, best parameters, versions, times.
    metrics : the metrics on the rows held out, such as `metrics["roc_auc"]`.
    intervals : their 95 % confidence intervals.
    estimator : the fitted pipeline of scikit-learn.
    """

    def __init__(self, path: Path | str) -> None:
        # A program may change its directory.
        self.path = Path(path).absolute()
        self._run = artifacts.read_complete_run(self.path)
        self.run_id, self.summary = self._run.run_id, self._run.summary

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics on the rows held out; NaN where one is not defined."""
        found = self.summary.metrics.items()
        return {name: math.nan if value is None else value for name, value in found}

    @property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The 95 % confidence intervals of the metrics."""
        return dict(self.summary.intervals)

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration, as config.yaml has it."""
        return self._run.config

    @property
    def best_params(self) -> Mapping[str, Any]:
        """The parameters that the search chose."""
        return self.summary.best_params

    def cv_results(self) -> pd.DataFrame:
        """Return every candidate of the search with its scores."""
        return pd.read_csv(io.BytesIO(self._read(files.CV_RESULTS, "any search")))

    def predictions(self) -> pd.DataFrame:
        """Return the rows held out: row id, true label, and a probability per label."""
        content = self._read(files.PREDICTIONS, "this version")
        return pd.read_parquet(io.BytesIO(content))

    def report(self) -> Path:
        """Return the path of the report, a page for a browser."""
        path = self.path / artifacts.REPORT
        if not path.is_file():
            raise NoSuchFileError(path=self.path, name=artifacts.REPORT, option="report=default")
        return path

    def _read(self, name: str, option: str) -> bytes:
        """Return a file of the run, after every byte of the run was verified."""
        found = artifacts.read_verified(self.path, name.__eq__).files
        if name not in found:
            raise NoSuchFileError(path=self.path, name=name, option=option)
        return found[name]

    # --- The model.

    @cached_property
    def estimator(self) -> Any:
        """The fitted pipeline, with its calibration and threshold.

        It is read with joblib, which can execute what is in the file: take it from runs of people
        you trust. predict_proba() and explain() do not need it.
        """
        import joblib

        return joblib.load(io.BytesIO(self._read(files.ESTIMATOR, "this version")))

    @cached_property
    def _scorer(self) -> TableScorer:
        return TableScorer(self.path, explain=False)

    @cached_property
    def _explainer(self) -> TableScorer:
        return TableScorer(self.path, explain=True)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return tuple(self.summary.labels)

    def predict_proba(self, frame: Any) -> pd.DataFrame:
        """Return a probability per label for each row of a table.

        Cells are read as `tabproof score` reads them: absent columns are missing, other columns
        are ignored, the order does not matter. Rows with a cell that cannot be read are NaN, and
        a warning says why.

        Parameters
        ----------
        frame : a frame of pandas, polars or Arrow, or a list of records.

        Returns
        -------
        DataFrame
            A column per label, and the index of the frame.
        """
        table, index = self._scored(self._scorer, frame)
        names = {f"{PROBA}{label}": label for label in self._scorer.labels}
        return table[list(names)].rename(columns=names).reindex(range(len(index))).set_axis(index)

    def predict(self, frame: Any) -> pd.Series:
        """Return the label of each row of a table, by the run's threshold; see predict_proba."""
        table, index = self._scored(self._scorer, frame)
        labels = table[LABEL].reindex(range(len(index))).set_axis(index)
        return labels.rename(self._scorer.target)

    def explain(self, frame: Any) -> pd.DataFrame:
        """Return what each column adds to the prediction of each row; see predict_proba.

        A row's `base_value` and its contributions add up to its prediction, on the scale that
        docs/evaluation.md states for the model.
        """
        table, index = self._scored(self._explainer, frame)
        names = {f"{CONTRIBUTION}{name}": name for name in self._explainer.columns}
        found = table[[BASE, *names]].rename(columns=names)
        return found.reindex(range(len(index))).set_axis(index)

    def _scored(self, scorer: TableScorer, frame: Any) -> tuple[pd.DataFrame, pd.Index]:
        """Return what scoring answers, by the row's number, and the index of the frame."""
        table: pa.Table = as_arrow(frame)
        with session.scoring():
            part = scorer.score(table)
        for text in _warnings_about(scorer, table, part):
            warnings.warn(text, RowsNotScoredWarning, stacklevel=3)
        found = part.table.to_pandas().set_index(ROW).rename_axis(None)
        is_pandas = isinstance(frame, pd.DataFrame)
        return found, frame.index if is_pandas else pd.RangeIndex(table.num_rows)

    # --- What is shown.

    def __repr__(self) -> str:
        auc = self.metrics.get("roc_auc", math.nan)
        dataset = self._run.record.dataset
        return f"<Run {self.run_id} {dataset} {self._run.record.model} AUC={auc:.4f} {self.path}>"

    def _repr_html_(self) -> str:
        from tabproof.api.notebook import run_as_html

        return run_as_html(self.path, self._run)


def _warnings_about(scorer: TableScorer, table: pa.Table, part: Any) -> list[str]:
    found = []
    if absent := [name for name in scorer.columns if name not in table.column_names]:
        found.append(f"columns that are absent count as missing cells: {listed(absent, SHOWN)}")
    if part.faults:
        first = part.faults[0]
        where = f"row {first.row}" + (f", '{first.column}'" if first.column else "")
        found.append(
            f"{len(part.faults):,} of {table.num_rows:,} rows cannot be scored and are missing in"
            f" the answer; the first: {where}: {first.reason}"
        )
    return found
