"""`tabproof init`: propose, ask on a terminal, write conf/dataset/<name>.yaml."""

import csv
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from tabproof.artifacts.files import write_atomically
from tabproof.conf_files import CONF, choices
from tabproof.data import Table, table_of
from tabproof.errors import ColumnMissingError, UserError, first_line
from tabproof.init.looks import (
    ColumnLook,
    find_copies_of_target,
    look_at,
    propose_division,
    propose_target,
)
from tabproof.init.page import SAME, Proposal, as_yaml, file_of, page, preview, propose
from tabproof.reading import ReadOptions, read_table
from tabproof.text import shell_word

# What an error proposes: `dataset.thousands=,`, or a word in quotes.
SUGGESTED = re.compile(r"'(dataset\.[^']+)'|(?<![\w'])(dataset\.\w+=(?:,(?=\s|$)|[^\s,;'\"…]+))")
T = TypeVar("T")
NO_WORD = re.compile(r"[\d_]+(?:e[\d_]+)?|inf|nan|null|true|false", re.I)
OF_READING = ("separator", "encoding", "sheet", "bad_rows")


class DatasetExistsError(UserError):
    """A dataset of this name."""

    template = "{path} exists; choose another --name, or --force to write it anew"


class NoTargetProposedError(UserError):
    """A table in which no column looks like classes."""

    template = "no column of {path} looks like classes to predict; give --target, one of {columns}"


class StandardInputError(UserError):
    """A table that could not be read again by the command that trains."""

    template = "init writes where the table is, and - is read once only; give a file, or --dry-run"


