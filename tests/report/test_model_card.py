"""model_card.md as hubs read it: metadata in YAML, then Markdown in which names stay text."""

import re
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tabproof.evaluation_result import Estimate
from tabproof.report import ReportFacts, render_card
from tabproof.report.format import escaped, fenced
from tabproof.text import LANGUAGES
from tests.report.making import ODD_NAMES, ensemble_of, evidence_of, facts_of, slice_of, summary_of

# As the hub and GitHub read it: with tables, and HTML left in.
MARKDOWN = MarkdownIt("commonmark").enable("table")


def parts(card: str) -> tuple[dict[str, Any], str]:
    start, metadata, text = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(metadata), text


def odd_facts() -> ReportFacts:
    return facts_of(
        evidence_of(ODD_NAMES[5:7], slices=[slice_of(name, 2, ODD_NAMES) for name in ODD_NAMES]),
        summary=summary_of(dataset="'x': [\"y\"] # ---\n---\nz: {", best_params={"a|b": "```"}),
        estimator=ensemble_of(None, None, names=["a|b", "```"]),
        target=ODD_NAMES[0],
        command=["python", "-m", "src.train", "dataset.name=```\n# title"],
        run_path="outputs/```",
    )


def test_metadata_has_what_the_hub_specifies() -> None:
    metadata, _ = parts(render_card(facts_of(), "en"))
    assert metadata["language"] == "en"
    assert metadata["library_name"] == "sklearn"
    assert metadata["pipeline_tag"] == "tabular-classification"
    (model,) = metadata["model-index"]
    (result,) = model["results"]
    assert result["task"]["type"] == "tabular-classification"
    assert {"type", "name"} <= result["dataset"].keys()
    assert result["metrics"][0] == {
        "type": "roc_auc",
        "name": "ROC-AUC",
        "value": 0.7889,
        "args": {"interval_95": [0.7093, 0.8513]},
    }
    assert [metric["type"] for metric in result["metrics"]] == metadata["metrics"]


def test_a_metric_that_is_not_defined_is_no_result() -> None:
    metrics = {"roc_auc": Estimate(None), "accuracy": Estimate(0.5)}
    metadata, _ = parts(render_card(facts_of(evidence_of(metrics=metrics)), "en"))
    assert metadata["metrics"] == ["accuracy"]
    nothing, _ = parts(render_card(facts_of(evidence_of(metrics={})), "en"))
    assert "model-index" not in nothing


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("make", [facts_of, odd_facts])
def test_names_are_neither_markup_nor_metadata(make: Any, language: str) -> None:
    metadata, text = parts(render_card(make(), language))
    assert set(metadata) == {
        "language", "library_name", "pipeline_tag", "tags", "metrics", "model-index",
    }  # fmt: skip
    tokens = MARKDOWN.parse(text)
    inner = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in [*tokens, *inner]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "em_open", "hr"}
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    _, plain = parts(render_card(facts_of(), language))
    assert headings == [t.tag for t in MARKDOWN.parse(plain) if t.type == "heading_open"]
    assert sum(token.type == "fence" for token in tokens) == 5


def test_rows_of_a_table_have_the_cells_of_its_head() -> None:
    _, text = parts(render_card(odd_facts(), "en"))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > len(ODD_NAMES) ** 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5, 6}


def test_the_threshold_in_use_is_in_the_code() -> None:
    assert "# the second label above 0.1667" in render_card(facts_of(), "en")
    assert "the second label above" not in render_card(facts_of(evidence_of(("a", "b", "c"))), "en")


def test_limits_name_what_was_not_tested() -> None:
    card = render_card(facts_of(evidence_of(slices=(), calibration="none")), "en")
    for words in ("come from the same table", "No groups of rows", "were not calibrated"):
        assert words in card
    assert "sex = c" in render_card(facts_of(), "en")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_escaped_text_is_read_as_it_was(text: str) -> None:
    (_, inline, _) = MARKDOWN.parse(f"- x {escaped(text)}")[2:5]
    read = "".join(child.content for child in inline.children or ())
    assert read == f"x {' '.join(text.split())}".strip()


@given(st.text("`~\n a", max_size=30))
def test_code_cannot_end_its_fence(code: str) -> None:
    tokens = MARKDOWN.parse(fenced(code))
    assert [token.type for token in tokens] == ["fence"]


def test_the_card_names_what_the_run_ends_in() -> None:
    alone = render_card(facts_of(), "en")
    assert "- **Kind**: RandomForestClassifier\n- **Parameters**: max_leaf_nodes 64\n" in alone
    assert "- **Parameters chosen by the search**: learning_rate 0.1, max_leaf_nodes 31" in alone
    joined = render_card(facts_of(estimator=ensemble_of(1, 2, names="ab")), "en")
    assert "- **Kind**: ensemble of 2 models (soft vote)" in joined
    assert "| a | LogisticRegression | C 0.1, solver a | 0.500 | 0.7654 |" in joined
    assert "Parameters chosen" not in joined
    assert "the members of the ensemble were selected from the last" in joined


def test_what_was_not_searched_was_not_scored() -> None:
    alone = pd.DataFrame({"iter": [0], "n_resources": [800], "params": [{}]})
    card = render_card(facts_of(candidates=alone), "en")
    assert "There was no search" in card
    assert "in cross-validation on the training rows; the best" not in card
    assert "60 candidates, compared by" in render_card(facts_of(), "en")
