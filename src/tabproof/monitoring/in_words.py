"""A check in the terminal: the alarms first, a line each, then figures in tables."""

from collections.abc import Iterator, Mapping, Sequence

from tabproof.artifacts import one_line
from tabproof.evaluation_result import Estimate
from tabproof.monitoring import alarms
from tabproof.monitoring.result import (
    Alarm,
    Challenge,
    Change,
    Check,
    ColumnQuality,
    Distribution,
    ModelCheck,
    RunCheck,
)
from tabproof.text import aligned, counted

VERDICTS = {0: "fine", 1: "ALARM", 2: "cannot tell"}
SHORT_ID = 8
# Columns and changes that are shown; --json has all.
N_COLUMNS, N_CHANGES = 12, 4
N_LEFT_OUT = 8
# In this order, where they are known.
METRICS = ("roc_auc", "accuracy", "log_loss", "brier", "ece", "cost")


# Statistics that show that values moved, but not where to.
OF_PLACES = ("mean place", "mean distance")


def as_result(alarm: alarms.Alarm, medians: Mapping[str, tuple[str, str]]) -> Alarm:
    """Return an alarm as plain data, with its message.

    medians : by column, the bin of its median in training and from the begin of the alarm on.
    """
    changes = []
    for each in alarm.streams:
        shown = f"{each.measures} {each.reference:.3g} → {each.found:.3g}"
        if each.measures.startswith(OF_PLACES):
            before, now = medians.get(each.column or "", ("", ""))
            what = each.measures.partition(" among")[0]
            shown = f"{what} {each.reference:.3g} → {each.found:.3g}"
            if before != now:
                shown = f"median {before} → {now}"
        if each.column is not None:
            shown = f"{one_line(each.column)}: {shown}"
        changes.append(
            Change(
                each.name,
                each.column,
                each.measures,
                each.reference,
                each.found,
                each.n_rows,
                one_line(shown),
            )
        )
    return Alarm(
        raised=alarm.raised.isoformat(),
        began=alarm.began.isoformat(),
        ended=None if alarm.ended is None else alarm.ended.isoformat(),
        detector=alarm.detector,
        changes=changes,
        message="; ".join(each.message for each in clearest(changes)),
    )


def clearest(changes: Sequence[Change]) -> list[Change]:
    """Return the clearest change of each column, at most N_CHANGES of them.

    Each statistic of labelled rows is a subject of its own.
    """
    by_subject: dict[str | None, Change] = {}
    for each in changes:
        by_subject.setdefault(each.subject, each)
    return list(by_subject.values())[:N_CHANGES]


def _lines(alarm: Alarm) -> Iterator[str]:
    """Yield the line of an alarm, and one for each further column."""
    first, *others = (each.message for each in clearest(alarm.changes))
    ended = "" if alarm.ended is None else f", over since {alarm.ended}"
    # A label comes days after its row was answered.
    since = "labels since about" if alarm.changes[0].is_of_labels else "since about"
    yield f"{first} (alarm of {alarm.raised}, {since} {alarm.began}{ended})"
    yield from others
    n_subjects = len({each.subject for each in alarm.changes})
    if n_subjects > N_CHANGES:
        what = "statistics" if alarm.changes[0].is_of_labels else "columns"
        yield f"{n_subjects - N_CHANGES} more {what} (--json)"


def described(check: Check) -> str:
    """Return a check as text for a terminal, without a line break at its end."""
    lines = [f"log {one_line(check.log)}, {check.period.first} … {check.period.last} (UTC)"]
    if check.n_unreadable:
        files = counted(check.n_unreadable, "file")
        named = ", ".join(map(one_line, check.unreadable))
        more = ", …" if check.n_unreadable > len(check.unreadable) else ""
        lines.append(f"! {files} not whole, left out: {named}{more}")
    lines += [f"! {note}" for note in check.notes]
    if not check.models:
        lines.append(VERDICTS[check.exit_code])
    for model in check.models:
        lines += ["", *_of_model(model)]
    return "\n".join(lines)


def _of_model(model: ModelCheck) -> Iterator[str]:
    figures = f"{counted(model.n_rows, 'row')} in {counted(model.n_requests, 'request')}"
    if model.n_rows:
        figures += f", {model.n_with_warnings / model.n_rows:.2%} with warnings"
    yield f"{one_line(model.model)}: {VERDICTS[model.exit_code]} ({figures})"
    for run in model.runs:
        for alarm in run.alarms:
            yield from (f"! {line}" for line in _lines(alarm))
        for alarm in run.past_alarms:
            yield from (f"  {line}" for line in _lines(alarm))
    yield from (f"! {note}" for note in model.notes)
    if len(model.days) > 1:
        yield "  by day  " + ", ".join(f"{each.at[5:]} {each.n_rows:,}" for each in model.days[-7:])
    for run in model.runs:
        yield from _of_run(run)
    for challenge in model.challengers:
        yield from _of_challenge(challenge)


