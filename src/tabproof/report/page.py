"""report.html: one file that needs no network and runs no script."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tabproof.evaluation_result import Estimate
from tabproof.report import sections
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
from tabproof.report.sections import metric_name

HERE = Path(__file__).parent
SECTIONS = (
    "headline", "findings", "metrics", "decision", "pictures", "slices", "importance", "learning",
    "repeated", "candidates", "limits", "configuration", "origin", "repeat", "files",
)  # fmt: skip
# Plots by the section they belong to; the others are in "pictures".
PLACED = {
    "slices": ("slices",),
    "importance": ("importance", "dependence"),
    "learning": ("learning_curve",),
    "candidates": ("search",),
}


def render_report(facts: ReportFacts, language: str) -> str:
    """Write the page; raises LanguageNotOfferedError."""
    t = Texts("report", language)
    page = make_environment(language).get_template("report.html")
    content = _content(facts, t)
    optional = ("pictures", "slices", "importances", "has_learning", "repeated", "files")
    empty = {name.removeprefix("has_") for name in optional if not content[name]}
    names = [name for name in SECTIONS if name not in empty and f"{name}s" not in empty]
    return page.render(sections=names, **content)


@cache
def make_environment(language: str) -> Environment:
    """Make the environment of HTML templates, which escapes all values."""
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
    """Write the value of an estimate."""
    return decimal(estimate.value, n_decimals(estimate))


def interval_text(t: Texts, estimate: Estimate, key: str = "headline.interval_of") -> str:
    """Write the interval of an estimate; nothing where there is none."""
    if estimate.interval is None:
        return ""
    low, high = (decimal(end, n_decimals(estimate)) for end in estimate.interval)
    return t(key, low=low, high=high)


def _content(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    evidence = facts.evidence
    placed = {name for names in PLACED.values() for name in names}
    free = [name for name in facts.pictures if name not in placed]
    return {
        "summary": facts.summary,
        "dataset": facts.dataset,
        "evidence": evidence,
        "predicts": sections.predicts(facts, t),
        "positive": in_a_sentence(evidence.labels[1]) if facts.is_binary else None,
        "main": _main(facts, t),
        "meanings": list(sections.meanings(facts, t)),
        "cautions": list(sections.cautions(facts, t)),
        "tiles": sections.tiles(facts),
        "findings": sections.findings(facts, t.language),
        "is_checked": facts.is_checked,
        "metrics": sections.metric_rows(evidence.metrics, t),
        "decision": sections.decision(facts, t),
        "pictures": _pictures(facts.pictures, free, t),
        "placed": {key: _pictures(facts.pictures, names, t) for key, names in PLACED.items()},
        "slices": sections.slice_tables(facts, t),
        "metric": metric_name(evidence.metric, t),
        "importances": sections.importance_rows(evidence.importances),
        "n_unimportant": max(len(evidence.importances) - sections.MAX_COLUMNS, 0),
        "has_learning": bool(evidence.learning_curve),
        "learning": sections.learning(facts, t),
        "undefined_folds": sections.undefined_folds(facts, t.language),
        "repeated": sections.repeated_rows(evidence.repeated, t),
        "candidates": sections.best_candidates(facts.candidates),
        "limits": list(sections.limits(facts, t)),
        "config_yaml": shown_lines(facts.config_yaml),
        "origin": sections.origin(facts, t),
        "commands": sections.commands(facts),
        "files": sections.files(facts, t),
    }


def _pictures(plots: Mapping[str, str], names: Sequence[str], t: Texts) -> list[dict[str, str]]:
    """Return those plots that were drawn, with their captions."""
    keys = {name: f"pictures.{name}" for name in names if name in plots}
    return [
        {"svg": Markup(plots[name]), "caption": t(key) if key in t else shown(name)}  # noqa: S704
        for name, key in keys.items()
    ]


def _main(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    name, estimate = facts.main
    span = span_of(name)
    ends = [plain(end) for end in span or ()]
    if span is not None and name in CHANCE:
        span = (CHANCE[name], span[1])
        words = (t("headline.chance"), t("headline.perfect"))
        ends = [f"{end:g} {word}" for end, word in zip(span, words, strict=True)]
    return {
        "name": metric_name(name, t),
        "estimate": estimate,
        "interval": interval_text(t, estimate, "headline.interval"),
        "bar": bar(estimate, span),
        "ends": ends,
    }
