"""report.html: one file that needs no network and runs no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tabproof.evaluation_result import Estimate
from tabproof.report import sections as tables
from tabproof.report import sections as told
from tabproof.report.facts import ReportFacts
from tabproof.report.format import (
    CHANCE,
    bar,
    count,
    decimal,
    in_a_sentence,
    n_decimals,
    plain,
    shown,
    shown_lines,
    span_of,
)
from tabproof.report.language import Texts
from tabproof.report.sections import (
    best_candidates,
    cautions,
    limits,
    meanings,
    metric_name,
    replay_command,
    train_command,
)

# --- Pictures of a run on its page: each where it is spoken of, the others together.

# By section that has a table too.
PLACED = {
    "slices": ("slices",),
    "importance": ("importance", "dependence"),
    "learning": ("learning_curve",),
    "candidates": ("search",),
}


@dataclass(frozen=True)
class Picture:
    """SVG, and how to read it."""

    svg: Markup
    caption: str


def free_pictures(pictures: Mapping[str, str], t: Texts) -> list[Picture]:
    """Give those that have no other section, in their order."""
    placed = {name for names in PLACED.values() for name in names}
    return _some(pictures, [name for name in pictures if name not in placed], t)


def placed_pictures(pictures: Mapping[str, str], t: Texts) -> dict[str, list[Picture]]:
    """Give those of sections, by section; fewer where they were not drawn."""
    return {section: _some(pictures, names, t) for section, names in PLACED.items()}


def _some(pictures: Mapping[str, str], names: Sequence[str], t: Texts) -> list[Picture]:
    return [
        Picture(_inline(pictures[name]), _caption(name, t)) for name in names if name in pictures
    ]


def _inline(svg: str) -> Markup:
    # What stands before the element belongs to a file of its own, not into a page.
    return Markup(svg[max(svg.find("<svg"), 0) :])  # noqa: S704


def _caption(name: str, t: Texts) -> str:
    return t(f"pictures.{name}") if f"pictures.{name}" in t else shown(name)


HERE = Path(__file__).parent
SECTIONS = (
    "headline", "findings", "metrics", "decision", "pictures", "slices", "importance", "learning",
    "repeated", "candidates", "limits", "configuration", "origin", "repeat", "files",
)  # fmt: skip


def render_report(facts: ReportFacts, language: str) -> str:
    """Write the page; raises LanguageNotOfferedError."""
    t = Texts("report", language)
    page = make_environment(language).get_template("report.html")
    content = _content(facts, t)
    empty = {name for name in ("pictures", "slices", "importance", "files") if not content[name]}
    if not facts.evidence.learning_curve:
        empty.add("learning")
    if facts.evidence.repeated is None:
        empty.add("repeated")
    sections = [name for name in SECTIONS if name not in empty]
    return page.render(sections=sections, **content)


@cache
def make_environment(language: str) -> Environment:
    """Make what fills in templates of this package; all that they are given is escaped."""
    t = Texts("report", language)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["t"] = t
    environment.globals["style"] = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    environment.filters.update(
        value=value_text,
        interval=partial(interval_text, t),
        count=count,
        decimal=decimal,
        plain=plain,
        shown=shown,
        sentence=in_a_sentence,
    )
    return environment


def value_text(estimate: Estimate) -> str:
    """Write the number itself."""
    return decimal(estimate.value, n_decimals(estimate))


def interval_text(t: Texts, estimate: Estimate, key: str = "headline.interval_of") -> str:
    """Write its interval; nothing where there is none."""
    if estimate.interval is None:
        return ""
    decimals = n_decimals(estimate)
    low, high = (decimal(end, decimals) for end in estimate.interval)
    return t(key, low=low, high=high)


def _content(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    evidence = facts.evidence
    return {
        "summary": facts.summary,
        "dataset": facts.dataset,
        "evidence": evidence,
        "predicts": told.predicts(facts, t),
        "positive": in_a_sentence(evidence.labels[1]) if facts.is_binary else None,
        "main": _main(facts, t),
        "meanings": list(meanings(facts, t)),
        "cautions": list(cautions(facts, t)),
        "tiles": told.tiles(facts),
        "findings": told.findings(facts, t.language),
        "is_checked": facts.is_checked,
        "metrics": tables.metric_rows(evidence.metrics, t),
        "decision": told.decision(facts, t),
        "pictures": free_pictures(facts.pictures, t),
        "placed": placed_pictures(facts.pictures, t),
        "slices": tables.slice_tables(facts, t),
        "judged_by": metric_name(evidence.metric, t),
        "importance": bool(evidence.importances),
        "importances": tables.importance_rows(evidence.importances),
        "n_unimportant": max(len(evidence.importances) - tables.MOST_COLUMNS, 0),
        "learning": told.learning(facts, t),
        "undefined_folds": told.undefined_folds(facts, t.language),
        "repeated": tables.repeated_rows(evidence.repeated, t),
        "candidates": best_candidates(facts.candidates),
        "limits": list(limits(facts, t)),
        "config_yaml": shown_lines(facts.config_yaml),
        "origin": told.origin(facts, t),
        "train_command": train_command(facts),
        "replay_command": replay_command(facts),
        "files": told.files(facts, t),
    }


def _main(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    name, estimate = facts.main
    span = span_of(name)
    ends = None
    if span is not None and name in CHANCE:
        span = (CHANCE[name], span[1])
        ends = [f"{end:g} {t(word)}" for end, word in zip(span, _END_WORDS, strict=True)]
    elif span is not None:
        ends = [plain(end) for end in span]
    return {
        "name": metric_name(name, t),
        "estimate": estimate,
        "interval": interval_text(t, estimate, "headline.interval"),
        "bar": bar(estimate, span),
        "ends": ends,
    }


_END_WORDS = ("headline.chance", "headline.perfect")
