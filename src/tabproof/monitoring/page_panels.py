"""The panels of monitor.html as rows and pictures: alarms, metrics, inputs, answers, groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabproof.errors import printable
from tabproof.evaluation_result import LOWER_IS_BETTER, Estimate
from tabproof.monitoring import pictures
from tabproof.monitoring.in_words import METRICS, clearest
from tabproof.monitoring.result import (
    Alarm,
    Challenge,
    Change,
    ColumnQuality,
    Distribution,
    ModelCheck,
    RunCheck,
)
from tabproof.report import format as fmt
from tabproof.report.format import Texts

# Changes of an alarm, columns with a picture, figures of weeks, labels, groups of a column, and
# metrics of groups that are shown at most.
MAX_CHANGES, MAX_DRAWN, N_FIGURES, MAX_LABELS, MAX_GROUPS, N_METRICS = 40, 25, 4, 6, 30, 2
LOWER = LOWER_IS_BETTER | {"cost"}
UNKNOWN = Estimate(None)

Row = Mapping[str, Any]


def short(share: float | None) -> str:
    """Write a share in percent, with three digits."""
    return fmt.NOTHING if share is None else f"{fmt.plain(float(f'{100 * share:.3g}'))}\u00a0%"


def metric_name(name: str, t: Texts) -> str:
    """Return the name of a metric for people."""
    return t("performance.cost") if name == "cost" else fmt.in_a_sentence(t.metric(name))


def _interval(estimate: Estimate, t: Texts, key: str = "performance.ends") -> str:
    if estimate.interval is None:
        return ""
    decimals = fmt.n_decimals(estimate)
    low, high = (fmt.decimal(end, decimals) for end in estimate.interval)
    return t(key, low=low, high=high)


def _value(estimate: Estimate) -> str:
    return fmt.decimal(estimate.value, fmt.n_decimals(estimate))


# --- Alarms.


def alarm_rows(
    alarms: Sequence[Alarm], model: ModelCheck, run: RunCheck, t: Texts
) -> Iterator[Row]:
    """Yield what is shown of each alarm of a run."""
    for alarm in alarms:
        # Only the clearest change of each column; the others are listed below it.
        shown = clearest(alarm.changes)
        rows, lines = [_change(each, t) for each in shown], list[Row]()
        for each in alarm.changes:
            # The place and the spread of a column may have the same median.
            if (line := _change(each, t)) not in [*rows, *lines]:
                lines.append(line)
        columns = list(dict.fromkeys(_subject(each, t) for each in shown))
        n_subjects = len({each.subject for each in alarm.changes})
        is_of_labels = alarm.changes[0].is_of_labels
        yield {
            "model": model.model,
            "columns": [*columns, *["…"] * (n_subjects > len(shown) and not is_of_labels)],
            "when": t(
                "alarm.labels_since" if is_of_labels else "alarm.since",
                began=alarm.began,
                raised=alarm.raised,
                detector=t(f"alarm.{alarm.detector}"),
                run=fmt.in_a_sentence(run.run_id[:8]),
            ),
            "ended": None if alarm.ended is None else t("alarm.ended", ended=alarm.ended),
            "changes": rows,
            "more": lines[:MAX_CHANGES],
            "n_more": fmt.count(len(lines)),
        }


def _subject(change: Change, t: Texts) -> str:
    """Return the column of a change, or what else it is of."""
    if change.column is not None:
        return change.column
    return t("alarm.of_labels" if change.is_of_labels else "alarm.of_answers")


def _change(change: Change, t: Texts) -> Row:
    words, (key, _) = _words(change, t), _measure(change)
    # A median needs no explanation.
    is_median = _median(change) is not None
    explained = "" if is_median else t.get(f"explained.{key}", "")
    about = "n_rows_explained" if explained else "n_rows"
    return {
        "column": change.column,
        **words,
        "about": t(f"alarm.{about}", n_rows=fmt.count(change.n_rows), explained=explained),
    }


def clearest_change(alarms: Sequence[Alarm]) -> tuple[Change, str]:
    """Return the first change of a column or of labelled rows, or of answers, and its begin."""
    changes = [(each, alarm.began) for alarm in alarms for each in alarm.changes]
    return next((each for each in changes if each[0].subject is not None), changes[0])


def change_text(change: Change, t: Texts) -> str:
    """Return a change in a few words."""
    words = _words(change, t)
    if change.column is None:
        return t("alarm.change_of_answers", **words)
    return t("alarm.change_of", column=fmt.in_a_sentence(change.column), **words)


def _words(change: Change, t: Texts) -> dict[str, str]:
    """Return what changed, from which value to which, in the page's language."""
    if median := _median(change):
        return {"measure": t("measure.median"), "before": median[0], "now": median[1]}
    key, value = _measure(change)
    measure = t(f"measure.{key}", value=fmt.in_a_sentence(value)) if key else change.measures
    is_share = change.measures.startswith("share")
    before, now = (
        short(end) if is_share else fmt.decimal(end, 2) for end in (change.before, change.now)
    )
    return {"measure": measure, "before": before, "now": now}


