"""List runs, rank them, show one, check that all are complete, and write tables and pages."""

import csv as csv_format
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import eq, ge, gt, le, lt
from pathlib import Path
from shutil import get_terminal_size

from tabproof import artifacts
from tabproof.artifacts import COMPLETE, Found, Record, one_line
from tabproof.artifacts.errors import OutputsError
from tabproof.errors import InvalidValueError, PathError, listed
from tabproof.evaluation_result import rank
from tabproof.text import (
    aligned,
    counted,
    escape_markdown,
    format_microseconds,
    format_params,
    no_formula,
    shell_word,
)

CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|==|=|>|<)\s*(\S+)\s*")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": ge, "<=": le, ">": gt, "<": lt, "==": eq, "=": eq,
}  # fmt: skip
COLUMNS = (
    "when", "dataset", "model", "search", "choices", "roc_auc", "accuracy", "seconds", "run",
    "state",
)  # fmt: skip
# The size of a table that goes to a file or a program.
SIZE = (120, 24)
SHORT_ID = 8

# --- What several commands use.


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


def format_metric(record: Record, name: str, interval: str = "") -> str:
    """Return a metric as text; interval: the form of its interval, as in ' ({:.4f} … {:.4f})'."""
    value, ends = record.value(name), record.interval(name)
    return ("" if value is None else f"{value:.4f}") + (interval.format(*ends) if ends else "")


def ranked(found: Iterable[Found], metric: str = "roc_auc") -> list[Found]:
    """Sort runs by dataset, then the best first."""

    def key(each: Found) -> tuple[str, bool, float, str, str]:
        record = each.record
        return record.dataset, *rank(record.value(metric), metric), record.choices, str(each.path)

    return sorted(found, key=key)


def _value(found: Found, name: str) -> float | None:
    return found.record.seconds if name == "seconds" else found.record.value(name)


def _check_known(name: str, found: Iterable[Found], key: str) -> None:
    known = {"seconds", *(metric for each in found for metric in each.record.metrics)}
    # Without runs, nothing is known.
    if len(known) > 1 and name not in known:
        raise InvalidValueError(key, name, f"what a run has: {listed(sorted(known))}")


def _cells(found: Found, columns: Iterable[str], metric: str = "roc_auc") -> list[str]:
    """Return what a table shows of a run; other columns than these are metrics."""
    record = found.record
    shown = {
        "when": found.when[:16],
        "dataset": one_line(record.dataset),
        "model": one_line(record.model),
        "search": record.mode or "",
        "choices": one_line(record.choices),
        "95 %": "{:.4f} … {:.4f}".format(*ends) if (ends := record.interval(metric)) else "",
        "seconds": "" if record.seconds is None else f"{record.seconds:.1f}",
        # The beginning of an id is enough to name a run.
        "run": (record.run_id or "")[:SHORT_ID],
        "run id": record.run_id or "",
        "state": record.state,
    }
    return [shown[name] if name in shown else format_metric(record, name) for name in columns]


# --- runs list


