"""The page of a run: report.html, one file that needs no network."""

import html
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tabproof.evaluation_result import Estimate
from tabproof.report import format as fmt
from tabproof.report.columns import MAX_SHOWN, column_rows, treatments
from tabproof.report.facts import (
    ReportFacts,
    alarms,
    cautions,
    commands,
    decision,
    finding_text,
    learning,
    limits,
    meanings,
    metric_rows,
    origin,
    row_time,
    slice_table,
)
from tabproof.report.format import Texts
from tabproof.report.model import (
    baseline_rows,
    best_candidates,
    held_out_rows,
    member_rows,
    model_title,
)
from tabproof.report.panels import Panels, page_parts

HERE = Path(__file__).parent
SECTIONS = (
    "headline", "model", "findings", "columns", "metrics", "decision", "threshold", "what_if",
    "pictures", "slices", "importance", "learning", "repeated", "candidates", "limits",
    "configuration", "origin", "repeat", "files",
)  # fmt: skip
# Plots by the section they belong to; the others are in "pictures".
PLACED = {
    "slices": ("slices",),
    "importance": ("importance", "dependence"),
    "learning": ("learning_curve",),
    "candidates": ("search",),
}
MAX_COLUMNS, MAX_LABELS = 15, 6


def _make_bytecode_cache(kind: str) -> FileSystemBytecodeCache | None:
    """Keep compiled templates where Python keeps the compiled modules; None where it keeps none.

    Compiling takes 0.2 s. kind : of the environment, whose options change what is compiled.
    """
    directory = Path(cache_from_source(__file__)).parent
    if sys.dont_write_bytecode or not os.access(directory, os.W_OK):
        return None
    # Jinja compares the source of a template alone: the options are in this module.
    depends_on = Path(__file__).read_bytes() + version("jinja2").encode()
    options = sha256(depends_on).hexdigest()[:16]
    return FileSystemBytecodeCache(str(directory), f"{kind}.{options}.%s.jinja")


@cache
def make_environment(language: str, *, markdown: bool = False) -> Environment:
    """Make the environment of templates: of HTML, or of Markdown, which escape all values."""
    t = Texts("report", language)

    def interval(estimate: Estimate, key: str = "headline.interval_of") -> str:
        if estimate.interval is None:
            return ""
        low, high = (fmt.decimal(end, fmt.n_decimals(estimate)) for end in estimate.interval)
        return t(key, low=low, high=high)

    environment = Environment(
        loader=FileSystemLoader(HERE),
        bytecode_cache=_make_bytecode_cache("markdown" if markdown else "html"),
        # Escaping for Markdown covers HTML.
        autoescape=not markdown,  # noqa: S701
        finalize=fmt.escaped if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=markdown,
    )
    environment.globals["t"] = t
    environment.globals["style"] = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    filters = ("bar", "count", "decimal", "plain", "shown", "fenced")
    environment.filters |= {name: getattr(fmt, name) for name in filters} | {
        "value": lambda estimate: fmt.decimal(estimate.value, fmt.n_decimals(estimate)),
        "interval": interval,
        "labelled": labelled,
        # Names such as hist_gradient_boosting in a narrow column.
        "breakable": lambda text: escape(text).replace("_", Markup("_<wbr>")),
        "sentence": fmt.in_a_sentence,
    }
    return environment


def shared_content(facts: ReportFacts, t: Texts) -> dict[str, Any]:
    """Return what both pages show."""
    evidence, (name, estimate) = facts.evidence, facts.main
    quoted = [t("headline.quoted", text=fmt.in_a_sentence(each)) for each in evidence.labels]
    labels = t("headline.or").join(quoted)
    if len(quoted) > MAX_LABELS:
        more = t("headline.more_labels", n_labels=len(quoted))
        labels = ", ".join(quoted[:MAX_LABELS]) + more
    predicts = t("headline.predicts_one_of", labels=labels)
    if facts.target is not None:
        target = fmt.in_a_sentence(facts.target)
        predicts = t("headline.predicts", target=target, labels=labels)
    return {
        "facts": facts,
        "labels": labels,
        "predicts": predicts,
        "n_columns": len(facts.summary["data"]["columns"]) - 1,
        "main": {"name": t.metric(name), "estimate": estimate},
        "meanings": list(meanings(facts, t)),
        "metrics": metric_rows(evidence.metrics, t),
        "decision": decision(facts, t),
        "slices": [slice_table(part, facts, t) for part in evidence.slices],
        "model": model_title(facts.estimator, t),
        "members": member_rows(facts.estimator),
        "candidates": best_candidates(facts.candidates, facts.estimator, evidence, facts.row_times),
        "row_time": row_time(facts, t),
        "limits": list(limits(facts, t)),
        "alarms": alarms(facts, t.language),
        "baselines": baseline_rows(evidence, t),
        "treatments": list(treatments(facts.schema, t)),
        "origin": origin(facts, t),
        "commands": commands(facts),
    }