def _median(change: Change) -> tuple[str, str] | None:
    """Return the bins of the median before and now, where the values moved from one to another."""
    _, found, bins = change.message.rpartition(": median ")
    before, arrow, now = bins.partition(" → ")
    if _measure(change)[0] in ("place", "spread") and found and arrow:
        return fmt.shown(before), fmt.shown(now)
    return None


def _measure(change: Change) -> tuple[str, str]:
    """Return the key of a measure's text and a value in it; the key is empty if it is another."""
    name = change.name
    if change.column is None:
        if name in ("warnings", "accuracy"):
            return name, ""
        for beginning, endings in (
            *((f"{word} ", ("",)) for word in ("true", "precision", "recall", "predicted")),
            ("probability ", (": place", ": spread")),
        ):
            for ending in endings:
                if name.startswith(beginning) and name.endswith(ending):
                    key = beginning.strip() + ending.replace(": ", "_")
                    return key, name.removeprefix(beginning).removesuffix(ending)
        return "", ""
    which = name.removeprefix(change.column)
    if which in (": missing", ": place", ": spread"):
        return which.removeprefix(": "), ""
    which = which.strip()
    category = which.removeprefix("= ")
    if which.startswith("= ") and change.measures == f"share of '{category}'":
        return "category", category
    if which in ("= another category", "= a rarer category"):
        return which.split()[-2], ""
    if which.startswith("above "):
        # As bins are written elsewhere.
        return "between", which.removeprefix("above ").replace(", up to ", " … ")
    return "", ""


# --- Performance.


