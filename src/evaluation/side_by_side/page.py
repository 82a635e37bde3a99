"""The page of many runs: one file that needs no network and runs no script."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import FileSystemLoader
from markupsafe import Markup

from src.evaluation.language import Texts
from src.evaluation.plots.palette import DASHES, SERIES, variable
from src.evaluation.report.page import HERE as SHARED
from src.evaluation.report.page import make_environment
from src.evaluation.side_by_side.facts import Failure, Sweep
from src.evaluation.side_by_side.overlays import MOST_CURVES
from src.evaluation.side_by_side.section import Section

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
        samples=[_sample(number) for number in range(MOST_CURVES)],
    )


def _state(failure: Failure, t: Texts) -> str:
    key = f"state.{failure.state.replace(' ', '_')}"
    return t(key) if key in t else failure.state


def _sample(number: int) -> tuple[str, str]:
    """Give colour and dashes of a curve, as SVG has them."""
    dashes = DASHES[number]
    pattern = "" if isinstance(dashes, str) else " ".join(str(each * 1.8) for each in dashes[1])
    return variable(SERIES[number]), pattern