def _of_run(run: RunCheck) -> Iterator[str]:
    canary = f", {run.n_canary:,} as canary" if run.n_canary else ""
    place = one_line(run.path or "gone")
    yield f"-- run {run.run_id[:SHORT_ID]} ({place}): {counted(run.n_rows, 'row')}{canary}"
    if run.days_watched and not run.alarms:
        yield f"   no alarm in {counted(run.days_watched, 'day')} of its log"
    if run.joint is not None:
        joint = run.joint
        yield (
            f"   first {joint.n_first:,} and newest {joint.n_newest:,} requests distinguished:"
            f" AUC {_interval(joint.auc)}; 0.5 is not at all"
        )
    yield from _indented(_metrics(run))
    yield from _indented(_columns(run.inputs, run.quality))
    yield from _indented(_outputs(run.outputs))
    if run.performance is not None:
        found = run.performance
        part = (
            f", of which {found.n_measured:,} are measured"
            if (found.n_measured < found.n_labelled - found.n_unknown_labels)
            else ""
        )
        yield (
            f"   {counted(found.n_labelled, 'row')} with a label{part},"
            f" {found.n_unlabelled:,} without, {found.n_contradictory:,} contradictory"
        )
        names = [name for name in METRICS if name in found.metrics]
        rows = [
            [each.week, f"{each.n_rows:,}", *(_value(each.metrics.get(name)) for name in names)]
            for each in found.weeks
        ]
        if len(rows) > 1:
            yield from _indented([["week of", "rows", *names], *rows])
        for part_of in found.slices:
            rows = [
                [
                    one_line(group.name) + (" (few)" if group.is_small else ""),
                    f"{group.n_rows:,}",
                    *(_value(group.metrics.get(name)) for name in names if name != "cost"),
                ]
                for group in part_of.groups
            ]
            head = [one_line(part_of.column), "rows", *(n for n in names if n != "cost")]
            yield from _indented([head, *rows])
    for each in run.left_out[:N_LEFT_OUT]:
        yield f"   left out: {one_line(each.what)}: {one_line(each.reason)}"
    if len(run.left_out) > N_LEFT_OUT:
        yield f"   left out: {len(run.left_out) - N_LEFT_OUT} more (--json)"


def _metrics(run: RunCheck) -> list[list[str]]:
    """Return a row per metric: on labelled rows, expected, and on the held-out rows."""
    labelled = {} if run.performance is None else run.performance.metrics
    implied = {} if run.expected is None else run.expected.metrics
    measured = {} if run.expected is None else dict(run.expected.measured)
    if run.performance is not None:
        measured |= run.performance.measured
    of_holdout = {} if run.expected is None else run.expected.holdout
    names = [name for name in METRICS if name in labelled or implied.get(name) is not None]
    if not names:
        return []
    head = ["", "with labels", "expected", "held-out rows", "expected of those"]
    rows = [
        [
            name,
            _interval(labelled[name]) if name in labelled else "",
            _number(implied.get(name)),
            _interval(measured[name]) if name in measured else "",
            _number(of_holdout.get(name)),
        ]
        for name in names
    ]
    return [head, *rows]


def _columns(inputs: Sequence[Distribution], quality: Sequence[ColumnQuality]) -> list[list[str]]:
    of_column = {each.name: each for each in quality}
    if not inputs and not quality:
        return []
    found = {each.name: each for each in inputs}
    names = [*found, *(name for name in of_column if name not in found)]
    head = ["column", "index", "by chance", "variation", "missing", "was", "unseen", "out of range"]
    rows = []
    for name in names[:N_COLUMNS]:
        each, shares = found.get(name), of_column.get(name)
        rows.append(
            [
                one_line(name) + (" *" if each is not None and each.is_beyond_chance else ""),
                _number(None if each is None else each.psi),
                _number(None if each is None else each.chance),
                _number(None if each is None else each.total_variation),
                *(
                    ["", "", "", ""]
                    if shares is None
                    else [
                        _share(shares.missing),
                        _share(shares.reference_missing),
                        _share(shares.unseen),
                        _share(shares.out_of_range),
                    ]
                ),
            ]
        )
    if len(names) > N_COLUMNS:
        rows.append([f"{len(names) - N_COLUMNS} more (--json)", *[""] * 7])
    return [head, *rows]


def _outputs(outputs: Sequence[Distribution]) -> list[list[str]]:
    rows = []
    for each in outputs:
        name = "predicted labels" if each.kind == "label" else f"probability of {each.name}"
        mark = " *" if each.is_beyond_chance else ""
        figures = map(_number, (each.psi, each.chance, each.total_variation))
        rows.append([one_line(name) + mark, *figures])
    return [["answers", "index", "by chance", "variation"], *rows] if rows else []


def _of_challenge(challenge: Challenge) -> Iterator[str]:
    yield (
        f"-- challenger {challenge.run_id[:SHORT_ID]} against {challenge.champion[:SHORT_ID]}:"
        f" the same label in {_interval(challenge.agreement)} of {challenge.n_rows:,} rows"
    )
    for test in challenge.tests:
        yield (
            f"   {test.metric} {test.challenger:.4f}, champion {test.champion:.4f},"
            f" p = {test.p_value:.2g} ({test.test}, {challenge.n_labelled:,} rows with a label)"
        )
    for each in challenge.left_out:
        yield f"   left out: {each.what}: {each.reason}"


# --- Cells.


def _indented(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; a column without a figure is left out."""
    if rows:
        kept = [
            column
            for place, column in enumerate(zip(*rows, strict=True))
            if not place or any(column[1:])
        ]
        cells = [list(row) for row in zip(*kept, strict=True)]
        numbers = range(1, len(kept))
        yield from (f"   {line}" for line in aligned(cells, numbers=numbers).splitlines())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _value(estimate: Estimate | None) -> str:
    return "" if estimate is None else _number(estimate.value)


def _interval(estimate: Estimate) -> str:
    if estimate.value is None or estimate.interval is None:
        return _value(estimate)
    return f"{estimate.value:.4f} ({estimate.interval[0]:.4f} … {estimate.interval[1]:.4f})"