def performance(run: RunCheck, t: Texts) -> Row:
    """Return a table of metrics, pictures and a table by week, and sentences about them."""
    found, implied = run.performance, run.expected
    labelled = {} if found is None else found.metrics
    expected = {} if implied is None else implied.metrics
    of_holdout = {} if implied is None else implied.holdout
    measured = {} if implied is None else dict(implied.measured)
    if found is not None:
        measured |= found.measured
    names = [name for name in METRICS if name in labelled or expected.get(name) is not None]
    rows = []
    for name in names:
        both = [each[name] for each in (labelled, measured) if name in each]
        span = fmt.common_span(both)
        now, before = labelled.get(name, UNKNOWN), measured.get(name, UNKNOWN)
        rows.append(
            {
                "name": metric_name(name, t),
                "direction": t("performance.lower" if name in LOWER else "performance.higher"),
                "now": now,
                "before": before,
                "implied": fmt.decimal(expected.get(name)),
                "implied_before": fmt.decimal(of_holdout.get(name)),
                "bars": [
                    (fmt.bar(each, span), kind)
                    for each, kind in ((now, "track"), (before, "track was"))
                ],
            }
        )
    sentences = []
    if found is None:
        sentences.append(t("performance.no_labels"))
    else:
        counts = ("n_labelled", "n_measured")
        words = {name: fmt.count(getattr(found, name)) for name in counts}
        sentences.append(t("performance.counts", n_rows=fmt.count(run.n_rows), **words))
        for key, n in (
            ("contradictory", found.n_contradictory),
            ("unknown_labels", found.n_unknown_labels),
        ):
            if n:
                sentences.append(t(f"performance.{key}", n_rows=fmt.count(n)))
    limits = ""
    if any(each is not None for each in expected.values()) and implied is not None:
        keys = {"": "uncertain", "none": "uncalibrated"}
        key, name = keys.get(implied.calibration, "calibrated"), implied.calibration
        calibration = t(f"performance.{key}", name=fmt.in_a_sentence(name))
        limits = t("performance.limits", calibration=calibration)
    weeks = [] if found is None else found.weeks
    of_weeks = [name for name in names if any(name in each.metrics for each in weeks)]
    return {
        "heading": _heading(labelled, expected, of_holdout, measured, t),
        "rows": rows,
        "is_labelled": found is not None,
        "sentences": sentences,
        "limits": limits,
        "pictures": [_week_plot(name, run, measured.get(name), t) for name in of_weeks[:N_FIGURES]],
        "metrics": [metric_name(name, t) for name in of_weeks],
        "weeks": [
            {
                "week": each.week,
                "n_rows": each.n_rows,
                "cells": [each.metrics.get(name, UNKNOWN) for name in of_weeks],
            }
            for each in weeks
        ],
    }


def _heading(
    labelled: Mapping[str, Estimate],
    expected: Mapping[str, float | None],
    of_holdout: Mapping[str, float | None],
    measured: Mapping[str, Estimate],
    t: Texts,
) -> str:
    """Return the first metric that is known, and what it was."""
    for name in METRICS:
        if name in labelled and labelled[name].value is not None:
            words = {"metric": metric_name(name, t), "value": _value(labelled[name])}
            if name not in measured:
                return t("performance.labelled_alone", **words)
            return t("performance.labelled", before=_value(measured[name]), **words)
    for name in METRICS:
        if (implied := expected.get(name)) is not None:
            words = {"metric": metric_name(name, t), "value": fmt.decimal(implied)}
            if (before := of_holdout.get(name)) is None:
                return t("performance.expected_alone", **words)
            return t("performance.expected", before=fmt.decimal(before), **words)
    return t("performance.unknown")


def _week_plot(name: str, run: RunCheck, before: Estimate | None, t: Texts) -> Row:
    weeks = [] if run.performance is None else run.performance.weeks
    points = [(each.week[5:], each.metrics.get(name, UNKNOWN)) for each in weeks]
    direction = t("performance.lower" if name in LOWER else "performance.higher")
    caption = t("performance.by_week", metric=metric_name(name, t), direction=direction)
    return {"svg": pictures.estimates_plot(points, before, caption), "caption": caption}


def challenge(found: Challenge, t: Texts) -> Row:
    """Return the comparison of a challenger with the champion: a sentence, and a row per test."""
    agreement, interval = found.agreement, ""
    if agreement.interval is not None:
        low, high = map(short, agreement.interval)
        interval = t("challenge.interval", low=low, high=high)
    words = {"share": short(agreement.value), "n_rows": fmt.count(found.n_rows)}
    sentences = [t("challenge.agreement", interval=interval, **words)]
    if found.mean_difference is not None:
        value = fmt.decimal(found.mean_difference)
        sentences.append(t("challenge.difference_of_probabilities", value=value))
    names = {"challenger": found.run_id, "champion": found.champion}
    shown = {key: fmt.in_a_sentence(name[:8]) for key, name in names.items()}
    of_weeks = [name for name in METRICS if any(name in each.challenger for each in found.weeks)]
    return {
        "heading": t("challenge.panel", **shown),
        "metrics": [metric_name(name, t) for name in of_weeks],
        "weeks": [
            {
                "week": each.week,
                "whose": t(f"challenge.{key}"),
                "n_rows": each.n_rows,
                "cells": [metrics.get(name, UNKNOWN) for name in of_weeks],
            }
            for each in found.weeks
            for key, metrics in (("challenger", each.challenger), ("champion", each.champion))
        ],
        "sentences": sentences,
        "n_labelled": fmt.count(found.n_labelled),
        "tests": [
            {
                "metric": test.metric,
                "test": test.test,
                "challenger": fmt.decimal(test.challenger, 4),
                "champion": fmt.decimal(test.champion, 4),
                "difference": _signed(test.challenger - test.champion),
                "p_value": f"{test.p_value:.2g}" if test.p_value >= 1e-4 else "< 0.0001",
            }
            for test in found.tests
        ],
    }