def list_runs(
    *,
    outputs: Path,
    where: Sequence[str],
    sort: str,
    as_json: bool,
    min_auc: str | None = None,
    **filters: str | None,
) -> str:
    """List runs, the newest or the best first; one that is not complete has a second line."""
    found = filtered(artifacts.read_records(outputs), **filters)
    for condition in [*where, *([] if min_auc is None else [f"roc_auc>={min_auc}"])]:
        match = CONDITION.fullmatch(condition)
        try:
            name, sign, bound = match.groups() if match else ("", "", "")
            limit = float(bound)
        except ValueError as error:
            takes = "a metric, one of >= <= > < =, and a number, as in 'roc_auc>=0.9'"
            raise InvalidValueError("--where", condition, takes) from error
        _check_known(name, found, "--where")
        valued = [(each, _value(each, name)) for each in found]
        found = [each for each, v in valued if v is not None and COMPARISONS[sign](v, limit)]
    if sort == "dataset":
        found.sort(key=lambda each: each.record.dataset)
    elif sort != "when":
        _check_known(sort, found, "--sort")
        found.sort(key=lambda each: rank(_value(each, sort), sort))
    if as_json:
        keys = ["state", "run_id", "dataset", "model", "mode", "choices", "metrics", "intervals"]
        keys += ["overrides", "best_params", "seconds", "data", "cause"]
        content = [
            {"path": artifacts.path_text(each.path), "when": each.when}
            | {key: getattr(each.record, key) for key in keys}
            for each in found
        ]
        return json.dumps(content, indent=2, ensure_ascii=False)
    if not found:
        return f"no such run in {outputs}"
    width, rows = get_terminal_size(SIZE).columns, [_cells(each, COLUMNS) for each in found]
    # Choices, model, dataset and search are shortened, in this order.
    table = aligned([COLUMNS, *rows], width=width, numbers=(5, 6, 7), flexible=(4, 2, 1, 3))
    heading, *lines = table.splitlines()
    for n, each in enumerate(found):
        if each.record.state not in COMPLETE:
            path = f"  {one_line(str(each.path))}"
            detail = f"{path}  {each.record.cause}" if each.record.cause else path
            fits = max(width, len(path) + 1)
            lines[n] += "\n" + (detail if len(detail) <= fits else f"{detail[: fits - 1]}…")
    return "\n".join([heading, *lines])


# --- runs leaderboard, and that of a sweep


def show_leaderboard(
    *,
    outputs: Path,
    metric: str,
    csv: Path | None,
    markdown: Path | None,
    html: Path | None,
    language: str | None,
    **filters: str | None,
) -> str:
    """Rank complete runs; write the files that are asked for."""
    runs = filtered(artifacts.read_records(outputs), **filters)
    found = ranked((each for each in runs if each.record.state in COMPLETE), metric)
    _check_known(metric, found, "--metric")
    for path, text_of in ((csv, as_csv), (markdown, as_markdown)):
        if path is not None:
            with _written(path):
                path.write_text(text_of(found, metric), encoding="utf-8", newline="\n")
    if html is not None:
        # Loads the libraries of plots.
        from tabproof.runs.side_by_side import write_page

        with _written(html):
            write_page(html, found, name=outputs.absolute().name, metric=metric, language=language)
    if not found:
        return f"no complete run in {outputs}"
    return as_text(found, metric, width=get_terminal_size(SIZE).columns)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "make room or give the right, or name another place"
        raise PathError("cannot write", error, remedy, path=path) from error


# Positions of the leaderboard's columns of numbers.
NUMBERS = (4, 6)


def _rows(found: Iterable[Found], metric: str) -> Iterator[list[str]]:
    columns = ["dataset", "model", "search", "choices", metric, "95 %", "seconds", "run id"]
    yield [*columns, "state"]
    for each in found:
        cause = "" if each.record.cause is None else f": {each.record.cause}"
        yield [*_cells(each, columns, metric), f"{each.record.state}{cause}"]


def as_text(found: Iterable[Found], metric: str = "roc_auc", *, width: int | None) -> str:
    """Return an aligned leaderboard; cells that are too long for the width are shortened."""
    rows = [[*row[:7], row[7][:SHORT_ID], row[8]] for row in _rows(found, metric)]
    # State, choices, model and dataset are shortened, in this order.
    return aligned(rows, width=width, numbers=NUMBERS, flexible=(8, 3, 1, 0))


