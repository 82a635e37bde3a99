"""List runs, show one, rank them, and write the table or page of a sweep."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import eq, ge, gt, le, lt
from pathlib import Path
from typing import Any

from tabproof import artifacts, text
from tabproof.artifacts import Found, one_line
from tabproof.errors import InvalidValueError, PathError
from tabproof.evaluation_result import LOWER_IS_BETTER
from tabproof.runs import leaderboard, side_by_side
from tabproof.runs.errors import UnknownMetricError

CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|==|=|>|<)\s*(\S+)\s*")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": ge, "<=": le, ">": gt, "<": lt, "==": eq, "=": eq,
}  # fmt: skip
HEADINGS = (
    "when", "dataset", "model", "search", "choices", "AUC", "accuracy", "seconds", "run", "state",
)  # fmt: skip
NUMBERS = ("AUC", "accuracy", "seconds")
# Positions of the columns to shorten: choices, model, dataset, search.
FLEXIBLE = (4, 2, 1, 3)
# Columns of a table that goes to a file or a program.
WIDTH = 100


def list_runs(
    *,
    outputs: Path,
    dataset: str | None,
    since: str | None,
    until: str | None,
    where: Sequence[str],
    sort: str,
    as_json: bool,
) -> str:
    """List runs, complete or not, the newest or the best first.

    A run that is not complete has a second line, with its directory and the cause.
    """
    found = filtered(artifacts.read_records(outputs), dataset=dataset, since=since, until=until)
    found = _sorted(_where(found, where), sort)
    if as_json:
        return json.dumps([_as_json(each) for each in found], indent=2, ensure_ascii=False)
    if not found:
        return f"no such run in {outputs}"
    n_columns, lines = width(WIDTH), []
    rows = [HEADINGS, *map(_cells, found)]
    heading, *table = text.aligned(
        rows, width=n_columns, headings=HEADINGS, numbers=NUMBERS, flexible=FLEXIBLE
    ).splitlines()
    for each, line in zip(found, table, strict=True):
        lines.append(line)
        if each.record.state not in artifacts.COMPLETE:
            path, cause = f"  {one_line(str(each.path))}", each.record.cause
            detail = f"{path}  {cause}" if cause else path
            fits = max(n_columns, len(path) + 1)
            lines.append(detail if len(detail) <= fits else f"{detail[: fits - 1]}…")
    return "\n".join([heading, *lines])


def filtered(
    found: Iterable[Found],
    *,
    dataset: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> list[Found]:
    """Return the runs of a dataset and of a time, without jobs that a run elsewhere replaced."""
    for key, day in (("--since", since), ("--until", until)):
        if day is not None and not artifacts.is_date(day):
            raise InvalidValueError(key, day, "a day, as in 2026-11-23")
    return [
        each
        for each in found
        if each.record.elsewhere is None
        and (dataset is None or each.record.dataset == artifacts.model_name_of(dataset))
        and (since is None or since <= each.when[:10])
        and (until is None or each.when[:10] <= until)
    ]


def _where(found: list[Found], conditions: Sequence[str]) -> list[Found]:
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        try:
            name, sign, bound = match.groups() if match else ("", "", "")
            limit = float(bound)
        except ValueError as error:
            takes = "a metric, one of >= <= > < =, and a number, as in 'roc_auc>=0.9'"
            raise InvalidValueError("--where", condition, takes) from error
        _check_known(name, found, "--where")
        compare = COMPARISONS[sign]
        valued = [(each, _value(each, name)) for each in found]
        found = [each for each, value in valued if value is not None and compare(value, limit)]
    return found


def _sorted(found: list[Found], key: str) -> list[Found]:
    if key == "when":
        return found
    if key == "dataset":
        return sorted(found, key=lambda each: each.record.dataset)
    _check_known(key, found, "--sort")
    sign = 1 if key in LOWER_IS_BETTER or key == "seconds" else -1

    def rank(each: Found) -> tuple[bool, float]:
        value = _value(each, key)
        return value is None, sign * (value or 0)

    return sorted(found, key=rank)


def _value(found: Found, name: str) -> float | None:
    return found.record.seconds if name == "seconds" else found.record.value(name)


def _check_known(name: str, found: Iterable[Found], key: str) -> None:
    known = {"seconds", *(metric for each in found for metric in each.record.metrics)}
    # Where there are no runs, nothing is known.
    if len(known) > 1 and name not in known:
        raise UnknownMetricError(key, name, sorted(known))


def _cells(found: Found) -> tuple[str, ...]:
    record = found.record
    return (
        found.when[:16],
        one_line(record.dataset),
        one_line(record.model),
        record.mode or "",
        one_line(record.choices),
        number(record.value("roc_auc")),
        number(record.value("accuracy")),
        "" if record.seconds is None else f"{record.seconds:.1f}",
        (record.run_id or "")[: leaderboard.SHORT_ID],
        record.state,
    )


def _as_json(found: Found) -> dict[str, Any]:
    record = found.record
    keys = ("state", "run_id", "dataset", "model", "mode", "choices", "metrics", "intervals")
    return {
        "path": artifacts.path_text(found.path),
        "when": found.when,
        **{key: getattr(record, key) for key in keys},
        "overrides": list(record.overrides),
        "best_params": record.best_params,
        "seconds": record.seconds,
        "data": record.data,
        "cause": record.cause,
    }


def number(value: float | None) -> str:
    """Return a metric as text."""
    return "" if value is None else f"{value:.4f}"


def width(otherwise: int) -> int:
    """Return the columns of the terminal; without one, COLUMNS or the other width."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return otherwise