def _signed(number: float) -> str:
    return ("+" if number > 0 else "") + fmt.decimal(number, 4)


# --- Inputs.


def inputs(run: RunCheck, t: Texts) -> Row:
    """Return a row for each column, the most distant first, and the test of all together."""
    of_column = {each.name: each for each in run.quality}
    found = {each.name: each for each in run.inputs}
    names = [*found, *(name for name in of_column if name not in found)]
    rows = [
        _column(name, found.get(name), of_column.get(name), place < MAX_DRAWN, t)
        for place, name in enumerate(names)
    ]
    n_beyond = sum(each.is_beyond_chance for each in run.inputs)
    key = "changed" if n_beyond else "same"
    if not any(each.psi is not None for each in run.inputs):
        key = "unknown"
    words = {"n": fmt.count(n_beyond), "n_columns": fmt.count(len(names))}
    joint = ""
    if run.joint is not None:
        auc = run.joint.auc
        joint = t(
            "inputs.joint",
            n_first=fmt.count(run.joint.n_first),
            n_newest=fmt.count(run.joint.n_newest),
            auc=_value(auc),
            interval=_interval(auc, t, "challenge.interval"),
        )
    return {
        "heading": t(f"inputs.{key}", **words),
        "rows": rows[:MAX_DRAWN],
        "more": rows[MAX_DRAWN:],
        "caption": t("inputs.caption_unknown" if key == "unknown" else "inputs.caption"),
        "has_distances": bool(run.inputs),
        "has_gap": any(pictures.has_missing(each) for each in run.inputs[:MAX_DRAWN]),
        "joint": joint,
    }


def _column(
    name: str, found: Distribution | None, quality: ColumnQuality | None, is_drawn: bool, t: Texts
) -> Row:
    shares: tuple[float | None, ...] = (None,) * 4
    if quality is not None:
        before = quality.reference_missing
        shares = quality.missing, before, quality.unseen, quality.out_of_range
    missing, missing_before, unseen, out_of_range = map(short, shares)
    row = {
        "name": name,
        "is_beyond": False,
        "picture": "",
        "psi": fmt.NOTHING,
        "chance": fmt.NOTHING,
        "variation": fmt.NOTHING,
        "missing": missing,
        "missing_before": missing_before,
        "unseen": unseen,
        "out_of_range": out_of_range,
        "largest": None,
    }
    if found is None:
        return row
    return row | {
        "is_beyond": found.is_beyond_chance,
        "picture": pictures.paired_bars(found, 150, 34) if is_drawn else "",
        "psi": fmt.decimal(found.psi, 4),
        "chance": fmt.decimal(found.chance, 4),
        "variation": short(found.total_variation),
        "largest": _largest_change(found, t),
    }


def _largest_change(found: Distribution, t: Texts) -> Row | None:
    """Return the bin whose share changed most; None where none did."""
    n_before, n_now = sum(found.reference), sum(found.period)
    if not n_before or not n_now:
        return None
    shares = [
        (before / n_before, now / n_now)
        for before, now in zip(found.reference, found.period, strict=True)
    ]
    place = max(range(len(shares)), key=lambda place: abs(shares[place][1] - shares[place][0]))
    before, now = map(short, shares[place])
    return (
        None if before == now else {"bin": _bin_name(found, place, t), "before": before, "now": now}
    )


