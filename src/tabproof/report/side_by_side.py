"""The page of many runs: tests against the best run, a table and curves for each group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import FileSystemLoader
from markupsafe import Markup

from tabproof.evaluation.comparison import Comparison, compare, compare_in_all
from tabproof.report.contenders import (
    Contender,
    Failure,
    Group,
    HoldOut,
    Sweep,
    columns_of,
    format_choice,
    names_of,
)
from tabproof.report.format import (
    MINUS,
    NOTHING,
    bar,
    common_span,
    count,
    decimal,
    in_a_sentence,
    n_decimals,
)
from tabproof.report.language import Texts
from tabproof.report.page import make_environment
from tabproof.report.plots.curves import MAX_RUNS, draw_overlays
from tabproof.report.plots.theme import DASHES, SERIES, variable
from tabproof.report.sections import metric_name

HERE = Path(__file__).parent
LEVEL = 0.05
# Decimals of values, which are ranked, and of their differences.
MIN_DECIMALS, DECIMALS = 3, 4
MIN_P = 0.001
MAX_NAMED, MAX_FAILURES = 5, 100

# --- Differences from the best run.


@dataclass(frozen=True)
class Difference:
    """The difference of a run from the best, and its adjusted p-value."""

    comparison: Comparison
    p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether chance hardly explains the difference."""
        return self.p_value < LEVEL


def compare_with_best(contenders: Sequence[Contender], metric: str) -> list[Difference | None]:
    """Test each run against the first with known predictions; None for that one and unknown ones.

    Two labels are compared by the area under the ROC curve, unless the metric is accuracy; more
    labels by accuracy.
    """
    known = {n: each.hold_out for n, each in enumerate(contenders) if each.hold_out is not None}
    best = next(iter(known.values()), None)
    tests: dict[int, Comparison] = {}
    if best is not None and _is_testable(best):
        for n, hold_out in list(known.items())[1:]:
            tests[n] = (
                compare_in_all(best.y, hold_out.proba, best.proba)[-1]
                if metric == "accuracy"
                else compare(best.y, hold_out.proba, best.proba)
            )
    adjusted = holm([test.p_value for test in tests.values()])
    differences = dict(zip(tests, map(Difference, tests.values(), adjusted), strict=True))
    return [differences.get(n) for n in range(len(contenders))]


def _is_testable(hold_out: HoldOut) -> bool:
    # Without rows of both labels there is no area under a ROC curve.
    return hold_out.proba.shape[1] > 2 or 0 < int(hold_out.y.sum()) < len(hold_out.y)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    # A larger p-value must not become the smaller one.
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(value) for value in adjusted]


# --- A group of runs: sentences, table, plots.


def make_section(group: Group, language: str) -> dict[str, Any]:
    """Compare, describe and draw a group."""
    t, metrics = Texts("sweep", language), Texts("report", language)
    contenders = group.contenders
    names = names_of([each.choices for each in contenders], [each.run_id for each in contenders])
    names = [in_a_sentence(name) for name in names]
    differences = compare_with_best(contenders, group.metric)
    drawn = [n for n, each in enumerate(contenders) if each.hold_out is not None][:MAX_RUNS]
    tested = [each.comparison.metric for each in differences if each is not None]
    # A test calls its metric AUC.
    tested_metric = {"AUC": "roc_auc"}.get(tested[0], tested[0]) if tested else None
    as_good = [
        name
        for name, each in zip(names, differences, strict=True)
        if each is not None and not each.is_significant
    ]
    dataset, metric = in_a_sentence(group.dataset), metric_name(group.metric, metrics)
    named = t("group.comma").join([*as_good[:MAX_NAMED], *["…"] * (len(as_good) > MAX_NAMED)])
    table = _table(group, differences, drawn)
    sentences = _sentences(group, table, names[0], metric, t)
    return {
        "group": group,
        "title": dataset
        if group.number is None
        else t("group.numbered", dataset=dataset, number=group.number),
        "metric": metric,
        "tested": tested_metric and metric_name(tested_metric, metrics),
        "best": names[0],
        "as_good": named,
        "sentences": [*sentences, *_comparison(group, len(tested), len(as_good), named, t)],
        "table": table,
        "pictures": _pictures(group, {n: names[n] for n in drawn}, t),
        "n_left_out": group.n_runs - sum(each.n_times for each in contenders),
    }


def _sentences(
    group: Group, table: dict[str, Any], name: str, metric: str, t: Texts
) -> Iterator[str]:
    if group.hold_out is None:
        yield t("group.unread")
    elif group.n_runs > 1:
        yield t("group.rows", n_rows=count(len(group.hold_out.y)))
    best = table["rows"][0]
    facts = {"name": name, "metric": metric, "value": best["value"]}
    if best["ends"] is None:
        yield t("group.best", **facts)
    else:
        yield t("group.best_with_interval", low=best["ends"][0], high=best["ends"][1], **facts)


