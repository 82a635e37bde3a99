"""What is looked at in a table, and what its columns suggest.

Nothing is trained here. What a proposal is made of is shown: an example, the number of distinct
values and the missing share of each column, and what training will do with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tabproof.data import Table
from tabproof.errors import printable
from tabproof.text import override_word

# Names of targets, whole or as the last word of a name, in the order in which they are believed.
TARGET_NAMES = (
    "target", "label", "class", "y", "outcome", "目的変数", "正解", "ラベル", "クラス", "結果",
    "churn", "churned", "解約", "default", "fraud", "survived", "response", "result", "status",
    "判定", "diagnosis", "approved", "win", "won", "converted", "success", "failure",
)  # fmt: skip
MAX_LABELS = 20
# Names of columns that say whose row it is, such as customer_id, patient, 顧客番号.
SUBJECT = re.compile(
    r"(?:^|[_\s-])(?:id|no|code|user|customer|patient|subject|client|account|member|store|group)$"
    r"|Id$|ID$|(?:番号|コード|顧客|患者|会員|店舗)$",
    re.I,
)
# A subject has several rows, and there are enough of them for folds.
MIN_ROWS_PER_SUBJECT, MIN_SUBJECTS = 1.5, 20
# Distinct values and examples of a larger table are those of its first rows.
N_LOOKED_AT = 200_000
EXAMPLE_WIDTH = 24


@dataclass(frozen=True)
class ColumnLook:
    """What is shown of a column; use : what training does with it."""

    name: str
    example: str
    n_distinct: int
    missing_share: float
    use: str = ""


def look_at(table: pa.Table) -> list[ColumnLook]:
    """Return an example, the distinct values and the missing share of each column."""
    looks = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        head = column.slice(0, N_LOOKED_AT)
        present = head.drop_null()
        example = printable(str(present[0].as_py()), EXAMPLE_WIDTH) if len(present) else ""
        looks.append(
            ColumnLook(name, example, _n_distinct(head), column.null_count / max(len(column), 1))
        )
    return looks


def _n_distinct(column: pa.ChunkedArray) -> int:
    try:
        return int(pc.count_distinct(column).as_py())
    except pa.ArrowNotImplementedError:
        # Arrow does not count lists and records, which training leaves out.
        return len(column)


def propose_target(table: pa.Table, looks: Sequence[ColumnLook]) -> str | None:
    """Return the column that most likely holds the classes: by its name, then by its place."""
    n_rows = table.num_rows
    could_be = [look for look in looks if 2 <= look.n_distinct <= min(MAX_LABELS, n_rows / 2)]
    by_name = {}
    for place, look in enumerate(could_be):
        words = [look.name.casefold(), re.split(r"[\W_]+", look.name.casefold())[-1]]
        ranks = [TARGET_NAMES.index(word) for word in words if word in TARGET_NAMES]
        if look.name.casefold().startswith(("is_", "has_", "will_")):
            ranks.append(len(TARGET_NAMES))
        if ranks:
            # Of equal names the last column.
            by_name[look.name] = (min(ranks), -place)
    if by_name:
        return min(by_name, key=lambda name: by_name[name])
    # Tables that people make have the target last, some have it first.
    for look in (looks[-1], looks[0]) if looks else ():
        if look in could_be:
            return look.name
    return min(could_be, key=lambda look: look.n_distinct).name if could_be else None


def propose_division(
    table: pa.Table, looks: Sequence[ColumnLook], made: Table
) -> list[tuple[list[str], str]]:
    """Return divisions that the columns suggest: the words of the command as typed, and a question.

    Rows of one customer on both sides of the hold-out, or a future that explains the past, make
    scores too good.
    """
    found = []
    for look in looks:
        n_present = table.num_rows * (1 - look.missing_share)
        is_subject = SUBJECT.search(look.name) and look.n_distinct >= MIN_SUBJECTS
        if is_subject and n_present >= MIN_ROWS_PER_SUBJECT * look.n_distinct:
            question = (
                f"'{look.name}' has {look.n_distinct:,} values in {table.num_rows:,} rows: keep the"
                " rows of one value together, in training or in the hold-out?"
            )
            word = override_word("cv.group_column", look.name)
            found.append((["cv=grouped", word], question))
    dates = made.X.select_dtypes("datetime").columns
    for name in map(str, dates):
        times = made.X[name].dropna()
        if len(times) > 1 and (times.is_monotonic_increasing or times.is_monotonic_decreasing):
            question = f"Rows are in the order of '{name}': hold out the last ones?"
            found.append((["cv=time_series", override_word("cv.time_column", name)], question))
    return found


def find_copies_of_target(table: Table) -> list[str]:
    """Return columns that say the same as the target, each label in other words: true/false, 1/0.

    What is known only together with the answer makes scores too good.
    """
    labels = pd.Series(table.y, index=table.X.index)
    n_labels, copies = len(table.labels), []
    for name in map(str, table.X.columns):
        values = table.X[name]
        if values.isna().any() or values.nunique() != n_labels:
            continue
        codes = pd.Series(pd.factorize(values)[0], index=values.index)
        if len((codes * n_labels + labels).unique()) == n_labels:
            copies.append(name)
    return copies
