"""The parts of pages that have scripts: "What if", other thresholds, and values of plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tabproof import web
from tabproof.report.format import Texts
from tabproof.report.what_if import MAX_PACKED, LeftOut, WhatIf

# Names of metrics that the panel of thresholds shows.
METRICS = ("precision", "recall", "specificity", "f1", "accuracy")
# By the name of a section, the built script that fills it.
SCRIPTS = {"threshold": "thresholds", "what_if": "what_if"}


@dataclass(frozen=True)
class Panels:
    """The content of the panels; None where there is none."""

    thresholds: Mapping[str, Any] | None = None
    what_if: WhatIf | LeftOut | None = None


def page_parts(panels: Panels, t: Texts, *, has_plots: bool) -> dict[str, Any]:
    """Return what a template needs: texts and data of scripts, scripts, styles and policy.

    t: texts of the report. has_plots: whether the page has plots, whose values a script shows.
    """
    data: dict[str, Any] = {}
    if panels.thresholds is not None:
        titles = {name: t.metric(name) for name in METRICS}
        data["threshold"] = dict(panels.thresholds) | {"titles": titles}
    no_what_if = ""
    if isinstance(panels.what_if, LeftOut):
        size, limit = (f"{n / 1e6:.1f}" for n in (panels.what_if.n_characters, MAX_PACKED))
        no_what_if = t(f"what_if.{panels.what_if.reason}", size=size, limit=limit)
    elif panels.what_if is not None:
        data["what_if"] = panels.what_if.files
    names = [SCRIPTS[name] for name in data]
    # It has the style of all controls.
    styles = [*dict.fromkeys(["what_if", *names])] if names else []
    islands = {f"{name}-data": content for name, content in data.items()}
    with_texts = list(data)
    if has_plots:
        names, styles = [*names, "hover"], [*styles, "hover"]
        with_texts.append("hover")
    for name in with_texts:
        islands[f"{name}-texts"] = web.read_texts(t.language, "common", name)
    scripts = list(map(web.read_script, names))
    return {
        "islands": {name: Markup(web.as_json(each)) for name, each in islands.items()},  # noqa: S704
        "scripted": list(data),
        "no_what_if": no_what_if,
        "scripts": [Markup(script) for script in scripts],  # noqa: S704
        "styles": [Markup(web.read_style(name)) for name in styles],  # noqa: S704
        "policy": Markup(web.policy_of(scripts)),  # noqa: S704
    }
