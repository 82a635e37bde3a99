"""A group of runs as a section of the page: its words, its table, its pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import FileSystemLoader
from markupsafe import Markup

from tabproof.evaluation.comparison import Comparison, compare, compare_in_all
from tabproof.evaluation_result import Estimate
from tabproof.report.contenders import (
    Contender,
    Failure,
    Group,
    HoldOut,
    Sweep,
    columns_of,
    names_of,
    said,
)
from tabproof.report.format import (
    MINUS,
    NOTHING,
    Bar,
    Span,
    bar,
    common_span,
    count,
    decimal,
    in_a_sentence,
    n_decimals,
)
from tabproof.report.language import Texts
from tabproof.report.page import HERE as SHARED
from tabproof.report.page import make_environment
from tabproof.report.plots.overlays import MAX_CURVES, Line, draw_overlays
from tabproof.report.plots.theme import DASHES, SERIES, variable
from tabproof.report.sections import metric_name

# --- Differences from the best run on the same rows, and which are more than noise.

LEVEL = 0.05


@dataclass(frozen=True)
class Standing:
    """A run against the best, and the p-value of its difference after adjustment."""

    comparison: Comparison
    p_value: float

    @property
    def is_noise(self) -> bool:
        """Whether chance may well have made the difference."""
        return not self.p_value < LEVEL


def against_the_best(contenders: Sequence[Contender], metric: str) -> list[Standing | None]:
    """Test each run against the first whose predictions are known; None: that one, or unknown."""
    known = {n: one.hold_out for n, one in enumerate(contenders) if one.hold_out is not None}
    best = next(iter(known.values()), None)
    tests = {}
    if best is not None and is_testable(best):
        tests = {n: _compared(known[n], best, metric) for n in list(known)[1:]}
    adjusted = holm([test.p_value for test in tests.values()])
    standings = dict(zip(tests, map(Standing, tests.values(), adjusted), strict=True))
    return [standings.get(n) for n in range(len(contenders))]


def is_testable(hold_out: HoldOut) -> bool:
    """Tell whether there are rows of both labels, without which no area is defined."""
    return hold_out.proba.shape[1] > 2 or 0 < int(hold_out.y.sum()) < len(hold_out.y)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that of 100 families at most 5 hold a wrong verdict (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    # A larger p-value must not become the smaller one.
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(value) for value in adjusted]


def _compared(ours: HoldOut, best: HoldOut, metric: str) -> Comparison:
    if metric == "accuracy":
        return compare_in_all(best.y, ours.proba, best.proba)[-1]
    return compare(best.y, ours.proba, best.proba)


# --- Runs as rows of a table, their intervals on one line.

# Decimals of values, which are in order, and of their differences.
LEAST, DECIMALS = 3, 4
LEAST_P = 0.001


@dataclass(frozen=True)
class Row:
    """A run. cells: in the order of the columns; series: the number of its curve, from 0."""

    place: int
    contender: Contender
    cells: Sequence[str | None]
    value: str
    ends: tuple[str, str] | None
    bar: Bar | None
    difference: str
    p_value: str
    verdict: str
    series: int | None


@dataclass(frozen=True)
class Table:
    """columns: keys of choices, None that of all others; ends: of the line of intervals."""

    columns: Sequence[str | None]
    rows: Sequence[Row]
    ends: tuple[str, str] | None


def make_table(group: Group, standings: Sequence[Standing | None], drawn: Sequence[int]) -> Table:
    """Put runs below each other; drawn: places of those that have a curve, in their order."""
    contenders = group.contenders
    own, shared = columns_of([one.choices for one in contenders])
    span = common_span(one.metrics[group.metric] for one in contenders)
    decimals = decimals_of(group)
    rows = [
        Row(
            place=place + 1,
            contender=one,
            cells=_cells(one, own, shared),
            value=decimal(one.metrics[group.metric].value, decimals),
            ends=_ends(one.metrics[group.metric], decimals),
            bar=bar(one.metrics[group.metric], span),
            difference=_signed(standing),
            p_value=_p_value(standing),
            verdict=_verdict(one, standing, is_best=place == 0),
            series=drawn.index(place) if place in drawn else None,
        )
        for place, (one, standing) in enumerate(zip(contenders, standings, strict=True))
    ]
    columns = [*own, None] if shared else own
    return Table(columns, rows, _span_ends(span))


def decimals_of(group: Group) -> int:
    """Give as many decimals to all as one of them deserves."""
    return max(LEAST, *(n_decimals(one.metrics[group.metric]) for one in group.contenders))


def _cells(one: Contender, own: Sequence[str], shared: Sequence[str]) -> list[str | None]:
    cells = [one.choices.get(key) for key in own]
    if shared:
        words = [said(key, one.choices[key]) for key in shared if key in one.choices]
        cells.append(", ".join(words) or None)
    return cells


def _ends(estimate: Estimate, decimals: int) -> tuple[str, str] | None:
    if estimate.interval is None:
        return None
    low, high = estimate.interval
    return decimal(low, decimals), decimal(high, decimals)


def _span_ends(span: Span | None) -> tuple[str, str] | None:
    return None if span is None else (decimal(span[0], LEAST), decimal(span[1], LEAST))


def _signed(standing: Standing | None) -> str:
    if standing is None:
        return NOTHING
    text = decimal(standing.comparison.difference, DECIMALS)
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def _p_value(standing: Standing | None) -> str:
    if standing is None:
        return NOTHING
    return f"< {LEAST_P}" if standing.p_value < LEAST_P else f"{standing.p_value:.2g}"


def _verdict(one: Contender, standing: Standing | None, *, is_best: bool) -> str:
    if is_best:
        return "best"
    if standing is not None:
        return "noise" if standing.is_noise else "more"
    return "other_rows" if one.has_other_rows else "untested"


# Of names in a sentence.
MOST_NAMED = 5
# What a test calls its metric is not what pages do.
TESTED = {"AUC": "roc_auc"}


@dataclass(frozen=True)
class Section:
    """best: the name of that run; as_good: of those not worse by more than noise, as a list in
    words; pictures: SVG and what it shows; tested: the metric that is, where one is.
    """

    group: Group
    title: str
    metric: str
    tested: str | None
    best: str
    as_good: str
    sentences: Sequence[str]
    table: Table
    pictures: Sequence[tuple[Markup, str]]
    n_left_out: int


def make_section(group: Group, language: str) -> Section:
    """Test, word and draw a group."""
    t, metrics = Texts("sweep", language), Texts("report", language)
    contenders = group.contenders
    names = names_of([one.choices for one in contenders], [one.run_id for one in contenders])
    names = [in_a_sentence(name) for name in names]
    standings = against_the_best(contenders, group.metric)
    drawn = [n for n, one in enumerate(contenders) if one.hold_out is not None][:MAX_CURVES]
    table = make_table(group, standings, drawn)
    tested = next((each.comparison.metric for each in standings if each is not None), None)
    as_good = [
        name
        for name, each in zip(names, standings, strict=True)
        if each is not None and each.is_noise
    ]
    metric = metric_name(group.metric, metrics)
    return Section(
        group=group,
        title=_title(group, t),
        metric=metric,
        tested=tested and metric_name(TESTED.get(tested, tested), metrics),
        best=names[0],
        as_good=named(as_good, t),
        sentences=[
            *_on_the_rows(group, t),
            _on_the_best(table, names[0], metric, t),
            *_on_the_others(standings, as_good, t),
            *_on_those_not_read(group, t),
        ],
        table=table,
        pictures=_pictures(group, [(n, names[n]) for n in drawn], t),
        n_left_out=group.n_runs - sum(one.n_times for one in contenders),
    )


def _title(group: Group, t: Texts) -> str:
    dataset = in_a_sentence(group.dataset)
    if group.number is None:
        return dataset
    return t("group.numbered", dataset=dataset, number=group.number)


def _on_the_rows(group: Group, t: Texts) -> Iterator[str]:
    if group.hold_out is None:
        yield t("group.unread")
    elif group.n_runs > 1:
        yield t("group.rows", n_rows=count(len(group.hold_out.y)))


def _on_the_best(table: Table, name: str, metric: str, t: Texts) -> str:
    best = table.rows[0]
    words = {"name": name, "metric": metric, "value": best.value}
    if best.ends is None:
        return t("group.best", **words)
    return t("group.best_with_interval", low=best.ends[0], high=best.ends[1], **words)


def _on_the_others(
    standings: Sequence[Standing | None], as_good: Sequence[str], t: Texts
) -> Iterator[str]:
    n_tested = sum(each is not None for each in standings)
    if not n_tested:
        return
    if not as_good:
        yield t("group.all_more", n_tested=count(n_tested))
    elif len(as_good) == n_tested:
        yield t("group.all_noise", n_tested=count(n_tested))
    else:
        yield t(
            "group.some_noise",
            n_tested=count(n_tested),
            n_noise=count(len(as_good)),
            names=named(as_good, t),
        )


def _on_those_not_read(group: Group, t: Texts) -> Iterator[str]:
    n_read = sum(one.hold_out is not None for one in group.contenders)
    n_others = sum(one.has_other_rows for one in group.contenders)
    if 0 < n_read < len(group.contenders) - n_others:
        yield t("group.untested", n_tested=count(n_read))


def named(names: Sequence[str], t: Texts) -> str:
    """List names as far as a sentence bears it."""
    more = ["…"] if len(names) > MOST_NAMED else []
    return t("group.comma").join([*names[:MOST_NAMED], *more])


def _pictures(group: Group, drawn: Sequence[tuple[int, str]], t: Texts) -> list[tuple[Markup, str]]:
    lines = [
        Line(f"{n + 1}  {name}", hold_out)
        for n, name in drawn
        if (hold_out := group.contenders[n].hold_out) is not None
    ]
    if not lines:
        return []
    n_rows = count(len(lines[0].hold_out.y))
    subtitle = t("picture.rows", dataset=in_a_sentence(group.dataset), n_rows=n_rows)
    kind = "two" if lines[0].hold_out.proba.shape[1] == 2 else "more"
    # Our own drawing: its texts are escaped there.
    return [
        (Markup(svg), t(f"{name}.{kind}"))  # noqa: S704
        for name, svg in draw_overlays(lines, subtitle, group.id, t).items()
    ]


# --- The page of many runs: one file that needs no network and runs no script.

HERE = Path(__file__).parent
# Of runs without numbers.
MOST_FAILURES = 100


def render_sweep(sweep: Sweep, sections: Sequence[Section], language: str) -> str:
    """Write the page; raises LanguageNotOfferedError."""
    t = Texts("sweep", language)
    shared = make_environment(language)
    environment = shared.overlay(loader=FileSystemLoader([HERE, SHARED]))
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
        most_runs=max((each.group.n_runs for each in sections), default=0),
        groups=sections,
        failures=[(each, _state(each, t)) for each in sweep.failures[:MOST_FAILURES]],
        n_more_failures=max(len(sweep.failures) - MOST_FAILURES, 0),
        samples=[_sample(number) for number in range(MAX_CURVES)],
    )


def _state(failure: Failure, t: Texts) -> str:
    key = f"state.{failure.state.replace(' ', '_')}"
    return t(key) if key in t else failure.state


def _sample(number: int) -> tuple[str, str]:
    """Give colour and dashes of a curve, as SVG has them."""
    dashes = DASHES[number]
    pattern = "" if isinstance(dashes, str) else " ".join(str(each * 1.8) for each in dashes)
    return variable(SERIES[number]), pattern


# --- Many runs on one page: standings, which differences are more than noise, curves overlaid.

__all__ = [
    "Section",
    "make_section",
    "render_sweep",
]
