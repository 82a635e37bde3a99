"""The stories of looking: which runs there are, one of them, the best, and what came of a sweep."""

import json
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
from tabproof.errors import InvalidValueError, PathError
from tabproof.evaluation_result import LOWER_IS_BETTER
from tabproof.runs import leaderboard, side_by_side
from tabproof.runs.errors import UnknownMetricError
from tabproof.text import format_params

CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|==|=|>|<)\s*(\S+)\s*")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": ge, "<=": le, ">": gt, "<": lt, "==": eq, "=": eq,
}  # fmt: skip
HEADINGS = ("when", "dataset", "choices", "AUC", "accuracy", "seconds", "run", "state")
DAY = "a day, as in 2026-11-23"
# What is not cut, since no terminal shows it.
ENDLESS = 1 << 20


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
    """List runs, complete or not, the newest or the best first."""
    found = chosen(artifacts.read_records(outputs), dataset=dataset, since=since, until=until)
    found = _sorted(_where(found, where), sort)
    if as_json:
        return json.dumps([_plain(each) for each in found], indent=2, ensure_ascii=False)
    if not found:
        return f"no such run in {outputs}"
    rows = [HEADINGS, *(_cells(each) for each in found)]
    numbers = ("AUC", "accuracy", "seconds")
    return text.aligned(rows, width=width(), headings=HEADINGS, numbers=numbers, flexible=(2, 7))