def _comparison(group: Group, n_tested: int, n_as_good: int, names: str, t: Texts) -> Iterator[str]:
    if n_tested and not n_as_good:
        yield t("group.all_more", n_tested=count(n_tested))
    elif n_tested and n_as_good == n_tested:
        yield t("group.all_noise", n_tested=count(n_tested))
    elif n_tested:
        numbers = {"n_tested": count(n_tested), "n_noise": count(n_as_good)}
        yield t("group.some_noise", names=names, **numbers)
    n_read = sum(each.hold_out is not None for each in group.contenders)
    n_others = sum(each.has_other_rows for each in group.contenders)
    if 0 < n_read < len(group.contenders) - n_others:
        yield t("group.untested", n_tested=count(n_read))


def _table(
    group: Group, differences: Sequence[Difference | None], drawn: Sequence[int]
) -> dict[str, Any]:
    """Return columns of choices (None: all others), rows, and the ends of the axis of bars."""
    contenders = group.contenders
    own, shared = columns_of([each.choices for each in contenders])
    estimates = [each.metrics[group.metric] for each in contenders]
    span = common_span(estimates)
    decimals = max(MIN_DECIMALS, *map(n_decimals, estimates))
    rows = []
    for place, (each, estimate) in enumerate(zip(contenders, estimates, strict=True)):
        cells = [each.choices.get(key) for key in own]
        if shared:
            others = [format_choice(k, each.choices[k]) for k in shared if k in each.choices]
            cells.append(", ".join(others) or None)
        row = {
            "place": place + 1,
            "contender": each,
            "cells": cells,
            "value": decimal(estimate.value, decimals),
            "ends": estimate.interval and [decimal(end, decimals) for end in estimate.interval],
            "bar": bar(estimate, span),
            "series": drawn.index(place) if place in drawn else None,
        }
        rows.append(row | _difference(each, differences[place], is_best=place == 0))
    return {
        "columns": [*own, None] if shared else own,
        "rows": rows,
        "ends": span and [decimal(end, MIN_DECIMALS) for end in span],
    }


def _difference(
    contender: Contender, difference: Difference | None, *, is_best: bool
) -> dict[str, str]:
    if difference is None:
        verdict = "other_rows" if contender.has_other_rows else "untested"
        cells = {"difference": NOTHING, "p_value": NOTHING, "verdict": verdict}
    else:
        text, p_value = decimal(difference.comparison.difference, DECIMALS), difference.p_value
        is_positive = not text.startswith(MINUS) and text.strip("0.")
        cells = {
            "difference": f"+{text}" if is_positive else text,
            "p_value": f"< {MIN_P}" if p_value < MIN_P else f"{p_value:.2g}",
            "verdict": "more" if difference.is_significant else "noise",
        }
    return cells | {"verdict": "best"} if is_best else cells


def _pictures(group: Group, names: dict[int, str], t: Texts) -> list[tuple[Markup, str]]:
    runs = {
        f"{n + 1}  {name}": hold_out
        for n, name in names.items()
        if (hold_out := group.contenders[n].hold_out) is not None
    }
    if not runs:
        return []
    first = next(iter(runs.values()))
    n_rows = count(len(first.y))
    subtitle = t("picture.rows", dataset=in_a_sentence(group.dataset), n_rows=n_rows)
    kind = "two" if first.proba.shape[1] == 2 else "more"
    # Texts are escaped in the plots.
    return [
        (Markup(svg), t(f"{name}.{kind}"))  # noqa: S704
        for name, svg in draw_overlays(runs, subtitle, group.id, t).items()
    ]


# --- The page: one file that needs no network and runs no script.


def render_sweep(sweep: Sweep, sections: Sequence[dict[str, Any]], language: str) -> str:
    """Write the page; raises LanguageNotOfferedError."""
    t = Texts("sweep", language)
    shared = make_environment(language)
    environment = shared.overlay(loader=FileSystemLoader(HERE))
    has = {
        "overview": len(sections) > 1,
        "standings": bool(sections),
        "failures": bool(sweep.failures or sweep.n_not_begun),
        "reading": bool(sections),
        "files": bool(sweep.files),
    }
    style = str(shared.globals["style"]) + (HERE / "sweep.css").read_text(encoding="utf-8")
    return environment.get_template(
        "sweep.html"
    ).render(
        t=t,
        style=Markup(style),  # noqa: S704 - our own
        sections=[name for name, is_there in has.items() if is_there],
        sweep=sweep,
        most_runs=max((each["group"].n_runs for each in sections), default=0),
        groups=sections,
        failures=[(each, _state(each, t)) for each in sweep.failures[:MAX_FAILURES]],
        n_more_failures=max(len(sweep.failures) - MAX_FAILURES, 0),
        samples=[_sample(place) for place in range(MAX_RUNS)],
    )


def _state(failure: Failure, t: Texts) -> str:
    key = f"state.{failure.state.replace(' ', '_')}"
    return t(key) if key in t else failure.state


def _sample(place: int) -> tuple[str, str]:
    """Return colour and dashes of a curve as attributes of SVG."""
    dashes = DASHES[place]
    pattern = "" if isinstance(dashes, str) else " ".join(str(each * 1.8) for each in dashes)
    return variable(SERIES[place]), pattern
