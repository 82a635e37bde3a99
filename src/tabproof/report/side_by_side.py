"""The page of many runs: tests against the best run, a table and curves for each group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from tabproof.evaluation.comparison import Comparison, compare, compare_in_all
from tabproof.evaluation_result import Estimate
from tabproof.report import format as fmt
from tabproof.report.facts import Row
from tabproof.report.format import Texts
from tabproof.report.page import HERE, make_environment
from tabproof.report.panels import Panels, page_parts
from tabproof.report.plots.curves import MAX_RUNS, draw_overlays
from tabproof.report.plots.material import HoldOut
from tabproof.report.plots.theme import DASHES, SERIES, variable

LEVEL = 0.05
# Decimals of values, which are ranked, and of their differences.
MIN_DECIMALS, DECIMALS = 3, 4
MIN_P = 0.001
MAX_NAMED, MAX_FAILURES, MAX_COLUMNS = 5, 100, 6
# Of a run id, where the choices of two runs are the same.
ID_LENGTH = 8


@dataclass(frozen=True)
class Contender:
    """A complete run.

    choices: by key. model: what it ends in, in words; empty where that is unknown. link: relative
    address of its page, quoted. n_times: number of runs with this id. note: why it stopped early.
    hold_out: None where its predictions were not read, or belong to other rows.
    """

    run_id: str
    choices: Mapping[str, str]
    metrics: Mapping[str, Estimate]
    model: str = ""
    seconds: float | None = None
    link: str | None = None
    n_times: int = 1
    note: str | None = None
    hold_out: HoldOut | None = None
    has_other_rows: bool = False


@dataclass(frozen=True)
class Group:
    """Runs with the same hold-out set, ranked by a metric; at least one.

    id: of the section in the page. n_runs: with those that are not shown. number: from 1, where
    the page has other groups of this dataset.
    """

    id: str
    dataset: str
    metric: str
    contenders: Sequence[Contender]
    n_runs: int
    number: int | None = None


@dataclass(frozen=True)
class Failure:
    """A run without results. link: to its log."""

    name: str
    dataset: str
    state: str
    cause: str
    link: str | None = None


@dataclass(frozen=True)
class Sweep:
    """All runs of the page.

    n_left_out: complete runs in groups that are not shown. files: addresses by name.
    """

    name: str
    n_complete: int
    n_jobs: int
    n_not_begun: int = 0
    n_left_out: int = 0
    failures: Sequence[Failure] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def differing_keys(choices: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys in which runs differ, in order of appearance; all keys of a single run."""
    keys = list(dict.fromkeys(key for each in choices for key in each))
    is_alone = len(choices) == 1
    return [key for key in keys if is_alone or len({each.get(key) for each in choices}) > 1]


def names_of(contenders: Sequence[Contender]) -> list[str]:
    """Return a short name for each run: what differs, and its id where that is not enough."""
    keys = differing_keys([each.choices for each in contenders])
    names = [_in_words(each, keys) for each in contenders]
    times = Counter(names)
    return [
        name if name and times[name] == 1 else f"{name} {each.run_id[:ID_LENGTH]}".strip()
        for name, each in zip(names, contenders, strict=True)
    ]


def _in_words(run: Contender, keys: Sequence[str]) -> str:
    words = []
    for key, value in ((key, run.choices[key]) for key in keys if key in run.choices):
        # A value that is no word (a number, true) needs its key.
        is_word = value[:1].isalpha() and value.lower() not in {"true", "false", "null"}
        words.append(value if is_word else f"{key.rpartition('.')[2]}={value}")
    return ", ".join(words)


# --- Differences from the best run.