def chosen(
    found: Iterable[artifacts.Found],
    *,
    dataset: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> list[artifacts.Found]:
    """Leave out runs of other datasets and days; and directories whose run lies elsewhere."""
    for key, day in (("--since", since), ("--until", until)):
        if day is not None and not artifacts.is_date(day):
            raise InvalidValueError(key, day, DAY)
    return [
        each
        for each in found
        if each.record.elsewhere is None
        and (dataset is None or each.record.dataset == artifacts.model_name_of(dataset))
        and (since is None or since <= each.when[:10])
        and (until is None or each.when[:10] <= until)
    ]


def _where(found: list[artifacts.Found], conditions: Sequence[str]) -> list[artifacts.Found]:
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


def _sorted(found: list[artifacts.Found], key: str) -> list[artifacts.Found]:
    if key == "when":
        return found
    if key == "dataset":
        return sorted(found, key=lambda each: each.record.dataset)
    _check_known(key, found, "--sort")
    sign = 1 if key in LOWER_IS_BETTER or key == "seconds" else -1

    def rank(each: artifacts.Found) -> tuple[bool, float]:
        value = _value(each, key)
        return value is None, sign * (value or 0)

    return sorted(found, key=rank)


def _value(found: artifacts.Found, name: str) -> float | None:
    return found.record.seconds if name == "seconds" else found.record.value(name)


def _check_known(name: str, found: Iterable[artifacts.Found], key: str) -> None:
    known = {"seconds", *(metric for each in found for metric in each.record.metrics)}
    # Where there are no runs, nothing is known.
    if len(known) > 1 and name not in known:
        raise UnknownMetricError(key, name, sorted(known))


def _cells(found: artifacts.Found) -> tuple[str, ...]:
    record, is_complete = found.record, found.record.state in artifacts.COMPLETE
    state = record.state if record.cause is None else f"{record.state}: {record.cause}"
    return (
        found.when,
        artifacts.one_line(record.dataset),
        artifacts.one_line(record.choices),
        number(record.value("roc_auc")),
        number(record.value("accuracy")),
        "" if record.seconds is None else f"{record.seconds:.1f}",
        # A run is named by its id; what is none has a directory only.
        str(record.run_id) if is_complete else artifacts.one_line(str(found.path)),
        state,
    )


def _plain(found: artifacts.Found) -> dict[str, Any]:
    record = found.record
    return {
        "path": artifacts.path_text(found.path),
        "when": found.when,
        "state": record.state,
        "run_id": record.run_id,
        "dataset": record.dataset,
        "mode": record.mode,
        "choices": record.choices,
        "metrics": record.metrics,
        "intervals": record.intervals,
        "best_params": record.best_params,
        "seconds": record.seconds,
        "data": record.data,
        "cause": record.cause,
    }


def number(value: float | None) -> str:
    """Word a metric."""
    return "" if value is None else f"{value:.4f}"


def width() -> int:
    """Give the columns of the terminal; what goes to a file or a program is never cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else ENDLESS


def show(run: str, *, outputs: Path, models: Path, as_json: bool) -> str:
    """Tell what a run is, its numbers, and how to repeat it."""
    facts = artifacts.read_complete_run(artifacts.find_run(run, outputs, models))
    if as_json:
        content = {
            "path": artifacts.path_text(facts.path),
            "overrides": facts.record.overrides,
            **json.loads(facts.summary.to_json()),
        }
        return json.dumps(content, indent=2, ensure_ascii=False)
    summary, record = facts.summary, facts.record
    place = shlex.quote(str(facts.path))
    lines = {
        "run": f"{facts.run_id}, {record.state}" + (f": {record.cause}" if record.cause else ""),
        "directory": f"{artifacts.one_line(str(facts.path))} ({facts.n_files} files)",
        "dataset": f"{record.dataset}, {summary.n_train} rows to train on,"
        f" {summary.n_test} held out",
        "choices": artifacts.one_line(record.choices) or "as standard",
        **{name: _with_interval(record, name) for name in record.metrics},
        "best": artifacts.one_line(format_params(record.best_params)),
        "candidates": str(summary.n_candidates),
        "seconds": "" if record.seconds is None else f"{record.seconds:.1f}",
        "data": str(record.data),
        "code": _code(summary),
        "versions": ", ".join(f"{name} {version}" for name, version in summary.versions.items()),
        "again": f"python -m src.replay {place}",
        "anew": shlex.join(["python", "-m", "src.train", *record.overrides]),
    }
    widest = max(map(len, lines))
    return "\n".join(f"{name.ljust(widest)}  {text}".rstrip() for name, text in lines.items())


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
    found = chosen(artifacts.read_records(outputs), dataset=dataset, since=since, until=until)
    found = [each for each in found if each.record.state in artifacts.COMPLETE]
    _check_known(metric, found, "--metric")
    entries = leaderboard.ranked(
        leaderboard.entry_from(each.record, each.path, metric=metric) for each in found
    )
    for path, text_of in ((csv, leaderboard.as_csv), (markdown, leaderboard.as_markdown)):
        if path is not None:
            with _written(path):
                path.write_text(text_of(entries), encoding="utf-8", newline="\n")
    if html is not None:
        with _written(html):
            name = outputs.absolute().name
            side_by_side.write_page(html, found, name=name, metric=metric, language=language)
    return (
        leaderboard.as_text(entries, width=width()) if entries else f"no complete run in {outputs}"
    )


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "make room or give the right, or name another place"
        raise PathError("cannot write", error, remedy, path=path) from error


def _written_page(place: Path, found: list[artifacts.Found], language: str | None) -> str:
    page, sweep, n_not_begun = place / artifacts.REPORT, artifacts.SweepDirectory(place), 0
    if sweep.is_begun:
        n_not_begun = max(sweep.plan.get("n_jobs", 0) - len(found), 0)
    else:
        # Beside others, what lies elsewhere is among them.
        found = chosen(found)
    with _written(page):
        seconds = side_by_side.write_page(
            page, found, name=place.absolute().name, language=language, n_not_begun=n_not_begun
        )
    return f"report {artifacts.one_line(str(page))} ({seconds:.1f} s)"


def report(place: Path, *, html: bool, language: str | None) -> str:
    """Give the table of the newest complete run of each dataset and search.

    html: rather write a page on which all runs are side by side, and say where it lies.
    """
    found = artifacts.read_set(place)
    if html:
        return _written_page(place, found, language)
    newest: dict[tuple[str, str], artifacts.Found] = {}
    for each in chosen(found):
        if each.record.state in artifacts.COMPLETE:
            newest.setdefault((each.record.dataset, each.record.mode or ""), each)
    rows = ["|dataset|mode|AUC|ACC|best|elapsed[s]|", "|---|---|---:|---:|---|---:|"]
    for (dataset, mode), each in sorted(newest.items()):
        record = each.record
        seconds = "" if record.seconds is None else str(round(record.seconds))
        auc, accuracy = number(record.value("roc_auc")), number(record.value("accuracy"))
        best = text.escape_markdown(artifacts.one_line(str(dict(record.best_params))))
        name = text.escape_markdown(artifacts.one_line(dataset))
        rows.append(f"|{name}|{mode}|{auc}|{accuracy}|{best}|{seconds}|")
    return "\n".join(rows)