def render_report(facts: ReportFacts, language: str) -> str:
    """Write the page; raises InvalidValueError."""
    t, evidence = Texts("report", language), facts.evidence
    name, estimate = facts.main
    span = fmt.SPANS.get(name, fmt.SHARES)
    ends = [fmt.plain(end) for end in span or ()]
    if name == "roc_auc":
        # The only metric for which chance does not depend on the data.
        span, ends = (0.5, 1.0), [f"0.5 {t('headline.chance')}", f"1 {t('headline.perfect')}"]
    shared = shared_content(facts, t)
    sizes = {
        "rows_learned": evidence.n_train,
        "rows_held_out": evidence.n_test,
        "columns": shared["n_columns"],
        "candidates": facts.summary["n_candidates"],
    }
    if facts.is_checked or facts.findings:
        sizes["findings"] = len(facts.findings)
    placed = {name for names in PLACED.values() for name in names}
    known = [each for each in evidence.importances if each.drop.value is not None]
    # Without one that is defined, the table says so of each column.
    known = known or list(evidence.importances)
    important = sorted(known, key=lambda each: -(each.drop.value or 0.0))[:MAX_COLUMNS]
    # The axis of their bars.
    drops = fmt.common_span([Estimate(0.0), *(each.drop for each in important)])
    keys = {name: f"files.{name.rstrip('/').replace('.', '_')}" for name in facts.files}
    repeated = evidence.repeated
    content = {
        **shared,
        "positive": fmt.in_a_sentence(evidence.labels[1]) if evidence.is_binary else None,
        "bar": fmt.bar(estimate, span),
        "ends": ends,
        "cautions": list(cautions(facts, t)),
        "tiles": {name: fmt.count(number) for name, number in sizes.items()},
        "findings": [finding_text(each, language) for each in facts.findings],
        "pictures": _pictures(facts, [name for name in facts.pictures if name not in placed], t),
        "placed": {key: _pictures(facts, names, t) for key, names in PLACED.items()},
        "metric": t.metric(evidence.metric),
        "importances": important,
        "drops": drops,
        "n_unimportant": len(known) - len(important),
        "n_not_computed": len(evidence.importances) - len(known),
        "columns": column_rows(facts.schema, t),
        "n_more_columns": 0 if facts.schema is None else len(facts.schema.columns) - MAX_SHOWN,
        "learning": learning(facts, t),
        "held_out": held_out_rows(evidence, facts.estimator, t, facts.row_times),
        "undefined_folds": finding_text(facts.finding_of("undefined_folds"), language),
        "repeated": repeated and metric_rows(repeated.metrics, t, repeated.standard_errors),
        "config_yaml": "\n".join(map(fmt.marked, facts.config_yaml.split("\n"))),
        "files": [(name, f"./{quote(name)}", t.get(key, "")) for name, key in keys.items()],
        **page_parts(facts.panels or Panels(), t, has_plots=bool(facts.pictures)),
    }
    optional = {name: content[name] for name in ("pictures", "slices", "repeated", "files")}
    optional |= {"importance": important, "learning": evidence.learning_curve}
    optional |= {"columns": facts.schema, "threshold": "threshold" in content["scripted"]}
    optional |= {"what_if": "what_if" in content["scripted"] or content["no_what_if"]}
    names = [name for name in SECTIONS if optional.get(name, True)]
    return make_environment(language).get_template("report.html").render(sections=names, **content)


def _pictures(facts: ReportFacts, names: Sequence[str], t: Texts) -> list[dict[str, str]]:
    """Return those plots that were drawn, with their captions."""
    drawn = {name: facts.pictures[name] for name in names if name in facts.pictures}
    return [
        {"svg": Markup(svg), "caption": t.get(f"pictures.{name}", fmt.shown(name))}  # noqa: S704
        for name, svg in drawn.items()
    ]


# --- Tables whose rows stack on a narrow screen: each cell is labelled with its column.

# A style that shows rows as blocks takes the semantics of a table from some browsers, so elements
# state their roles; the headings, which are then out of sight, are repeated as labels of cells.
HEADING = re.compile(r'<th scope="col"[^>]*>(.*?)</th>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
PART = re.compile(r"<(thead|tbody|tr|th|td)\b([^>]*)>")
ROLES = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}


def labelled(rows: Markup) -> Markup:
    """Return the head and the body of a table, with roles and a label for each cell of the body.

    rows: rendered by our own templates, a cell for each heading in every row.
    """
    headings = [
        " ".join(html.unescape(TAG.sub(" ", each)).split()) for each in HEADING.findall(rows)
    ]
    column = 0

    def with_role(part: re.Match[str]) -> str:
        nonlocal column
        name, attributes = part.groups()
        if name in ("thead", "tbody", "tr"):
            column = 0
            return f'<{name}{attributes} role="{ROLES[name]}">'
        if 'scope="col"' in attributes:
            return f'<th{attributes} role="columnheader">'
        label, column = headings[column], column + 1
        role = ROLES.get(name, "rowheader")
        data = f' data-label="{html.escape(label)}"' if label else ""
        return f'<{name}{attributes} role="{role}"{data}>'

    return Markup(PART.sub(with_role, rows))  # noqa: S704 - labels are escaped
