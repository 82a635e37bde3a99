"""monitor.html: what a check found, as one file that needs no network and no script."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tabproof import artifacts
from tabproof.errors import UserError, first_line
from tabproof.monitoring import pictures
from tabproof.monitoring.page_panels import (
    alarm_rows,
    answers,
    challenge,
    change_text,
    clearest_change,
    inputs,
    performance,
    short,
    slice_tables,
)
from tabproof.monitoring.result import (
    ALARM,
    CANNOT_TELL,
    FINE,
    MIN_ROWS,
    Check,
    ModelCheck,
    Traffic,
)
from tabproof.report import format as fmt
from tabproof.report.format import Texts
from tabproof.report.page import HERE, make_environment
from tabproof.text import LANGUAGES
from tabproof.web import policy_of

VERDICTS = {FINE: "fine", ALARM: "alarm", CANNOT_TELL: "unclear"}
N_HOURS, MAX_DAYS, MAX_LEFT_OUT, MAX_REASONS = 7 * 24, 400, 40, 3

Row = Mapping[str, Any]


class PageNotWrittenError(UserError):
    """A page that cannot be written; the exit code is none of those of an alarm."""

    template = "the page {path} cannot be written: {reason}"


def write_page(path: Path, check: Check, language: str = LANGUAGES[0]) -> None:
    """Write the page of a check, all at once; raise InvalidValueError, PageNotWrittenError."""
    content = render_check(check, language).encode()
    try:
        artifacts.write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise PageNotWrittenError(path=path, reason=reason) from error


def render_check(check: Check, language: str = LANGUAGES[0]) -> str:
    """Return the page of a check; language : en or ja. Raise InvalidValueError."""
    t, environment = Texts("monitor", language), make_environment(language)
    models = [_model(place, model, check, t) for place, model in enumerate(check.models, 1)]
    style = f"{environment.globals['style']}\n{(HERE / 'monitor.css').read_text(encoding='utf-8')}"
    alarms = [alarm for model in models for alarm in model["alarms"]]
    rate = check.false_alarms
    return environment.get_template(
        "monitor.html"
    ).render(
        t=t,
        sections=(),
        style=Markup(style),  # noqa: S704 - our own
        styles=(),
        policy=Markup(policy_of([])),  # noqa: S704
        scripts=(),
        islands={},
        check=check,
        made=check.made.replace("T", " ")[:16],
        headline=_headline(check, t),
        models=models,
        alarms=alarms,
        past_alarms=[alarm for model in models for alarm in model["past_alarms"]],
        rate=t("alarm.once_a_year") if rate == 1 else t("alarm.rate", rate=fmt.plain(rate)),
        unreadable=", ".join(fmt.in_a_sentence(name) for name in check.unreadable),
        samples={kind: pictures.sample(kind) for kind in ("was", "now", "rows", "part")},
    )


def _headline(check: Check, t: Texts) -> str:
    if not check.models:
        return t("headline.nothing")
    code = check.exit_code
    n = sum(model.exit_code == code for model in check.models)
    n_models = len(check.models)
    key = VERDICTS[code] if code == FINE or n_models == 1 else f"{VERDICTS[code]}_of"
    return t(f"headline.{key}", n=fmt.count(n), n_models=fmt.count(n_models))


def _model(place: int, model: ModelCheck, check: Check, t: Texts) -> Row:
    """Return what is shown of one model; place : from 1, part of ids."""
    key = VERDICTS[model.exit_code]
    sentence, reasons = t(f"state.{key}", **_state(model, t)), list[str]()
    if model.exit_code == CANNOT_TELL:
        reasons = list(dict.fromkeys(_reasons(model)))[:MAX_REASONS]
    warned = model.n_with_warnings / model.n_rows if model.n_rows else None
    n_runs = len(model.runs)
    figures = t(
        "state.figures",
        n_rows=fmt.count(model.n_rows),
        n_requests=fmt.count(model.n_requests),
        warned=short(warned),
        n_runs=t("state.run") if n_runs == 1 else t("state.runs", n=fmt.count(n_runs)),
    )

    def whose(*names: str) -> str:
        """Return the end of captions of tables: of several models, runs or challengers."""
        known = (*([model.model] if len(check.models) > 1 else []), *filter(None, names))
        shown = ", ".join(map(fmt.in_a_sentence, known))
        return t("page.whose", names=shown) if shown else ""

    runs = [
        {
            "id": f"model-{place}-run-{number}",
            "run": run,
            "name": run.run_id[:8],
            "first": run.first.replace("T", " ")[:16],
            "last": run.last.replace("T", " ")[:16],
            "whose": whose(run.run_id[:8] if n_runs > 1 else ""),
            "performance": performance(run, t),
            "inputs": inputs(run, t),
            "answers": answers(run, t),
            "slices": slice_tables(run, t),
        }
        # The newest run is what answers now.
        for number, run in enumerate(reversed(model.runs), 1)
    ]
    left_out = list(_left_out(model, t))
    return {
        "id": f"model-{place}",
        "name": model.model,
        "key": key,
        "sentence": sentence,
        "reasons": reasons,
        "figures": figures,
        "notes": model.notes,
        "alarms": [row for run in model.runs for row in alarm_rows(run.alarms, model, run, t)],
        "past_alarms": [
            row for run in model.runs for row in alarm_rows(run.past_alarms, model, run, t)
        ],
        "runs": runs,
        "whose": whose(),
        "challengers": [
            {**challenge(each, t), "whose": whose(each.run_id[:8], each.champion[:8])}
            for each in model.challengers
        ],
        "traffic": _traffic(model, check, t) if model.hours else None,
        "left_out": left_out[:MAX_LEFT_OUT],
        "n_left_out": len(left_out),
    }


def _state(model: ModelCheck, t: Texts) -> dict[str, Any]:
    if model.exit_code == ALARM:
        change, began = clearest_change(model.alarms)
        n = fmt.count(len(model.alarms))
        return {"n": n, "change": change_text(change, t), "began": began}
    return {"n_days": fmt.count(max((run.days_watched for run in model.runs), default=0))}


def _reasons(model: ModelCheck) -> Iterator[str]:
    """Yield the reasons why it is not known whether something has changed."""
    if not model.runs:
        yield from model.notes
    for run in model.runs:
        if not run.is_judged and (run.n_rows >= MIN_ROWS or len(model.runs) == 1):
            # The first one is why; the others follow from it.
            yield from (each.reason for each in run.left_out[:1])
    small = [run for run in model.runs if run.n_rows < MIN_ROWS]
    if len(small) == len(model.runs) > 1:
        yield from (each.reason for run in small for each in run.left_out[:1])


def _left_out(model: ModelCheck, t: Texts) -> Iterator[Row]:
    for run in model.runs:
        whose = t("left_out.run", run=fmt.in_a_sentence(run.run_id[:8]))
        yield from ({"whose": whose, **vars(each)} for each in run.left_out)
    for each in model.challengers:
        whose = t("left_out.challenger", run=fmt.in_a_sentence(each.run_id[:8]))
        yield from ({"whose": whose, **vars(found)} for found in each.left_out)


# --- Traffic.


def _traffic(model: ModelCheck, check: Check, t: Texts) -> Row:
    """Return pictures by day and by hour; days and hours without a row are in them."""
    last = date.fromisoformat(check.period.last)
    first = max(date.fromisoformat(check.period.first), last - timedelta(days=MAX_DAYS - 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    by_day = {each.at: each for each in model.days}
    shown = [by_day.get(day.isoformat(), Traffic(day.isoformat(), 0, 0, 0)) for day in days]
    n_days = sum(each.n_rows > 0 for each in shown)
    most = max(shown, key=lambda each: each.n_rows)
    of_days = t("traffic.days", n_rows=fmt.count(most.n_rows), day=most.at)
    bars = [(each.at[5:], each.n_rows, each.n_with_warnings) for each in shown]
    return {
        "heading": t(
            "traffic.panel",
            n_rows=fmt.count(model.n_rows),
            n_days=fmt.count(n_days),
            n_all=fmt.count(len(shown)),
        ),
        "pictures": [
            {"svg": pictures.count_bars(bars, of_days), "caption": of_days},
            {
                "svg": pictures.count_bars(_hours(model, check), t("traffic.hours")),
                "caption": t("traffic.hours"),
            },
        ],
        "days": list(reversed(shown)),
    }


def _hours(model: ModelCheck, check: Check) -> list[tuple[str, int, int]]:
    """Return the hours up to the check, each with its rows; midnight has a name."""
    by_hour = {each.at: each for each in model.hours}
    end = datetime.fromisoformat(check.made)
    found = []
    for back in reversed(range(N_HOURS)):
        at = (end - timedelta(hours=back)).isoformat()[:13]
        each = by_hour.get(at, Traffic(at, 0, 0, 0))
        found.append((at[5:10] if at.endswith("T00") else "", each.n_rows, each.n_with_warnings))
    return found
