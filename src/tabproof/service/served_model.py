"""One served model: verified, loaded and tried once; it never changes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabproof.artifacts import Summary, VerifiedRun, read_verified
from tabproof.errors import UserError, printable
from tabproof.forms import NumberForm
from tabproof.prediction_log.layout import Kind, LoggedColumn, LoggedModel
from tabproof.schema import CategoryColumn, Column, DateColumn, Schema, TextColumn
from tabproof.scorer import NotExplainableError, Scorer, read_scorer
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding, SplineEncoding
from tabproof.scorer.inputs import DateInput, TextInput
from tabproof.service import answers
from tabproof.service.answers import ReasonKind, RefusedError, RowWarning
from tabproof.service.rows import Row, RowReader, as_iso
from tabproof.text import format_params, is_printable

SCHEMA, SUMMARY, SCORER = "schema.json", "summary.json", "scorer/"
KINDS: dict[type, str] = {
    NumberEncoding: "number",
    SplineEncoding: "number",
    CategoryEncoding: "category",
    DateInput: "date",
    TextInput: "text",
}
REASONS: dict[ReasonKind, str] = {
    "newest": "the newest complete run, since nothing is promoted",
    # A client named it.
    "requested": "as POST /reload requested",
    "promoted": "promoted",
    "rolled_back": "rolled back",
}
TOO_EXTREME = "the numbers are too extreme for a probability"
# One request occupies the worker thread for at most about ten seconds, whatever the model, and its
# response has at most about ten megabytes.
MAX_WORK, MAX_NUMBERS = 10**8, 2**19


class ModelUnusableError(UserError):
    """A run is intact but cannot be served."""

    template = "{source} cannot be served: {reason}"


@dataclass(frozen=True)
class Reason:
    """Why a model is served; when: since when the registry names it, if that is known."""

    kind: ReasonKind
    when: datetime | None = None

    @property
    def text(self) -> str:
        """The reason behind the name of a run, for people."""
        when = "" if self.when is None else f" {self.when.isoformat(' ', 'minutes')}"
        return REASONS[self.kind] + when


@dataclass(frozen=True)
class ServedModel:
    """A model and its description; promoted: from the registry, not from outputs/.

    path: the directory of its run. source: the same below a configured root, for people.
    """

    name: str
    run_id: str
    path: Path
    source: str
    promoted: bool
    reason: Reason
    schema: Schema
    scorer: Scorer
    reader: RowReader
    summary: Summary

    @cached_property
    def logged(self) -> LoggedModel:
        """What the prediction log has to know: the same object for each prediction."""
        columns = tuple(
            LoggedColumn(
                column.name,
                cast(Kind, column.kind),
                encoding.categories if isinstance(encoding, CategoryEncoding) else (),
            )
            for column, encoding in zip(self.schema.columns, self.scorer.columns, strict=True)
        )
        scorer = self.scorer
        return LoggedModel(self.name, self.run_id, scorer.labels, scorer.threshold, columns)

    def predict_row(self, row: Row, *, strict: bool, explain: bool = False) -> answers.Prediction:
        """Predict one row; raise RefusedError if it cannot be predicted."""
        return self.score_row(row, strict=strict, explain=explain)[0]

    def score_row(
        self, row: Row, *, strict: bool, explain: bool = False
    ) -> tuple[answers.Prediction, list[Any], Sequence[float]]:
        """Predict one row, as `predict_row`; also return its cells as scored, and probabilities."""
        if strict:
            self.reader.check_strictly(row)
        warnings: list[RowWarning] = []
        scorer = self.scorer
        values = self.reader.read(row, warnings)
        proba = scorer.predict_row(values)
        label = scorer.label_of(proba)
        # NaN, when extreme numbers of several columns cancel out.
        if not 0.0 <= proba[0] <= 1.0:
            raise RefusedError(422, TOO_EXTREME)
        threshold, probabilities = scorer.threshold, dict(zip(scorer.labels, proba, strict=True))
        pred_proba = max(proba) if threshold is None else proba[1]
        model = threshold, self.name, self.run_id
        found = answers.Prediction(pred_proba, label, probabilities, *model, warnings)
        if explain:
            arrays = [_array_of(value) for value in values]
            batch = explain_rows(scorer, arrays, np.array([proba]), place="")
            added = {name: each[0] for name, each in batch.contributions.items()}
            label, base, score = batch.label[0], batch.base_value[0], batch.score[0]
            found.explanation = answers.Explanation(label, batch.scale, base, added, score)
        return found, values, proba

    def predict_rows(
        self, rows: Sequence[Row], *, strict: bool, explain: bool = False
    ) -> answers.PredictionBatch:
        """Predict many rows; raise RefusedError if one cannot be predicted."""
        return self.score_rows(rows, strict=strict, explain=explain)[0]

    def score_rows(
        self,
        rows: Sequence[Row],
        *,
        strict: bool,
        explain: bool = False,
        every: list[RowWarning] | None = None,
    ) -> tuple[answers.PredictionBatch, list[NDArray[np.generic]], NDArray[np.float64]]:
        """Predict many rows, as `predict_rows`; also return what was scored.

        every: is filled with the warnings of each row, of which the answer has some.
        Returns the answer, the cells by column, and probabilities of shape (n_rows, n_labels).
        """
        if strict:
            for place, row in enumerate(rows):
                self.reader.check_strictly(row, place)
        warnings: list[RowWarning] = []
        columns = self.reader.read_many(rows, warnings, every)
        scorer = self.scorer
        proba = scorer.predict_proba(columns)
        broken = ~np.isfinite(proba).all(axis=1)
        if broken.any():
            raise RefusedError(422, f"rows[{int(broken.argmax())}]: {TOO_EXTREME}")
        threshold = scorer.threshold
        pred_proba = (proba.max(axis=1) if threshold is None else proba[:, 1]).tolist()
        label = [scorer.labels[code] for code in scorer.codes_of(proba).tolist()]
        probabilities = dict(zip(scorer.labels, proba.T.tolist(), strict=True))
        model = threshold, self.name, self.run_id
        found = answers.PredictionBatch(pred_proba, label, probabilities, *model, warnings)
        if explain:
            found.explanation = explain_rows(scorer, columns, proba)
        return found, columns, proba

    def schema_info(self) -> answers.SchemaInfo:
        """Return the answer of /schema."""
        columns = self.schema.columns
        return answers.SchemaInfo(
            model=self.name,
            run_id=self.run_id,
            target=self.schema.target,
            labels=list(self.schema.labels),
            required_columns=[column.name for column in columns],
            numeric_columns=[column.name for column in columns if column.kind == "number"],
            columns=[_info_of(column) for column in columns],
            example=self.example(),
            treatments=[
                answers.TreatmentInfo(each.code, each.message, list(each.columns))
                for each in self.schema.treatments
            ],
            estimator=self._estimator_info(),
        )

    @property
    def title(self) -> str:
        """What the model is, such as `ensemble of 6 models (soft vote)`; empty if not known."""
        return printable(self.summary.estimator.title, 200)

    def _estimator_info(self) -> answers.EstimatorInfo | None:
        found = self.summary.estimator
        members = [
            answers.MemberInfo(
                printable(each.name), printable(each.kind), format_params(each.params), each.weight
            )
            for each in found.members
        ]
        return answers.EstimatorInfo(self.title, members) if members else None

    def example(self) -> dict[str, float | str | None]:
        """Return a row with the middle of each range and the first category of each column."""
        found: dict[str, float | str | None] = {}
        for column in self.schema.columns:
            if isinstance(column, CategoryColumn):
                found[column.name] = next(iter(column.categories), None)
            elif isinstance(column, TextColumn):
                # No text of training: it may be personal data.
                found[column.name] = "text"
            elif isinstance(column, DateColumn):
                low, high = column.minimum, column.maximum
                middle = None if low is None or high is None else (low + high) // 2
                found[column.name] = None if middle is None else as_iso(middle, column.form)
            elif column.span is None:
                found[column.name] = None
            else:
                low, high = column.span
                middle = low / 2 + high / 2
                is_within = low <= round(middle) <= high
                found[column.name] = float(round(middle)) if is_within else middle
        return found


def _info_of(column: Column) -> answers.ColumnInfo:
    """Describe a column for clients."""
    info = answers.ColumnInfo(column.name, column.kind, column.missing_share)  # type: ignore[arg-type]
    if isinstance(column, CategoryColumn):
        info.categories = list(column.categories)
    elif isinstance(column, TextColumn):
        info.longest = column.longest
    elif isinstance(column, DateColumn):
        info.minimum, info.maximum = (
            None if end is None else as_iso(end, column.form)
            for end in (column.minimum, column.maximum)
        )
        info.form = asdict(column.form)
    else:
        info.minimum, info.maximum = column.minimum, column.maximum
        if column.form != NumberForm():
            form = column.form
            info.form = asdict(form) | {"marks": [*form.marks], "scales": [*form.scales]}
    return info


def load_model(
    path: Path,
    *,
    name: str | None,
    source: str,
    reason: Reason = Reason("requested"),
    check: Callable[[VerifiedRun], None] | None = None,
    roots: Sequence[Path] = (),
    allow_empty: bool = False,
) -> ServedModel:
    """Load a verified run and try it once; raise no other errors than UserError.

    name: that of a promoted model; None takes the name of the dataset, as for runs from outputs/.
    check: called before anything of the run is parsed; raises for a run that is not trusted.
    roots: links to the run are followed if they stay beneath one of these.
    allow_empty: also predict rows without any column of the model.
    """

    def is_needed(file: str) -> bool:
        return file in (SCHEMA, SUMMARY) or file.startswith(SCORER)

    run = read_verified(path, is_needed, roots)
    if check is not None:
        check(run)
    for needed in (SCHEMA, SUMMARY, SCORER):
        if not any(file.startswith(needed) for file in run.files):
            cause = ": it was trained with export=false" if needed == SCORER else ""
            raise ModelUnusableError(source, f"it has no {needed}{cause}")
    schema = Schema.from_json(run.files[SCHEMA].decode("utf-8", errors="replace"))
    scorer = read_scorer(run.files)
    columns = [(column.name, column.kind) for column in schema.columns]
    expected = [(column.name, KINDS[type(column)]) for column in scorer.columns]
    if columns != expected or tuple(schema.labels) != scorer.labels:
        raise ModelUnusableError(source, f"{SCHEMA} and {SCORER} name other columns or labels")
    try:
        summary = Summary.from_json(run.files[SUMMARY])
    except ValueError as error:
        raise ModelUnusableError(source, f"{SUMMARY} {error}") from error
    if not is_printable(summary.dataset):
        # Of a run it is the name: in logs, in metrics and in paths.
        why = f"the name of its dataset cannot be printed: {printable(summary.dataset)}"
        raise ModelUnusableError(source, why)
    model = ServedModel(
        name=summary.model_name if name is None else name,
        run_id=run.run_id,
        path=path,
        source=source,
        promoted=name is not None,
        reason=reason,
        schema=schema,
        scorer=scorer,
        reader=RowReader(schema, scorer, allow_empty=allow_empty),
        summary=summary,
    )
    example = model.example()
    try:
        one = model.predict_row(example, strict=False)
        batch = model.predict_rows([example], strict=False)
    except RefusedError as refusal:
        raise ModelUnusableError(source, refusal.detail) from refusal
    if one.pred_proba != batch.pred_proba[0] or one.label != batch.label[0]:
        raise ModelUnusableError(source, "one row and a batch get different predictions")
    try:
        msgspec.json.encode((model.schema_info(), summary.metrics, one))
    except UnicodeEncodeError as error:
        # JSON can spell half a character, which no answer could hold.
        raise ModelUnusableError(source, "a text of it is not valid Unicode") from error
    return model


def _array_of(value: float | str | None) -> NDArray[np.generic]:
    return np.array([value], dtype=object if value is None or isinstance(value, str) else None)


# --- Contributions


def explain_rows(
    scorer: Scorer,
    columns: Sequence[NDArray[np.generic]],
    proba: NDArray[np.float64],
    *,
    place: str = "rows[{}]: ",
) -> answers.ExplanationBatch:
    """Return the contributions of many rows; place: how an error names a row by its number.

    Refuse a model without contributions, and more rows than can be explained in time.
    """
    try:
        work = scorer.explainer.work
    except NotExplainableError as error:
        raise RefusedError(422, str(error)) from error
    most = max(1, min(MAX_WORK // max(work, 1), MAX_NUMBERS // len(scorer.model.encodings)))
    if len(proba) > most:
        raise RefusedError(
            413,
            f"{len(proba):,} rows are more than the {most:,} that can be explained in one request"
            " with this model; send them in parts, or without explain",
        )
    found = scorer.contributions(columns, proba)
    broken = ~np.isfinite(found.scores)
    if broken.any():
        where = place.format(int(broken.argmax()))
        raise RefusedError(422, f"{where}the numbers are too extreme for contributions")
    label = [scorer.labels[code] for code in found.codes.tolist()]
    names, base = [column.name for column in scorer.columns], found.base.tolist()
    added = dict(zip(names, found.values.T.tolist(), strict=True))
    return answers.ExplanationBatch(label, found.scale, base, added, found.scores.tolist())
