"""`tabproof init`: look at a file, propose how to learn from it, write conf/dataset/<name>.yaml.

Nothing is trained here. What a proposal is made of is shown: an example, the number of distinct
values and the missing share of each column, and what training will do with it.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from tabproof.artifacts.files import write_atomically
from tabproof.conf_files import choices
from tabproof.config.json_schema import write_schemas
from tabproof.config.quoting import escaped
from tabproof.data import load_file
from tabproof.data.table import Table
from tabproof.errors import ColumnMissingError, UserError, printable
from tabproof.reading import ReadOptions, read_table
from tabproof.text import aligned, shell_word

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
MAX_PREVIEW = 40
EXAMPLE_WIDTH = 24


class DatasetExistsError(UserError):
    """A dataset of this name."""

    template = "{path} exists; choose another --name, or --force to write it anew"


class NoTargetProposedError(UserError):
    """A table in which no column looks like classes."""

    template = "no column of {path} looks like classes to predict; give --target, one of {columns}"


@dataclass(frozen=True)
class ColumnLook:
    """What is shown of a column; use : what training does with it."""

    name: str
    example: str
    n_distinct: int
    missing_share: float
    use: str = ""


@dataclass(frozen=True)
class Proposal:
    """What `init` found and proposes; settings : of the dataset; options : of the command."""

    path: str
    name: str
    n_rows: int
    target: str
    labels: tuple[str, ...]
    pos_label: str | None
    columns: tuple[ColumnLook, ...]
    remarks: tuple[str, ...]
    settings: dict[str, Any]
    options: tuple[str, ...]

    @property
    def file(self) -> Path:
        """Where the dataset's configuration is written."""
        return Path("conf") / "dataset" / f"{self.name}.yaml"

    @property
    def command(self) -> str:
        """The command that trains it."""
        words = [f"dataset={self.name}", *self.options]
        return " ".join(["python -m src.train", *map(shell_word, words)])


def init(
    path: str,
    *,
    name: str | None,
    target: str | None,
    pos_label: str | None,
    yes: bool,
    as_json: bool,
    force: bool,
    dry_run: bool,
) -> str:
    """Write the configuration of a dataset; return what is to be printed.

    On a terminal every proposal can be changed, unless `yes` or `as_json` takes them all.
    """
    name = dataset_name(path) if name is None else dataset_name(name)
    asks = not (yes or as_json or dry_run) and sys.stdin.isatty()
    raw = read_table(path, ReadOptions())
    looks = look_at(raw.table)
    names = [look.name for look in looks]
    if target is None:
        proposed = propose_target(raw.table, looks)
        if proposed is None and not asks:
            raise NoTargetProposedError(path=path, columns=names)
        target = proposed
        if asks:
            click.echo(_preview(looks))
            target = click.prompt("Column to predict", default=proposed, type=click.Choice(names))
    if target is None or target not in names:
        raise ColumnMissingError("--target", str(target), names)
    table = load_file(path, target, pos_label)
    if asks and len(table.labels) == 2:
        labels = click.Choice(list(table.labels))
        pos_label = click.prompt("Positive label", default=table.labels[1], type=labels)
        table = load_file(path, target, pos_label)
    options = []
    for option, question in propose_division(raw.table, looks, table):
        if not asks or click.confirm(question, default=True):
            options = option
            break
    proposal = _propose(path, name, looks, table, raw.resolved, options)
    taken = proposal.file if proposal.file.is_file() else choices("dataset").get(name)
    is_free = taken is None or force or dry_run
    if not is_free and not (asks and click.confirm(f"{taken} exists. Write it anew?")):
        raise DatasetExistsError(path=taken)
    if not dry_run:
        proposal.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(proposal.file, as_yaml(proposal).encode())
        # With it editors complete and check the file.
        write_schemas(Path("conf") / ".schema", ["dataset"])
    if as_json:
        content = {**asdict(proposal), "file": str(proposal.file), "command": proposal.command}
        return json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return _page(proposal, written=not dry_run)


def dataset_name(path: str) -> str:
    """Return the name of a dataset: that of its file, of letters, digits, `_` and `-`."""
    stem = Path(path.split("?")[0]).name.split(".")[0]
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "table"


