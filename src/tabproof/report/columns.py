"""What the pages show of a table's columns: their kinds, and what was done to them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tabproof.forms import DateForm, NumberForm
from tabproof.report import format as fmt
from tabproof.report.format import Texts
from tabproof.schema import (
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    Schema,
    TextColumn,
    Treatment,
    treatment_text,
)

# Columns in the table; schema.json has all. Categories that are named.
MAX_SHOWN, MAX_CATEGORIES = 200, 5
# The same moment in the forms that have no pattern of strptime.
ISO_FORMS = {"iso": "2024-03-01", "epoch_s": "1709251200", "epoch_ms": "1709251200000"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def treatments(schema: Schema | None, t: Texts, *, losses: bool | None = None) -> Iterator[str]:
    """Return what was done to columns and rows; losses : only those that lose rows, or others."""
    for each in () if schema is None else schema.treatments:
        if losses is None or each.is_loss == losses:
            yield _in_words(each, t)


def _in_words(treatment: Treatment, t: Texts) -> str:
    try:
        return treatment_text(treatment.code, treatment.columns, treatment.facts, t.language)
    except (KeyError, IndexError, ValueError):
        # A treatment of another version: the logged message is still right.
        return fmt.shown(treatment.message)


def column_rows(schema: Schema | None, t: Texts) -> list[dict[str, Any]]:
    """Return a row per column: name, kind, range or categories, missing share, and form."""
    columns = () if schema is None else schema.columns[:MAX_SHOWN]
    return [
        {
            "name": column.name,
            "kind": t(f"columns.kind_{column.kind}"),
            "values": _values(column, t),
            "missing": f"{column.missing_share:.1%}" if column.missing_share else "0",
            "form": _form(column),
        }
        for column in columns
    ]


def kinds_in_words(schema: Schema | None, t: Texts) -> str:
    """Return the number of columns of each kind: `numbers: 7, categories: 13`."""
    counts: dict[str, int] = {}
    for column in () if schema is None else schema.columns:
        counts[column.kind] = counts.get(column.kind, 0) + 1
    return t("columns.comma").join(
        t(f"columns.n_{kind}", n=fmt.count(n)) for kind, n in counts.items()
    )


def _values(column: Column, t: Texts) -> str:
    if isinstance(column, CategoryColumn):
        names = [fmt.shown(name, 24) for name in column.categories]
        listed = fmt.listed(names, MAX_CATEGORIES, t("columns.comma"))
        return t("columns.categories", n=fmt.count(len(names)), names=listed)
    if isinstance(column, TextColumn):
        return t("columns.longest", n=fmt.count(column.longest))
    if column.minimum is None or column.maximum is None:
        return fmt.NOTHING
    if isinstance(column, DateColumn):
        ends = [as_date(end, column.form) for end in (column.minimum, column.maximum)]
    else:
        ends = [fmt.plain(end) for end in (column.minimum, column.maximum)]
    return ends[0] if ends[0] == ends[1] else t("columns.range", low=ends[0], high=ends[1])


def as_date(seconds: float, form: DateForm) -> str:
    """Return a moment by the form's own clock, with its time if the column has times."""
    try:
        moment = EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return fmt.plain(seconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if form.has_time else moment.date().isoformat()


def _form(column: Column) -> str:
    """Return how cells are written, where it is not the plain form."""
    if isinstance(column, NumberColumn) and column.form != NumberForm():
        number = column.form
        sign, scale = number.thousands[:1], "".join(number.scales[-1:])
        return number.time or f"1{sign}234{number.decimal}5{scale} {' '.join(number.marks)}".strip()
    if isinstance(column, DateColumn):
        return ISO_FORMS.get(column.form.pattern, column.form.pattern)
    return ""
