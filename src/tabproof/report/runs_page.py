"""The page of all runs, one file: what a script shows, and without scripts the newest runs."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tabproof.report import format as fmt
from tabproof.report.format import Texts
from tabproof.report.page import HERE, Row, make_environment
from tabproof.web import as_json, policy_of, read_script, read_texts

# Rows of the table that is there without scripts.
MAX_ROWS = 50
SCRIPTS = ("plot", "runs")
# Of a metric, and of a cause.
DECIMALS, MAX_CAUSE = 4, 300
FINISHED = ("complete", "partial")
# Those that the table has a text for.
LINKED = ("report.html", "train.log", "model_card.md")


def render_runs(content: Mapping[str, Any], curves: str, best: Mapping[str, int]) -> str:
    """Write the page; raises InvalidValueError.

    content: as `runs.page_data` makes it. curves: base64. best: by dataset, the place of its best
    run in the content.
    """
    language = content["language"]
    t, shared = Texts("runs", language), make_environment(language)
    scripts = [read_script(name) for name in SCRIPTS]
    islands = {"texts": read_texts(language, "common", "runs"), "runs": content}
    runs, states = content["runs"], Counter(run["state"] for run in content["runs"])
    style = str(shared.globals["style"]) + (HERE / "runs.css").read_text(encoding="utf-8")
    return shared.get_template(
        "runs.html"
    ).render(
        t=t,
        sections=(),
        style=Markup(style),  # noqa: S704 - our own
        policy=policy_of(scripts),
        # Neither can end its element.
        scripts=[Markup(each) for each in scripts],  # noqa: S704
        islands={name: Markup(as_json(each)) for name, each in islands.items()},  # noqa: S704
        curves=Markup(curves),  # noqa: S704
        place=content["place"],
        written=content["written"].replace("T", " ")[:16],
        n_runs=len(runs),
        n_finished=sum(states[state] for state in FINISHED),
        states={state: n for state, n in states.items() if state not in FINISHED},
        n_of_dataset=Counter(run["dataset"] for run in runs),
        best=[(dataset, _row(runs[place], content, t)) for dataset, place in best.items()],
        newest=[_row(run, content, t) for run in runs[:MAX_ROWS]],
    )


def _row(run: Mapping[str, Any], content: Mapping[str, Any], t: Texts) -> Row:
    """Return what the table shows of a run: its first metric, and its files."""
    named = zip(content["metrics"], run["metrics"], run["low"], run["high"], strict=True)
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
        "is_finished": run["state"] in FINISHED,
        "links": [(text, f"{run['href']}/{name}") for text, name in links],
        "cause": run["cause"] and fmt.shown(run["cause"], MAX_CAUSE),
        "served_as": [each["name"] for each in run["promoted"] if each["served"]],
    }