def show(run: str, *, outputs: Path, models: Path, as_json: bool) -> str:
    """Show what a run is, its numbers, and how to repeat it."""
    found = artifacts.read_complete_run(artifacts.find_run(run, outputs, models))
    if as_json:
        content = {
            "path": artifacts.path_text(found.path),
            "overrides": found.record.overrides,
            **json.loads(found.summary.to_json()),
        }
        return json.dumps(content, indent=2, ensure_ascii=False)
    summary, record = found.summary, found.record
    lines = {
        "run": f"{found.run_id}, {record.state}" + (f": {record.cause}" if record.cause else ""),
        "directory": f"{one_line(str(found.path))} ({found.n_files} files)",
        "dataset": f"{record.dataset}, {summary.n_train} rows to train on,"
        f" {summary.n_test} held out",
        "model": one_line(record.model),
        "search": summary.mode,
        "choices": one_line(record.choices) or "none",
        **{name: _with_interval(record, name) for name in record.metrics},
        "best": one_line(text.format_params(record.best_params)),
        "candidates": str(summary.n_candidates),
        "seconds": "" if record.seconds is None else f"{record.seconds:.1f}",
        "data": str(record.data),
        "code": _code(summary),
        "versions": ", ".join(f"{name} {version}" for name, version in summary.versions.items()),
        "again": f"python -m src.replay {shlex.quote(str(found.path))}",
        "anew": shlex.join(["python", "-m", "src.train", *record.overrides]),
    }
    widest = max(map(len, lines))
    return "\n".join(f"{name.ljust(widest)}  {line}".rstrip() for name, line in lines.items())


def _with_interval(record: artifacts.Record, name: str) -> str:
    interval = record.interval(name)
    between = "" if interval is None else "  (95 %: {:.4f} … {:.4f})".format(*interval)
    return number(record.value(name)) + between


def _code(summary: artifacts.Summary) -> str:
    git = summary.git
    changed = ", with changes that were not committed" if git.get("clean") is False else ""
    commit = git.get("commit")
    return summary.code[:16] + (f", commit {commit}{changed}" if commit else "")


def show_leaderboard(
    *,
    outputs: Path,
    dataset: str | None,
    since: str | None,
    until: str | None,
    metric: str,
    csv: Path | None,
    markdown: Path | None,
    html: Path | None,
    language: str | None,
) -> str:
    """Rank complete runs; write the files that are asked for."""
    runs = filtered(artifacts.read_records(outputs), dataset=dataset, since=since, until=until)
    found = [each for each in runs if each.record.state in artifacts.COMPLETE]
    _check_known(metric, found, "--metric")
    entries = leaderboard.ranked(leaderboard.entry_from(each, metric=metric) for each in found)
    for path, text_of in ((csv, leaderboard.as_csv), (markdown, leaderboard.as_markdown)):
        if path is not None:
            with _written(path):
                path.write_text(text_of(entries), encoding="utf-8", newline="\n")
    if html is not None:
        with _written(html):
            name = outputs.absolute().name
            side_by_side.write_page(html, found, name=name, metric=metric, language=language)
    if not entries:
        return f"no complete run in {outputs}"
    return leaderboard.as_text(entries, width=width(WIDTH))


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "make room or give the right, or name another place"
        raise PathError("cannot write", error, remedy, path=path) from error


def report(place: Path, *, html: bool, language: str | None) -> str:
    """Return a table of the newest complete run of each dataset and search.

    html: write a page of all runs instead, and return where it is.
    """
    found, sweep = artifacts.read_set(place), artifacts.SweepDirectory(place)
    if html:
        n_not_begun = 0
        if sweep.is_begun:
            n_not_begun = max(sweep.plan.get("n_jobs", 0) - len(found), 0)
        else:
            # Runs elsewhere are among the others.
            found = filtered(found)
        page, name = place / artifacts.REPORT, place.absolute().name
        with _written(page):
            seconds = side_by_side.write_page(
                page, found, name=name, language=language, n_not_begun=n_not_begun
            )
        return f"report {one_line(str(page))} ({seconds:.1f} s)"
    newest: dict[tuple[str, str], Found] = {}
    for each in filtered(found):
        if each.record.state in artifacts.COMPLETE:
            newest.setdefault((each.record.dataset, each.record.mode or ""), each)
    rows = ["|dataset|mode|AUC|ACC|best|elapsed[s]|", "|---|---|---:|---:|---|---:|"]
    for (dataset, mode), each in sorted(newest.items()):
        record = each.record
        elapsed = "" if record.seconds is None else str(round(record.seconds))
        auc, accuracy = number(record.value("roc_auc")), number(record.value("accuracy"))
        best = text.escape_markdown(one_line(str(dict(record.best_params))))
        name = text.escape_markdown(one_line(dataset))
        rows.append(f"|{name}|{mode}|{auc}|{accuracy}|{best}|{elapsed}|")
    return "\n".join(rows)
