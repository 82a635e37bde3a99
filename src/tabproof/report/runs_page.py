"""The page of all runs in one file: data for its script, and without scripts the newest runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tabproof.report import format as fmt
from tabproof.report.facts import Row
from tabproof.report.format import Texts
from tabproof.report.page import HERE, make_environment
from tabproof.web import as_json, policy_of, read_script, read_texts

# Rows of the table that is there without scripts.
MAX_ROWS = 50
SCRIPTS = ("plot", "runs")
# Decimals of a metric, and maximum characters of a cause.
DECIMALS, MAX_CAUSE = 4, 200
FINISHED = ("complete", "partial")
# Those that the table has a text for.
LINKED = ("report.html", "train.log", "model_card.md")


@dataclass(frozen=True)
class RunsContent:
    """The content of the page of all runs.

    head, runs: one JSON object, in which every run is a text of `as_json`, the newest first.
    curves: base64. best: by dataset, the place of its best run among the runs.
    """

    head: Mapping[str, Any]
    runs: Sequence[str]
    curves: str
    n_by_state: Mapping[str, int]
    n_by_dataset: Mapping[str, int]
    best: Mapping[str, int]


def render_runs(content: RunsContent) -> str:
    """Write the page; raises InvalidValueError."""
    head, language = content.head, content.head["language"]
    t, shared = Texts("runs", language), make_environment(language)
    scripts = [read_script(name) for name in SCRIPTS]
    texts = as_json(read_texts(language, "common", "runs"))
    runs = f'{as_json(head)[:-1]},"runs":[{",".join(content.runs)}]}}'
    style = str(shared.globals["style"]) + (HERE / "runs.css").read_text(encoding="utf-8")

    def row(place: int) -> Row:
        return _row(json.loads(content.runs[place]), head["metrics"], t)

    return shared.get_template(
        "runs.html"
    ).render(
        t=t,
        sections=(),
        style=Markup(style),  # noqa: S704 - our own
        styles=(),
        policy=Markup(policy_of(scripts)),  # noqa: S704
        scripts=[Markup(each) for each in scripts],  # noqa: S704
        islands={"texts": Markup(texts), "runs": Markup(runs)},  # noqa: S704
        curves=Markup(content.curves),  # noqa: S704
        place=head["place"],
        written=head["written"].replace("T", " ")[:16],
        n_runs=len(content.runs),
        n_finished=sum(content.n_by_state.get(state, 0) for state in FINISHED),
        n_by_dataset=content.n_by_dataset,
        best=[(dataset, row(place)) for dataset, place in content.best.items()],
        newest=[row(place) for place in range(min(len(content.runs), MAX_ROWS))],
    )


def _row(run: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], t: Texts) -> Row:
    """Return a row of the table: the first metric of a run, and its files."""
    named = zip(metrics, run["metrics"], run["low"], run["high"], strict=True)
    first = next((each for each in named if each[1] is not None), None)
    value, ends, metric = fmt.NOTHING, None, None
    if first is not None:
        metric, value = first[0]["title"], fmt.decimal(first[1], DECIMALS)
        if None not in first[2:]:
            ends = [fmt.decimal(end, DECIMALS) for end in first[2:]]
    links = [(t(f"file.{name.replace('.', '_')}"), name) for name in LINKED if name in run["files"]]
    return {
        **run,
        "metric": metric,
        "value": value,
        "ends": ends,
        "state_text": t.get(f"state.{run['state'].replace(' ', '_')}", run["state"]),
        "is_plain": run["state"] == "complete",
        "links": [(text, f"{run['href']}/{name}") for text, name in links],
        "cause": run["cause"] and fmt.shown(run["cause"], MAX_CAUSE),
        "served_as": [each["name"] for each in run["promoted"] if each["served"]],
    }
