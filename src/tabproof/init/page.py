"""What `init` writes and shows: the commented YAML of a dataset, a preview, the command."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import yaml

from tabproof.conf_files import escaped
from tabproof.data import Table
from tabproof.errors import printable
from tabproof.init.looks import MAX_LABELS, ColumnLook
from tabproof.text import aligned, as_typed, shell_word

MAX_PREVIEW = 40
KINDS = {"float64": "number", "category": "category", "datetime64[us]": "date", "str": "text"}
WHY_LEFT_OUT = {
    "left_out_empty": "no value",
    "left_out_constant": "one value only",
    "left_out_ids": "an id",
    "left_out_distinct": "a category of its own in nearly every row",
    "left_out_unusable": "lists, records or bytes",
}
COMMENTS = {
    "pos_label": "the label whose probability you want",
    "separator": "found",
    "encoding": "found",
    "sheet": "of the workbook",
    "decimal": "decimal point of the numbers",
    "thousands": "groups the digits of numbers",
}
USUAL = {("decimal", "."), ("thousands", "none")}
DROPPED = "drop_columns"
SAME = "says what the target says"
# What YAML 1.2, OmegaConf or PyYAML may take for a number.
LIKE_A_NUMBER = re.compile(r"[-+.\d][-+.\d_:eE]*|[-+]?\.(?:inf|nan)", re.I)


@dataclass(frozen=True)
class Proposal:
    """What `init` found and proposes; settings : of the dataset; options : words of the command."""

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
        return file_of(self.name)

    @property
    def command(self) -> str:
        """The command that trains it, as it is typed in a shell."""
        words = [shell_word(f"dataset={self.name}"), *self.options]
        return as_typed(" ".join(["python -m src.train", *words]))


def file_of(name: str) -> Path:
    """Return where the configuration of a dataset is written."""
    return Path("conf") / "dataset" / f"{name}.yaml"


def propose(
    path: str,
    name: str,
    looks: Sequence[ColumnLook],
    table: Table,
    given: Mapping[str, Any],
    options: Sequence[str],
    copies: Sequence[str] = (),
) -> Proposal:
    """Return the proposal of a table as it was made.

    given : keys of the dataset. copies : columns that say the same as the target.
    """
    dropped = given.get(DROPPED, ())
    is_binary = len(table.labels) == 2
    settings: dict[str, Any] = {"path": path, "target": table.target}
    if is_binary:
        settings["pos_label"] = table.labels[1]
    found = {key: value for key, value in table.resolved.items() if key != "pos_label"}
    # The usual ones say nothing: a column that another export adds may be written otherwise.
    found = {k: v for k, v in found.items() if (k, v) not in USUAL}
    settings |= {**found, **{key: value for key, value in given.items() if key not in settings}}
    left_out = {
        column: WHY_LEFT_OUT.get(treatment.code, "")
        for treatment in table.treatments
        if treatment.code.startswith("left_out")
        for column in treatment.columns
    }

    def use_of(column: str) -> str:
        if column == table.target:
            return "target"
        if column in dropped:
            return f"left out: {SAME if column in copies else 'as you say'}"
        if any(option.strip("'\"").endswith(f"_column={column}") for option in options):
            return "groups rows" if "cv=grouped" in options else "orders rows"
        if left_out.get(column):
            return f"left out: {left_out[column]}"
        return KINDS.get(str(table.X[column].dtype), "text") if column in table.X else "left out"

    remarks = [treatment.message for treatment in table.treatments]
    if same := [column for column in copies if column in dropped]:
        remarks.insert(0, f"left out, since it says the same as the target: {', '.join(same)}")
    return Proposal(
        path=path,
        name=name,
        n_rows=len(table.y),
        target=table.target,
        labels=table.labels,
        pos_label=table.labels[1] if is_binary else None,
        columns=tuple(
            ColumnLook(
                look.name, look.example, look.n_distinct, look.missing_share, use_of(look.name)
            )
            for look in looks
        ),
        remarks=tuple(remarks),
        settings=settings,
        options=tuple(options),
    )


def as_yaml(proposal: Proposal) -> str:
    """Return the commented configuration of the dataset."""
    labels = ", ".join(map(printable, proposal.labels[:MAX_LABELS]))
    title = f"{printable(proposal.path)}: {proposal.n_rows:,} rows; predicts"
    lines = [
        "# yaml-language-server: $schema=../.schema/dataset.json",
        f"# {title} {printable(proposal.target)} ({labels})",
        f"# Train it:  {proposal.command}",
        "defaults:",
        "  - /schema/dataset@_here_: file",
        "  - _self_",
        "",
    ]
    for key, value in proposal.settings.items():
        line = f"{key}: {_yaml(value)}"
        comment = COMMENTS.get(key, "")
        if key == DROPPED:
            uses = {
                look.use.removeprefix("left out: ")
                for look in proposal.columns
                if look.name in value
            }
            comment = f"not learned from: {', '.join(sorted(uses))}"
        lines.append(f"{line}   # {comment}" if comment else line)
    left_out = [look for look in proposal.columns if look.use.startswith("left out: ")]
    left_out = [look for look in left_out if look.name not in proposal.settings.get(DROPPED, ())]
    if left_out:
        lines += ["", "# Not learned from, as they are; ids can be kept, keep: [name]"]
        lines += [f"#   {printable(look.name)}: {look.use[10:]}" for look in left_out]
    more = {
        DROPPED: "[]   # columns that are not to be learned from",
        "column_types": "{}   # {name: number, category, date or text}, where another was found",
        "na_values": "null   # cells that mean missing, besides NA, null and the like",
    }
    lines += ["", "# More keys (docs/data.md), with their defaults:"]
    lines += [f"# {key}: {words}" for key, words in more.items() if key not in proposal.settings]
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """Return a value in one line; texts that look like numbers are in quotes."""
    if isinstance(value, Mapping):
        inner = (f"{_yaml(str(name))}: {_yaml(each)}" for name, each in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    value = value.value if isinstance(value, Enum) else value
    is_odd = isinstance(value, str) and (
        LIKE_A_NUMBER.fullmatch(value)
        or not value.isprintable()
        # What ends a text, or begins a key, within a list or a mapping.
        or re.search(r"[\[\]{},?]|^:", value)
    )
    style = '"' if is_odd else None
    dumped = yaml.safe_dump(
        escaped(value), allow_unicode=True, width=10**6, default_style=style
    ).removesuffix("...\n")
    return dumped.rstrip("\n")


def preview(looks: Sequence[ColumnLook]) -> str:
    """Return the columns as a table for a terminal."""
    shown = [*looks[:MAX_PREVIEW], *(look for look in looks[MAX_PREVIEW:] if look.use == "target")]
    columns = {
        "column": [printable(look.name, 40) for look in shown],
        "example": [look.example for look in shown],
        "distinct": [f"{look.n_distinct:,}" for look in shown],
        "missing": [f"{look.missing_share:.1%}" * (look.missing_share > 0) for look in shown],
        "use": [look.use for look in shown],
    }
    # A terminal is narrow: what is empty is left out.
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    numbers = [place for place, name in enumerate(columns) if name in ("distinct", "missing")]
    width = max(60, get_terminal_size((120, 24)).columns)
    text = aligned(rows, width=width, numbers=numbers, flexible=(1, 0))
    n_more = len(looks) - len(shown)
    return text + (f"\n… and {n_more:,} more columns" if n_more > 0 else "")


def page(proposal: Proposal, *, written: bool) -> str:
    """Return what is printed at the end: columns, remarks, the command."""
    labels = ", ".join(map(printable, proposal.labels[:MAX_LABELS]))
    positive = "" if proposal.pos_label is None else f"; positive: {printable(proposal.pos_label)}"
    lines = [preview(proposal.columns), ""]
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