def as_csv(found: Iterable[Found], metric: str = "roc_auc") -> str:
    """Return a CSV file with every number in full; no text in it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv_format.writer(out, lineterminator="\n")
    names = ["dataset", "choices", "state", "metric", "value", "low", "high", "seconds", "run_id"]
    writer.writerow([*names, "cause", "path", "model", "search"])
    for each in found:
        record = each.record
        first = (one_line(record.dataset), one_line(record.choices), record.state, metric)
        numbers = (record.value(metric), *(record.interval(metric) or (None, None)))
        # A carriage return that is not quoted ends the row elsewhere, and csv does not quote it.
        path = artifacts.path_text(each.path).replace("\r", "\\r")
        last = (record.run_id, record.cause, path, one_line(record.model))
        row = [*first, *numbers, record.seconds, *last, one_line(record.mode or "")]
        writer.writerow([no_formula(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def as_markdown(found: Iterable[Found], metric: str = "roc_auc") -> str:
    """Return a table for a README or a pull request."""
    headings, *rows = _rows(found, metric)
    rule = ["---:" if place in NUMBERS else "---" for place in range(len(headings))]
    escaped = (list(map(escape_markdown, row)) for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, rule, *escaped))


# --- runs report


def report(place: Path, *, html: bool, language: str | None) -> str:
    """Return a table of the newest run of each dataset and search, or write a page of all."""
    found, sweep = artifacts.read_set(place), artifacts.SweepDirectory(place)
    if html:
        from tabproof.runs.side_by_side import write_page

        missing = max(sweep.plan.get("n_jobs", 0) - len(found), 0) if sweep.is_begun else 0
        # Outside of a sweep, runs elsewhere are among the others.
        shown = found if sweep.is_begun else filtered(found)
        page, name = place / artifacts.REPORT, place.absolute().name
        with _written(page):
            seconds = write_page(page, shown, name=name, language=language, n_not_begun=missing)
        return f"report {one_line(str(page))} ({seconds:.1f} s)"
    newest: dict[tuple[str, str], Record] = {}
    for each in filtered(found):
        if each.record.state in COMPLETE:
            newest.setdefault((each.record.dataset, each.record.mode or ""), each.record)
    rows = ["|dataset|mode|AUC|ACC|best|elapsed[s]|", "|---|---|---:|---:|---|---:|"]
    for (dataset, mode), record in sorted(newest.items(), key=lambda item: item[0]):
        elapsed = "" if record.seconds is None else str(round(record.seconds))
        metrics = "|".join(format_metric(record, metric) for metric in ("roc_auc", "accuracy"))
        best = escape_markdown(one_line(str(artifacts.best_in_brief(record.best_params))))
        rows.append(f"|{escape_markdown(one_line(dataset))}|{mode}|{metrics}|{best}|{elapsed}|")
    return "\n".join(rows)


# --- runs show


def show(run: str, *, outputs: Path, models: Path, as_json: bool) -> str:
    """Show what a run is, its numbers, and how to repeat it."""
    found = artifacts.read_complete_run(artifacts.find_run(run, outputs, models))
    summary, record, git = found.summary, found.record, found.summary.git
    if as_json:
        content = {"path": artifacts.path_text(found.path), "overrides": record.overrides}
        content |= json.loads(summary.to_json())
        return json.dumps(content, indent=2, ensure_ascii=False)
    changed = ", with changes that were not committed" if git.get("clean") is False else ""
    commit = f", commit {git['commit']}{changed}" if git.get("commit") else ""
    interval = "  (95 %: {:.4f} … {:.4f})"
    lines = {
        "run": f"{found.run_id}, {record.state}" + (f": {record.cause}" if record.cause else ""),
        "directory": f"{one_line(str(found.path))} ({found.n_files} files)",
        "dataset": f"{record.dataset}, {summary.n_train} rows to train on,"
        f" {summary.n_test} held out",
        "model": one_line(summary.estimator.title or record.model),
        "search": summary.mode,
        "choices": one_line(record.choices) or "none",
        **{name: format_metric(record, name, interval) for name in record.metrics},
        "best": one_line(format_params(artifacts.best_in_brief(record.best_params))),
        "candidates": str(summary.n_candidates),
        "seconds": "" if record.seconds is None else f"{record.seconds:.1f}",
        "per row": _row_time(summary),
        "data": str(record.data),
        "code": summary.code[:16] + commit,
        "versions": ", ".join(f"{name} {version}" for name, version in summary.versions.items()),
        "again": f"python -m src.replay {shell_word(str(found.path))}",
    }
    # Without overrides it is unknown whether a command started the run.
    if record.overrides:
        lines["anew"] = " ".join(["python -m src.train", *map(shell_word, record.overrides)])
    widest = max(map(len, lines))
    printed = []
    for name, line in lines.items():
        printed.append(f"{name.ljust(widest)}  {line}".rstrip())
        if name == "model":
            printed += _member_lines(summary.estimator, " " * (widest + 2))
    return "\n".join(printed)


def _row_time(summary: artifacts.Summary) -> str:
    if (found := summary.row_microseconds.get("model")) is None:
        return "not measured"
    form = "as it is exported" if summary.parity else "in scikit-learn"
    time = format_microseconds(found)
    return f"{time} µs to predict, {form}, {counted(summary.n_test, 'row')} in one batch"


def _member_lines(estimator: artifacts.EstimatorFacts, margin: str) -> Iterator[str]:
    """Return a line per model of an ensemble, or the parameters of a single one."""
    for member in estimator.members:
        parts = [one_line(format_params(member.params))]
        if estimator.is_ensemble:
            parts.insert(0, f"{one_line(member.name)}: {one_line(member.kind)}")
        if member.weight is not None:
            parts.insert(1, f"weight {member.weight:.4f}")
        if member.score is not None:
            parts.insert(2, f"{member.score:.4f} in cross-validation")
        yield margin + "; ".join(parts)


# --- runs check

FAILED = {"failed", "interrupted"}
# By name; a run that is no job of a sweep is a single one.
Jobs = dict[str, Record]


def check(place: Path) -> tuple[str, int]:
    """Return the state of each dataset's newest run or sweep, and the exit code of the help."""
    groups: dict[Path, dict[str, Jobs]] = {}
    for found in artifacts.read_set(place):
        parts = found.path.relative_to(place).parts
        # <date>/<run>, or <date>/<sweep>/<job>; otherwise the place is a sweep or a run itself.
        is_dated = artifacts.is_date(parts[0] if parts else "")
        group = groups.setdefault(place.joinpath(*parts[:2]) if is_dated else place, {})
        group.setdefault(found.record.dataset, {})[found.path.name] = found.record
    if artifacts.SweepDirectory(place).is_begun:
        groups.setdefault(place, {})
    newest: dict[str, Jobs] = {}
    for path, group in groups.items():
        if (sweep := artifacts.SweepDirectory(path)).is_begun:
            begun = {name.partition("_")[0] for jobs in group.values() for name in jobs}
            # The plan has the configurations of the first jobs, and the number of all jobs.
            known = sweep.plan.get("determinants", {}).get("jobs", {})
            for number in map(str, range(max(sweep.plan.get("n_jobs", 0), len(known)))):
                if number not in begun:
                    table = known.get(number, {"dataset": {"name": "others"}}).get("dataset", {})
                    dataset = str(table.get("name") or Path(str(table.get("path", "?"))).stem)
                    group.setdefault(dataset, {})[number] = Record("not started", dataset)
        newest = {**group, **newest}
    if not newest:
        reason = "holds no runs; it takes outputs, a sweep's directory or a run's"
        raise OutputsError(path=place, reason=reason)
    lines, states = [], set()
    for dataset, records in sorted(newest.items()):
        states |= {record.state for record in records.values()}
        partial = [record.cause for record in records.values() if record.state == "partial"]
        line = "OK" + (f" (partial: {partial[0]})" if partial else "")
        for word in ("NOT STARTED", "RUNNING", "FAIL"):
            names = FAILED if word == "FAIL" else {word.lower()}
            if matching := [job for job, record in records.items() if record.state in names]:
                words = [f"{len(matching)} of {len(records)}", one_line(matching[0])]
                words = words if len(records) > 1 else []
                words += [str(records[matching[0]].cause)] if word == "FAIL" else []
                line = f"{word} {': '.join(words)}".rstrip()
        lines.append(f"{one_line(dataset)}: {line}")
    return "\n".join(lines), 1 if states & FAILED else 2 if states - COMPLETE else 0