# --- What is looked at.


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
        # Lists and records.
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
    """Return divisions that the columns suggest: the words of the command, and a question.

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
            found.append((["cv=grouped", f"cv.group_column={look.name}"], question))
    dates = made.X.select_dtypes("datetime").columns
    for name in map(str, dates):
        times = made.X[name].dropna()
        if len(times) > 1 and (times.is_monotonic_increasing or times.is_monotonic_decreasing):
            question = f"Rows are in the order of '{name}': hold out the last ones?"
            found.append((["cv=time_series", f"cv.time_column={name}"], question))
    return found


def _propose(
    path: str,
    name: str,
    looks: Sequence[ColumnLook],
    table: Table,
    resolved: Mapping[str, str],
    options: Sequence[str],
) -> Proposal:
    X, target = table.X, table.target
    left_out = {
        column: treatment.code.removeprefix("left_out_").replace("_", " ")
        for treatment in table.treatments
        if treatment.code.startswith("left_out")
        for column in treatment.columns
    }

    def use_of(column: str) -> str:
        if column == target:
            return "target"
        if any(option.endswith(f"_column={column}") for option in options):
            return "divides the rows"
        if column in left_out:
            return f"left out: {left_out[column]}"
        kinds = {"float64": "number", "category": "category", "datetime64[us]": "date"}
        return kinds.get(str(X[column].dtype), "text") if column in X else "left out"

    is_binary = len(table.labels) == 2
    settings: dict[str, Any] = {"path": path, "target": target}
    if is_binary:
        settings["pos_label"] = table.labels[1]
    settings |= {**resolved, **{k: v for k, v in table.resolved.items() if k != "pos_label"}}
    return Proposal(
        path=path,
        name=name,
        n_rows=len(table.y),
        target=target,
        labels=table.labels,
        pos_label=table.labels[1] if is_binary else None,
        columns=tuple(
            ColumnLook(
                look.name, look.example, look.n_distinct, look.missing_share, use_of(look.name)
            )
            for look in looks
        ),
        remarks=tuple(treatment.message for treatment in table.treatments),
        settings=settings,
        options=tuple(options),
    )


# --- What is written and shown.


def as_yaml(proposal: Proposal) -> str:
    """Return the commented configuration of the dataset."""
    lines = [
        "# yaml-language-server: $schema=../.schema/dataset.json",
        f"# {proposal.path}: {proposal.n_rows:,} rows; predicts {printable(proposal.target)}.",
        "defaults:",
        "  - /schema/dataset@_here_: file",
        "  - _self_",
        "",
    ]
    comments = {"pos_label": "the label whose probability you want"}
    for key, value in proposal.settings.items():
        word = yaml.safe_dump({key: escaped(value)}, allow_unicode=True, width=10**6).rstrip("\n")
        comment = comments.get(key, "found" if key not in ("path", "target") else "")
        lines.append(f"{word}   # {comment}" if comment else word)
    left_out = [look for look in proposal.columns if look.use.startswith("left out")]
    if left_out:
        lines += ["", "# Left out without a word here; `keep: [name]` learns from one of them:"]
        lines += [f"#   {printable(look.name)}: {look.use}" for look in left_out]
    lines += [
        "# drop_columns: []   # columns that are not to be learned from",
        "# column_types: {}   # {name: number, category, date or text}, where another was found",
        f"# Train it: {proposal.command}",
    ]
    return "\n".join(lines) + "\n"


def _preview(looks: Sequence[ColumnLook]) -> str:
    has_use = any(look.use for look in looks)
    rows = [["column", "example", "distinct", "missing", *(["use"] if has_use else [])]]
    for look in looks[:MAX_PREVIEW]:
        share = f"{look.missing_share:.1%}" if look.missing_share else ""
        cells = [printable(look.name, 40), look.example, f"{look.n_distinct:,}", share]
        rows.append([*cells, look.use] if has_use else cells)
    width = max(60, get_terminal_size((120, 24)).columns)
    text = aligned(rows, width=width, numbers=(2, 3), flexible=(1, 0))
    n_more = len(looks) - MAX_PREVIEW
    return text + (f"\n… and {n_more:,} more columns" if n_more > 0 else "")


def _page(proposal: Proposal, *, written: bool) -> str:
    labels = ", ".join(map(printable, proposal.labels[:MAX_LABELS]))
    positive = "" if proposal.pos_label is None else f"; positive: {printable(proposal.pos_label)}"
    lines = [_preview(proposal.columns), ""]
    lines += [f"- {remark}" for remark in proposal.remarks]
    lines += [
        f"{proposal.n_rows:,} rows; target {printable(proposal.target)}: {labels}{positive}",
        f"{proposal.file} is written; change it as you like"
        if written
        else f"{proposal.file} would be written",
        "",
        f"Train it:  {proposal.command}",
    ]
    return "\n".join(lines)