def compare_with_best(contenders: Sequence[Contender], metric: str) -> list[Comparison | None]:
    """Test each run against the first with known predictions; None for that one and unknown ones.

    Two labels are compared by the area under the ROC curve, unless the metric is accuracy; more
    labels by accuracy. p-values are adjusted for the number of tests.
    """
    known = {n: each.hold_out for n, each in enumerate(contenders) if each.hold_out is not None}
    best = next(iter(known.values()), None)
    tests: dict[int, Comparison] = {}
    # Without rows of both labels there is no area under a ROC curve.
    if best is not None and (best.proba.shape[1] > 2 or 0 < int(best.y.sum()) < len(best.y)):
        for n, hold_out in list(known.items())[1:]:
            tests[n] = (
                compare_in_all(
                    best.y, hold_out.proba, best.proba, (hold_out.threshold, best.threshold)
                )[-1]
                if metric == "accuracy"
                else compare(best.y, hold_out.proba, best.proba)
            )
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    tests = {n: replace(test, p_value=adjusted[n]) for n, test in tests.items()}
    return [tests.get(n) for n in range(len(contenders))]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm, 1979)."""
    ordered = pd.Series(p_values, dtype=float).sort_values()
    # A larger p-value must not become the smaller one.
    raised = (ordered * np.arange(len(ordered), 0, -1)).cummax()
    adjusted: list[float] = raised.clip(upper=1.0).sort_index().tolist()
    return adjusted


# --- A group of runs: sentences, table, plots.


def make_section(group: Group, language: str) -> Row:
    """Compare, describe and draw a group."""
    t, metrics = Texts("sweep", language), Texts("report", language)
    contenders = group.contenders
    names = [fmt.in_a_sentence(name) for name in names_of(contenders)]
    differences = compare_with_best(contenders, group.metric)
    drawn = {n: each.hold_out for n, each in enumerate(contenders) if each.hold_out is not None}
    first = next(iter(drawn.values()), None)
    tested = [each for each in differences if each is not None]
    pairs = zip(names, differences, strict=True)
    as_good = [name for name, each in pairs if each is not None and each.p_value >= LEVEL]
    dataset, metric = fmt.in_a_sentence(group.dataset), metrics.metric(group.metric)
    named = fmt.listed(as_good, MAX_NAMED, t("group.comma"))
    # A curve alone has nothing to be compared with; the page of its run has it.
    overlaid = drawn if len(drawn) > 1 else {}
    table = _table(group, differences, list(overlaid)[:MAX_RUNS])
    sentences, pictures = [], []
    if first is None:
        sentences.append(t("group.unread"))
    elif group.n_runs > 1:
        sentences.append(t("group.rows", n_rows=fmt.count(len(first.y))))
    best = {"name": names[0], "metric": metric, "value": table["rows"][0]["value"]}
    key = "best" if group.n_runs > 1 else "only"
    if ends := table["rows"][0]["ends"]:
        sentences.append(t(f"group.{key}_with_interval", **best, low=ends[0], high=ends[1]))
    else:
        sentences.append(t(f"group.{key}", **best))
    if tested:
        key = {0: "all_more", len(tested): "all_noise"}.get(len(as_good), "some_noise")
        numbers = {"n_tested": fmt.count(len(tested)), "n_noise": fmt.count(len(as_good))}
        sentences.append(t(f"group.{key}", names=named, **numbers))
    if 0 < len(drawn) < len(contenders) - sum(each.has_other_rows for each in contenders):
        sentences.append(t("group.untested", n_tested=fmt.count(len(drawn))))
    if overlaid and first is not None:
        n_rows, n_labels = first.proba.shape
        subtitle = t("picture.rows", dataset=dataset, n_rows=fmt.count(n_rows))
        kind = "two" if n_labels == 2 else "more"
        runs = {f"{n + 1}  {names[n]}": each for n, each in overlaid.items()}
        for name, svg in draw_overlays(runs, subtitle, group.id, t).items():
            # Texts are escaped in the plots.
            pictures.append((Markup(svg), t(f"{name}.{kind}")))  # noqa: S704
    title = dataset
    if group.number is not None:
        title = t("group.numbered", dataset=dataset, number=group.number)
    # A test calls its metric AUC.
    tested_metric = {"AUC": "roc_auc"}.get(tested[0].metric, tested[0].metric) if tested else None
    return {
        "group": group,
        "title": title,
        "metric": metric,
        "tested": tested_metric and metrics.metric(tested_metric),
        "best": names[0],
        "as_good": named,
        "sentences": sentences,
        "table": table,
        "pictures": pictures,
        "n_left_out": group.n_runs - sum(each.n_times for each in contenders),
    }


def _table(group: Group, differences: Sequence[Comparison | None], drawn: Sequence[int]) -> Row:
    """Return columns of choices (None: all others), rows, and the ends of the axis of bars."""
    keys = differing_keys([each.choices for each in group.contenders])
    n_own = len(keys) if len(keys) <= MAX_COLUMNS else MAX_COLUMNS - 1
    estimates = [each.metrics[group.metric] for each in group.contenders]
    span = fmt.common_span(estimates)
    decimals = max(MIN_DECIMALS, *map(fmt.n_decimals, estimates))
    rows = []
    for place, (each, estimate) in enumerate(zip(group.contenders, estimates, strict=True)):
        cells = [each.choices.get(key) for key in keys[:n_own]]
        if keys[n_own:]:
            cells.append(_in_words(each, keys[n_own:]) or None)
        difference, p_value = fmt.NOTHING, fmt.NOTHING
        verdict = "other_rows" if each.has_other_rows else "untested"
        if (found := differences[place]) is not None:
            difference = fmt.decimal(found.difference, DECIMALS)
            if not difference.startswith(fmt.MINUS) and difference.strip("0."):
                difference = f"+{difference}"
            p_value = f"< {MIN_P}" if found.p_value < MIN_P else f"{found.p_value:.2g}"
            verdict = "more" if found.p_value < LEVEL else "noise"
        row = {
            "place": place + 1,
            "contender": each,
            "cells": cells,
            "value": fmt.decimal(estimate.value, decimals),
            "ends": estimate.interval and [fmt.decimal(end, decimals) for end in estimate.interval],
            "bar": fmt.bar(estimate, span),
            "series": drawn.index(place) if place in drawn else None,
            "difference": difference,
            "p_value": p_value,
            "verdict": verdict if place else "best",
        }
        rows.append(row)
    return {
        "columns": [*keys[:n_own], *[None] * (n_own < len(keys))],
        # Runs of earlier versions do not record it.
        "has_models": any(each.model for each in group.contenders),
        "rows": rows,
        "ends": span and [fmt.decimal(end, MIN_DECIMALS) for end in span],
    }


# --- The page: one file that needs no network.


def render_sweep(sweep: Sweep, sections: Sequence[Row], language: str) -> str:
    """Write the page; raises InvalidValueError."""
    t, shared = Texts("sweep", language), make_environment(language)
    has = {
        "overview": len(sections) > 1,
        "standings": sections,
        "failures": sweep.failures or sweep.n_not_begun,
        "reading": sections,
        "files": sweep.files,
    }
    style = str(shared.globals["style"]) + (HERE / "sweep.css").read_text(encoding="utf-8")
    failures = [
        (each, t.get(f"state.{each.state.replace(' ', '_')}", each.state))
        for each in sweep.failures[:MAX_FAILURES]
    ]
    # Colour and dashes of each curve, as attributes of SVG.
    samples = [
        (variable(colour), "" if dashes == "solid" else " ".join(str(n * 1.8) for n in dashes))
        for colour, dashes in zip(SERIES, DASHES, strict=True)
    ]
    has_plots = any(each["pictures"] for each in sections)
    return shared.get_template("sweep.html").render(
        t=t,
        **page_parts(Panels(), Texts("report", language), has_plots=has_plots),
        style=Markup(style),  # noqa: S704 - our own
        sections=[name for name, is_there in has.items() if is_there],
        sweep=sweep,
        most_runs=max((each["group"].n_runs for each in sections), default=0),
        groups=sections,
        is_compared=any(each["group"].n_runs > 1 for each in sections),
        failures=failures,
        n_more_failures=max(len(sweep.failures) - MAX_FAILURES, 0),
        samples=samples,
    )
