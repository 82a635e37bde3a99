"""Step 5: write what people read of a run: plots, the page, the model card."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts, data
from tabproof.artifacts.run_directory import CONFIG, FOR_PEOPLE, MODEL_CARD, REPORT
from tabproof.config import TrainConfig, command_of
from tabproof.evaluation_result import Evidence
from tabproof.runtime.progress import StepProgress
from tabproof.schema import Schema
from tabproof.search import SearchResult
from tabproof.steps.for_people import ForPeople

if TYPE_CHECKING:
    from tabproof.report.panels import Panels


def publish(
    config: TrainConfig,
    run: artifacts.RunDirectory,
    division: data.Division,
    search: SearchResult,
    proba: NDArray[np.float64],
    evidence: Evidence,
    schema: Schema,
    summary: artifacts.Summary,
    people: ForPeople,
    display: StepProgress,
    files: Mapping[str, bytes],
) -> None:
    """Write the plots, the page and the model card that the configuration selects.

    files : of the exported scorer, if there are some. What cannot be made is left out, and
    recorded in `people`; an error of a disk is raised.
    """
    asked, pictures = config.report, dict[str, str]()
    if asked.plots or asked.page:
        with people.part("plots"):
            # Slow to import: a wrong parameter is reported before that.
            from tabproof.report.plots import Material, draw_plots

            name = f"{artifacts.model_name_of(division.table.name)}, {config.search.name}"
            material = Material(
                evidence=evidence,
                y=division.y_test,
                proba=proba,
                cv_results=search.cv_results,
                scoring=search.scoring,
                name=name,
                estimator=summary.estimator,
            )
            pictures = draw_plots(
                material,
                asked.language,
                guard=people.part,
                on_plot=lambda _name, n_plots: display.begin("plot", n_plots),
            )
    for name, svg in (pictures if asked.plots else {}).items():
        run.write(f"plots/{name}.svg", svg)
    if not (asked.page or asked.model_card):
        return
    from tabproof.report import ReportFacts, render_card, render_report

    facts = ReportFacts(
        evidence=evidence,
        estimator=summary.estimator,
        summary={**json.loads(summary.to_json()), "left_out": dict(people.left_out)},
        candidates=search.cv_results,
        config_yaml=(run.path / CONFIG).read_text(encoding="utf-8"),
        pictures=pictures,
        command=command_of(run.path),
        run_path=str(run.shown_path),
        target=division.table.target,
        files=[*FOR_PEOPLE, MODEL_CARD] if asked.model_card else FOR_PEOPLE,
        schema=schema,
    )
    card, page = None, None
    if asked.model_card:
        with people.part(MODEL_CARD):
            card = render_card(facts, asked.language)
    if card is None:
        facts = replace(facts, files=[name for name in facts.files if name != MODEL_CARD])
    if asked.page:
        facts = replace(
            facts, panels=_make_panels(config, division, proba, evidence, schema, people, files)
        )
        with people.part(REPORT):
            page = render_report(facts, asked.language)
    for name, content in ((REPORT, page), (MODEL_CARD, card)):
        if content is not None:
            run.write(name, content)


def _make_panels(
    config: TrainConfig,
    division: data.Division,
    proba: NDArray[np.float64],
    evidence: Evidence,
    schema: Schema,
    people: ForPeople,
    files: Mapping[str, bytes],
) -> "Panels":
    """Return the panels of the page, which have scripts."""
    from tabproof.evaluation.slices import values_of
    from tabproof.report.panels import Panels
    from tabproof.report.thresholds import make_thresholds
    from tabproof.report.what_if import Rows, make_what_if, step_of

    panels, X_test = Panels(), division.X_test
    with people.part("other thresholds in report.html"):
        groups = {each.column: values_of(X_test[each.column]) for each in evidence.slices}
        found = make_thresholds(evidence, division.y_test, proba, groups, seed=config.seed)
        panels = replace(panels, thresholds=found)
    if config.report.what_if:
        with people.part("what-if form in report.html"):
            step = step_of(len(division.train), X_test.shape[1])
            counted = division.table.X.iloc[division.train[::step]]
            rows = Rows(counted, X_test, division.y_test, proba)
            panels = replace(panels, what_if=make_what_if(schema, evidence, rows, files))
    return panels


def written(config: TrainConfig, people: ForPeople) -> dict[str, str]:
    """Return where the page and the plots are, by the name of the line that says so."""
    paths = {"report": artifacts.REPORT} if config.report.page else {}
    paths |= {"plots": "plots"} if config.report.plots else {}
    return {name: path for name, path in paths.items() if path not in people.left_out}
