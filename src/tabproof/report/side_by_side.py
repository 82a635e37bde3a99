"""The page of many runs: tests against the best run, a table and curves for each group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tabproof.evaluation.comparison import Comparison, compare, compare_in_all
from tabproof.report import format as fmt
from tabproof.report.contenders import Contender, Group, Sweep, columns_of, format_choice, names_of
from tabproof.report.format import Texts
from tabproof.report.page import HERE, make_environment
from tabproof.report.plots.curves import MAX_RUNS, draw_overlays
from tabproof.report.plots.theme import DASHES, SERIES, variable
from tabproof.report.sections import Row

LEVEL = 0.05
# Decimals of values, which are ranked, and of their differences.
MIN_DECIMALS, DECIMALS = 3, 4
MIN_P = 0.001
MAX_NAMED, MAX_FAILURES = 5, 100

# --- Differences from the best run.


class Difference(NamedTuple):
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
    # Without rows of both labels there is no area under a ROC curve.
    if best is not None and (best.proba.shape[1] > 2 or 0 < int(best.y.sum()) < len(best.y)):
        for n, hold_out in list(known.items())[1:]:
            tests[n] = (
                compare_in_all(best.y, hold_out.proba, best.proba)[-1]
                if metric == "accuracy"
                else compare(best.y, hold_out.proba, best.proba)
            )
    adjusted = holm([test.p_value for test in tests.values()])
    differences = dict(zip(tests, map(Difference, tests.values(), adjusted), strict=True))
    return [differences.get(n) for n in range(len(contenders))]


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
    names = names_of([each.choices for each in contenders], [each.run_id for each in contenders])
    names = [fmt.in_a_sentence(name) for name in names]
    differences = compare_with_best(contenders, group.metric)
    drawn = [n for n, each in enumerate(contenders) if each.hold_out is not None][:MAX_RUNS]
    tested = [each for each in differences if each is not None]
    # A test calls its metric AUC.
    tested_metric = tested[0].comparison.metric if tested else None
    tested_metric = "roc_auc" if tested_metric == "AUC" else tested_metric
    pairs = zip(names, differences, strict=True)
    as_good = [name for name, each in pairs if each is not None and not each.is_significant]
    dataset, metric = fmt.in_a_sentence(group.dataset), metrics.metric(group.metric)
    named = fmt.listed(as_good, MAX_NAMED, t("group.comma"))
    table = _table(group, differences, drawn)

    def sentences() -> Iterator[str]:
        if group.hold_out is None:
            yield t("group.unread")
        elif group.n_runs > 1:
            yield t("group.rows", n_rows=fmt.count(len(group.hold_out.y)))
        best = table["rows"][0]
        key, (low, high) = "group.best_with_interval", best["ends"] or ("", "")
        key = key if best["ends"] else "group.best"
        yield t(key, name=names[0], metric=metric, value=best["value"], low=low, high=high)
        if tested:
            key = {0: "all_more", len(tested): "all_noise"}.get(len(as_good), "some_noise")
            numbers = {"n_tested": fmt.count(len(tested)), "n_noise": fmt.count(len(as_good))}
            yield t(f"group.{key}", names=named, **numbers)
        n_read = sum(each.hold_out is not None for each in contenders)
        n_others = sum(each.has_other_rows for each in contenders)
        if 0 < n_read < len(contenders) - n_others:
            yield t("group.untested", n_tested=fmt.count(n_read))

    pictures: list[tuple[Markup, str]] = []
    runs = {f"{n + 1}  {names[n]}": each for n in drawn if (each := contenders[n].hold_out)}
    if group.hold_out is not None:
        n_rows, n_labels = group.hold_out.proba.shape
        subtitle = t("picture.rows", dataset=dataset, n_rows=fmt.count(n_rows))
        kind = "two" if n_labels == 2 else "more"
        for name, svg in draw_overlays(runs, subtitle, group.id, t).items():
            # Texts are escaped in the plots.
            pictures.append((Markup(svg), t(f"{name}.{kind}")))  # noqa: S704
    title = dataset
    if group.number is not None:
        title = t("group.numbered", dataset=dataset, number=group.number)
    return {
        "group": group,
        "title": title,
        "metric": metric,
        "tested": tested_metric and metrics.metric(tested_metric),
        "best": names[0],
        "as_good": named,
        "sentences": list(sentences()),
        "table": table,
        "pictures": pictures,
        "n_left_out": group.n_runs - sum(each.n_times for each in contenders),
    }


def _table(group: Group, differences: Sequence[Difference | None], drawn: Sequence[int]) -> Row:
    """Return columns of choices (None: all others), rows, and the ends of the axis of bars."""
    contenders = group.contenders
    own, shared = columns_of([each.choices for each in contenders])
    estimates = [each.metrics[group.metric] for each in contenders]
    span = fmt.common_span(estimates)
    decimals = max(MIN_DECIMALS, *map(fmt.n_decimals, estimates))
    rows = []
    for place, (each, estimate) in enumerate(zip(contenders, estimates, strict=True)):
        cells = [each.choices.get(key) for key in own]
        if shared:
            others = [format_choice(k, each.choices[k]) for k in shared if k in each.choices]
            cells.append(", ".join(others) or None)
        difference, p_value = fmt.NOTHING, fmt.NOTHING
        verdict = "other_rows" if each.has_other_rows else "untested"
        if (found := differences[place]) is not None:
            difference = fmt.decimal(found.comparison.difference, DECIMALS)
            if not difference.startswith(fmt.MINUS) and difference.strip("0."):
                difference = f"+{difference}"
            p_value = f"< {MIN_P}" if found.p_value < MIN_P else f"{found.p_value:.2g}"
            verdict = "more" if found.is_significant else "noise"
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
        "columns": [*own, None] if shared else own,
        "rows": rows,
        "ends": span and [fmt.decimal(end, MIN_DECIMALS) for end in span],
    }


# --- The page: one file that needs no network and runs no script.


def render_sweep(sweep: Sweep, sections: Sequence[Row], language: str) -> str:
    """Write the page; raises InvalidValueError."""
    t, shared = Texts("sweep", language), make_environment(language)
    has = {
        "overview": len(sections) > 1,
        "standings": bool(sections),
        "failures": bool(sweep.failures or sweep.n_not_begun),
        "reading": bool(sections),
        "files": bool(sweep.files),
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
    return shared.get_template("sweep.html").render(
        t=t,
        style=Markup(style),  # noqa: S704 - our own
        sections=[name for name, is_there in has.items() if is_there],
        sweep=sweep,
        most_runs=max((each["group"].n_runs for each in sections), default=0),
        groups=sections,
        failures=failures,
        n_more_failures=max(len(sweep.failures) - MAX_FAILURES, 0),
        samples=samples,
    )