def _bin_name(found: Distribution, place: int, t: Texts) -> str:
    name, from_end = found.bins[place], len(found.bins) - place
    if found.kind in pictures.OF_COLUMNS and from_end == 1:
        return t("inputs.missing_bin")
    if found.kind == "category" and from_end == 2 and len(found.bins) > 2:
        return t("inputs.other")
    return fmt.shown(printable(name), 40)


# --- Answers, and groups of rows.


def answers(run: RunCheck, t: Texts) -> Row:
    """Return the predicted labels as a table, and a picture of the probability of each label."""
    n_beyond = sum(each.is_beyond_chance for each in run.outputs)
    is_known = any(each.psi is not None for each in run.outputs)
    key = "unknown" if not is_known else "changed" if n_beyond else "same"
    labels = next((each for each in run.outputs if each.kind == "label"), None)
    probabilities = [each for each in run.outputs if each.kind == "probability"]
    # With two labels the probability of the first follows from that of the second.
    shown = probabilities[1:] if len(probabilities) == 2 else probabilities[:MAX_LABELS]
    drawn = []
    for each in shown:
        words = {"label": fmt.in_a_sentence(each.name), "distance": _distance(each, t)}
        caption = t("outputs.probability", **words)
        drawn.append({"svg": pictures.paired_bars(each, 380, 110, caption), "caption": caption})
    words = {"n": fmt.count(n_beyond), "n_all": fmt.count(len(run.outputs))}
    n_bins = 0 if labels is None else len(labels.bins)
    n_more = max(n_bins - MAX_GROUPS, 0)
    if len(probabilities) > 2:
        n_more = max(n_more, len(probabilities) - len(shown))
    return {
        "heading": t(f"outputs.{key}", **words),
        "caption": t("outputs.caption", distance="" if labels is None else _distance(labels, t)),
        "labels": [] if labels is None else list(_label_rows(labels)),
        "pictures": drawn,
        "n_more": n_more,
    }


def _distance(found: Distribution, t: Texts) -> str:
    if found.psi is None:
        return ""
    psi, chance = (fmt.decimal(each, 4) for each in (found.psi, found.chance))
    return t("outputs.distance", psi=psi, chance=chance)


def _label_rows(found: Distribution) -> Iterator[Row]:
    n_before, n_now = max(sum(found.reference), 1), max(sum(found.period), 1)
    counted = zip(found.bins, found.reference, found.period, strict=True)
    for name, before, now in list(counted)[:MAX_GROUPS]:
        shares = before / n_before, now / n_now
        yield {
            "name": name,
            "n_rows": now,
            "before": short(shares[0]),
            "now": short(shares[1]),
            "widths": [round(100 * share, 1) for share in shares],
        }


def slice_tables(run: RunCheck, t: Texts) -> list[Row]:
    """Return the groups of each column with their first metrics."""
    tables = list[Row]()
    for part in [] if run.performance is None else run.performance.slices:
        measured = {name for group in part.groups for name in group.metrics}
        names = [name for name in METRICS if name in measured][:N_METRICS]
        estimates = [
            [group.metrics.get(name, UNKNOWN) for name in names]
            for group in part.groups[:MAX_GROUPS]
        ]
        span = fmt.common_span(each[0] for each in estimates if each)
        tables.append(
            {
                "column": part.column,
                "metrics": [metric_name(name, t) for name in names],
                "groups": [
                    {
                        "name": group.name,
                        "n_rows": group.n_rows,
                        "is_small": group.is_small,
                        "estimates": of_group,
                        "bar": fmt.bar(of_group[0], span) if of_group else None,
                    }
                    for group, of_group in zip(part.groups, estimates, strict=False)
                ],
            }
        )
    return tables
