"""Results of checks, made up: the page of a check is read, no log is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from tabproof.evaluation_result import Estimate, Group, Slice
from tabproof.monitoring.result import (
    Alarm,
    Challenge,
    ChallengeWeek,
    Change,
    Check,
    ColumnQuality,
    Distribution,
    Expected,
    JointTest,
    LeftOut,
    ModelCheck,
    PairedTest,
    Performance,
    Period,
    RunCheck,
    Traffic,
    WeekPerformance,
)
from tests.report.making import ODD_NAMES

MADE = "2026-11-30T15:00:00+00:00"
FIRST, LAST = date(2026, 11, 17), date(2026, 11, 30)
RUN, NEWER, CHALLENGER = "0123456789abcdef", "89abcdef01234567", "fedcba9876543210"
METRICS = {
    "roc_auc": Estimate(0.912, 0.898, 0.926),
    "accuracy": Estimate(0.846, 0.831, 0.86),
    "log_loss": Estimate(0.362, 0.341, 0.383),
    "brier": Estimate(0.112, 0.104, 0.12),
    "ece": Estimate(0.021, 0.012, 0.03),
    "cost": Estimate(0.31, 0.28, 0.34),
}
NAMES = (
    "age", "hours_per_week", "workclass", "education", "occupation", "capital_gain", "capital_loss",
    "marital_status", "relationship", "native_country", "race", "sex", "fnlwgt", "education_num",
    "signed_up", "comment", "region", "income_of_household", "n_children", "channel",
)  # fmt: skip


def days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]


def column_of(name: str, place: int, shift: float = 0.0) -> Distribution:
    """Return a column of ten bins, or of three categories, shifted by a share of its rows."""
    if place % 3 == 2:
        bins: Sequence[str] = ("clerk", "cook", "smith", "(other)", "(missing)")
        before, now = [4000, 3000, 2000, 500, 500], [400, 300, 200, 50, 50]
    else:
        bins = (*(f"{20 + 5 * i} … {25 + 5 * i}" for i in range(9)), "> 65", "(missing)")
        before, now = [1000] * 10 + [0], [100] * 10 + [0]
    moved = [int(count * shift) for count in now[:2]]
    now = [now[0] - moved[0], now[1] - moved[1], *now[2:]]
    now[-2] += sum(moved)
    psi = round(0.004 + shift * 0.9, 4)
    kind = "category" if place % 3 == 2 else "number"
    return Distribution(name, kind, bins, before, now, psi, 0.0193, shift * 0.2)


def columns(
    names: Sequence[str], n_changed: int = 3
) -> tuple[list[Distribution], list[ColumnQuality]]:
    """Return columns, the first ones changed, and their quality."""
    shifts = [
        max(0.0, 0.9 - 0.3 * place) if place < n_changed else 0.0 for place in range(len(names))
    ]
    inputs = [column_of(*each) for each in zip(names, range(len(names)), shifts, strict=True)]
    quality = [
        ColumnQuality(name, 1000, 0.0512 if place == 2 else 0.0, 0.0123, 0.00042, 0.05)
        for place, name in enumerate(names)
    ]
    return inputs, quality


def alarm_of(column: str | None, *names: str, ended: str | None = None) -> Alarm:
    """Return an alarm of the median of a column, and of categories in it."""
    of_places = "mean place of the values among those of the training rows, 0 the lowest, …"
    median = f"{column}: median 35 … 40 → > 65"
    changes = [Change(f"{column}: place", column, of_places, 0.5, 0.7312, 4200, median)]
    if column is None:
        measures = "share of rows that were answered with a warning"
        changes = [Change("warnings", None, measures, 0.0012, 0.0834, 4200, measures)]
    changes += [
        Change(f"{column} = {name}", column, f"share of '{name}'", 0.125, 0.25, 4200, name)
        for name in names
    ]
    return Alarm("2026-11-28", "2026-11-25", ended, "week", changes, "in one line")


def alarm_of_labels() -> Alarm:
    """Return an alarm of rows whose label is known."""
    changes = [
        Change(name, None, f"share of … ({name})", before, now, 900, f"{name} {before} → {now}")
        for name, before, now in (
            ("accuracy", 0.86, 0.61),
            ("recall >50K", 0.72, 0.4),
            ("true >50K", 0.24, 0.35),
            ("precision >50K", 0.8, 0.5),
        )
    ]
    return Alarm("2026-11-28", "2026-11-25", None, "week", changes, "in one line")


def outputs_of(labels: Sequence[str]) -> list[Distribution]:
    found = [Distribution("", "label", labels, [7000] + [3000] * (len(labels) - 1),
                          [650] + [350] * (len(labels) - 1), 0.0114, 0.0042, 0.05)]  # fmt: skip
    bins = [f"{i / 20:g} … {(i + 1) / 20:g}" for i in range(20)]
    before, now = [900 - 40 * i for i in range(20)], [80 - 3 * i for i in range(20)]
    found += [
        Distribution(name, "probability", bins, before, now, 0.0031, 0.03, 0.02) for name in labels
    ]
    return found


def performance_of(column: str, groups: Sequence[str]) -> Performance:
    """Return four weeks of metrics and one table of groups."""
    weeks = [
        WeekPerformance(
            f"2026-11-{day:02}",
            900 + day,
            {
                name: Estimate(each.value - 0.001 * day, each.low - 0.02, each.high + 0.02)
                for name, each in METRICS.items()
                if each.value and each.low and each.high
            },
        )
        for day in (2, 9, 16, 23)
    ]
    found = [
        Group(name, 500 - 10 * place, [400, 90], dict(METRICS), [], is_small=place > 1)
        for place, name in enumerate(groups)
    ]
    measured = {
        name: Estimate(*(1.02 * (end or 0.0) for end in (each.value, each.low, each.high)))
        for name, each in METRICS.items()
        if name != "cost"
    }
    return Performance(
        3650, 550, 3650, 12, 3, METRICS, measured, weeks, [Slice(column, found, [0.9, 0.8])]
    )


EXPECTED = Expected(
    {"roc_auc": 0.918, "accuracy": 0.851, "log_loss": 0.351},
    {"roc_auc": 0.922, "accuracy": 0.858, "log_loss": 0.349},
    {name: METRICS[name] for name in ("roc_auc", "accuracy", "log_loss")},
    "sigmoid",
)


def run_of(
    names: Sequence[str] = NAMES, labels: Sequence[str] = ("<=50K", ">50K"), n_changed: int = 3
) -> RunCheck:
    """Return a run with everything."""
    inputs, quality = columns(names, n_changed)
    return RunCheck(
        run_id=RUN,
        path=f"models/adult/{RUN}",
        n_rows=4200,
        n_requests=2100,
        n_canary=120,
        first="2026-11-17T00:00:05+00:00",
        last="2026-11-30T14:59:58+00:00",
        quality=quality,
        inputs=inputs,
        outputs=outputs_of(labels),
        days_watched=61,
        joint=JointTest(
            Estimate(0.512, 0.487, 0.537), 2000, 2000, "2026-11-18", "2026-11-29", names
        ),
        expected=EXPECTED,
        performance=performance_of(names[2], ("clerk", "cook", "smith")),
        is_judged=True,
        left_out=[LeftOut("slices by age_group", "it is not in the log")],
    )


def model_of(name: str, *runs: RunCheck, challengers: Sequence[Challenge] = ()) -> ModelCheck:
    """Return a model with its traffic: no row on one day, and more in the afternoon."""
    by_hour = [
        Traffic(f"{day}T{hour:02}", 10 + hour, 5 + hour, hour // 6)
        for day in days()
        if day.day != 21
        for hour in range(24 if day != LAST else 15)
    ]
    by_day = [
        Traffic(
            day.isoformat(),
            *(
                sum(getattr(each, key) for each in by_hour if each.at[:10] == day.isoformat())
                for key in ("n_rows", "n_requests", "n_with_warnings")
            ),
        )
        for day in days()
        if day.day != 21
    ]
    n_rows = sum(run.n_rows for run in runs)
    return ModelCheck(
        name, n_rows, n_rows // 2, n_rows // 50, 0, by_day, by_hour, runs, challengers
    )


CHALLENGE = Challenge(
    CHALLENGER, RUN, 4100, Estimate(0.942, 0.934, 0.949), 0.0312, 3600,
    [
        PairedTest("AUC", "DeLong", 0.9184, 0.9121, 0.0123),
        PairedTest("accuracy", "McNemar", 0.8431, 0.8462, 0.41),
    ],
    [LeftOut("the test of the cost", "the run has no costs")],
    [
        ChallengeWeek(
            f"2026-11-{day}", 1800, METRICS, {name: METRICS[name] for name in ("accuracy", "brier")}
        )
        for day in (16, 23)
    ],
)  # fmt: skip


def check_of(*models: ModelCheck) -> Check:
    return Check(
        log="/var/lib/predictions", made=MADE, period=Period(FIRST.isoformat(), LAST.isoformat()),
        false_alarms=1.0, models=models, n_files=312,
    )  # fmt: skip


def whole() -> Check:
    """Return two models: one with alarms, labels and a challenger, one with a run that is gone."""
    one = alarm_of("age", *NAMES[:9])
    several = replace(one, changes=[*one.changes, *alarm_of("workclass", "clerk").changes])
    changed = replace(
        run_of(),
        alarms=[one, replace(several, detector="day")],
        past_alarms=[alarm_of(None, ended="2026-11-30")],
    )
    _, quality = columns(NAMES[:6], 0)
    gone = RunCheck(
        run_id=NEWER, path=None, n_rows=2500, n_requests=2500, n_canary=0,
        first="2026-11-20T08:00:00+00:00", last="2026-11-30T14:00:00+00:00", quality=quality,
        expected=Expected({"roc_auc": 0.71, "accuracy": 0.66, "log_loss": None}),
        left_out=[
            LeftOut("what needs the run", f"run {NEWER} is neither in models nor in outputs"),
            LeftOut("performance", "no row has a label"),
        ],
    )  # fmt: skip
    older = replace(run_of(NAMES[:6], n_changed=0), performance=None, joint=None, left_out=())
    found = check_of(
        model_of("adult", changed, challengers=[CHALLENGE]), model_of("credit", older, gone)
    )
    return replace(found, n_unreadable=2, unreadable=("predictions/date=2026-11-20/a.parquet",))


def odd() -> Check:
    """Return a check in which all names are hostile."""
    changed = replace(
        run_of(ODD_NAMES, ODD_NAMES[:3]), performance=performance_of(ODD_NAMES[0], ODD_NAMES)
    )
    alarms = [alarm_of(name, *ODD_NAMES) for name in ODD_NAMES]
    left_out = [LeftOut(name, name) for name in ODD_NAMES]
    run = replace(changed, run_id=ODD_NAMES[0], path=ODD_NAMES[0], alarms=alarms, left_out=left_out,
                  past_alarms=alarms[:2])  # fmt: skip
    challengers = [
        replace(CHALLENGE, run_id=name, champion=name, left_out=left_out[:2])
        for name in ODD_NAMES[:2]
    ]
    models = [
        replace(model_of(name, run, challengers=challengers), notes=ODD_NAMES)
        for name in (ODD_NAMES[0], *ODD_NAMES[4:6])
    ]
    return replace(
        check_of(*models), log=ODD_NAMES[0], notes=ODD_NAMES, n_unreadable=20, unreadable=ODD_NAMES
    )