def init(
    path: str,
    words: Sequence[str] = (),
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

    On a terminal every proposal can be changed, unless `yes` or `as_json` takes them all. words :
    of `train`, such as `dataset.thousands=,`; those of the dataset are written, others are printed.
    """
    if path == "-" and not dry_run:
        raise StandardInputError
    name = dataset_name(path if name is None else name)
    asks = not (yes or as_json or dry_run) and sys.stdin.isatty()
    file = file_of(name)
    taken = file if file.is_file() else choices("dataset").get(name)
    if taken is not None and not (force or dry_run or asks):
        raise DatasetExistsError(path=taken)
    overrides = Overrides(path, words, asks=asks)
    raw = overrides.settle(
        lambda keys: read_table(path, ReadOptions(**{k: keys[k] for k in OF_READING if k in keys}))
    )
    looks = look_at(raw.table)
    names = [look.name for look in looks]
    target = overrides.keys.pop("target", target)
    pos_label = overrides.keys.pop("pos_label", pos_label)
    overrides.keys.pop("path", None)
    if target is None:
        target = _ask_target(raw.table, looks) if asks else propose_target(raw.table, looks)
    if target is None:
        raise NoTargetProposedError(path=path, columns=names)
    if target not in names:
        raise ColumnMissingError("--target", target, names)

    def make(keys: Mapping[str, Any]) -> Table:
        # As train does: classes of one row are left out.
        keys = {"min_class_rows": 2} | {k: v for k, v in keys.items() if k not in OF_READING}
        command = ["python", "-m", "src.init", path]
        return table_of(raw, path, str(target), pos_label, command=command, **keys)

    table = overrides.settle(make)
    if asks and pos_label is None and len(table.labels) == 2:
        labels = list(table.labels)
        pos_label = _ask("Positive label, whose probability you want", labels, labels[1])
        table = table if pos_label == table.labels[1] else overrides.settle(make)
    copies = find_copies_of_target(table)
    table = _drop(table, copies, overrides, names, make, asks=asks)
    options = [shell_word(word) for word in overrides.others]
    if not any(word.startswith("cv") for word in overrides.others):
        for option, question in propose_division(raw.table, looks, table):
            if not asks or click.confirm(question, default=True):
                options += option
                break
    proposal = propose(path, name, looks, table, overrides.keys, options, copies)
    if taken is not None and not (force or dry_run):
        click.confirm(f"{taken} exists. Write {proposal.file}?", abort=True)
    if not dry_run:
        write(proposal)
    if as_json:
        content = {**asdict(proposal), "file": str(proposal.file), "command": proposal.command}
        return json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return page(proposal, written=not dry_run)


def dataset_name(path: str) -> str:
    """Return the name of a dataset: that of its file, of letters, digits, `_` and `-`."""
    stem = Path(path.split("?")[0]).name.split(".")[0]
    name = re.sub(r"[^\w-]+", "_", stem).strip("_-") or "table"
    # `dataset=1e39` and `dataset=null` name no file in Hydra's grammar.
    return f"data_{name}" if NO_WORD.fullmatch(name) else name


def write(proposal: Proposal) -> None:
    """Write the dataset, and the schema with which editors complete and check it."""
    proposal.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(proposal.file, as_yaml(proposal).encode())
    # Made beforehand: the configuration's classes would load Hydra.
    ours, theirs = (folder / ".schema" / "dataset.json" for folder in (CONF, Path("conf")))
    if ours.is_file() and not (theirs.is_file() and theirs.samefile(ours)):
        theirs.parent.mkdir(exist_ok=True)
        write_atomically(theirs, ours.read_bytes())


class Overrides:
    """Overrides of `train` from the command line and from answers on a terminal.

    keys : of the dataset, with their values. others : those of other groups, such as `cv=grouped`.
    """

    def __init__(self, path: str, words: Sequence[str], *, asks: bool) -> None:
        self.path, self.asks = path, asks
        self.keys: dict[str, Any] = {}
        self.others: list[str] = []
        self.add(words)

    def add(self, words: Sequence[str]) -> None:
        """Take words; raises what `train` would raise."""
        if not words:
            return
        # Loads Hydra.
        from tabproof.config import dataset_keys

        self.keys |= dataset_keys(words, self.path, "?")
        self.others += [word for word in words if not word.lstrip("+").startswith("dataset.")]

    def settle(self, act: Callable[[Mapping[str, Any]], T]) -> T:
        """Call a function with the keys until it can decide; ask for the words that decide."""
        while True:
            try:
                return act(self.keys)
            except UserError as error:
                proposed = [first or second for first, second in SUGGESTED.findall(str(error))]
                if not (self.asks and proposed):
                    raise
                click.echo(f"\n{error}")
                self._ask(list(dict.fromkeys(proposed)))

    def _ask(self, proposed: Sequence[str]) -> None:
        for number, word in enumerate(proposed, 1):
            click.echo(f"  {number}  {word}")
        while True:
            answer = click.prompt("Which one (a number, or other words of this form)", type=str)
            place = int(answer) if answer.isascii() and answer.isdigit() else 0
            try:
                self.add([proposed[place - 1]] if 0 < place <= len(proposed) else [answer])
            except Exception as error:  # Hydra's grammar has errors of its own
                click.echo(f"  {first_line(error)}")
            else:
                return


def _ask(question: str, allowed: Sequence[str], default: str | None) -> str:
    """Ask for one of some texts, which need not be shown all."""
    while True:
        answer = click.prompt(question, default=default, type=str)
        if answer in allowed:
            return str(answer)
        click.echo(f"  {ColumnMissingError(question, answer, list(allowed))}")


def _ask_target(table: Any, looks: Sequence[ColumnLook]) -> str:
    click.echo(preview(looks))
    names = [look.name for look in looks]
    return _ask("Column to predict", names, propose_target(table, looks))


def _drop(
    table: Table,
    copies: Sequence[str],
    overrides: Overrides,
    names: Sequence[str],
    make: Callable[[Mapping[str, Any]], Table],
    *,
    asks: bool,
) -> Table:
    """Propose to leave out what says the same as the target; ask for others."""
    if "drop_columns" in overrides.keys:
        return table
    proposed = list(copies) if len(copies) < table.X.shape[1] else []
    if asks:
        for name in proposed:
            click.echo(
                f"'{name}' {SAME}: what is known only together with it makes scores too good"
            )
        line = ", ".join(f'"{each}"' if "," in each else each for each in proposed)
        what = "Columns not to learn from, with commas between"
        while True:
            answer = click.prompt(what, default=line, show_default=bool(line), type=str)
            proposed = [
                each.strip()
                for each in next(csv.reader([answer], skipinitialspace=True), [])
                if each.strip()
            ]
            unknown = [each for each in proposed if each not in names]
            if not unknown:
                break
            click.echo(f"  {ColumnMissingError(what, unknown[0], list(names))}")
    if not proposed:
        return table
    overrides.keys["drop_columns"] = proposed
    return overrides.settle(make)
