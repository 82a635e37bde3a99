"""The log and /docs say what is served, why, and how good it is; names are shown as text."""

import re
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tabproof.artifacts import Registry
from tabproof.errors import printable
from tabproof.service.description import MAX_NAME, as_code, describe, log_served
from tabproof.service.model_store import Served
from tabproof.service.served_model import ServedModel
from tests.service.serving import Server

MARKS = "`*_[](){}<>!|\\#-+.&;:/=\"'~$ \n\t"
TEXTS = st.text(st.sampled_from(MARKS + "ax0") | st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_a_name_is_code_and_nothing_else(text: str) -> None:
    rendered = MarkdownIt("commonmark", {"linkify": False}).parse(f"- Predicts {as_code(text)}, x")
    (inline,) = (token for token in rendered if token.type == "inline")
    before, code, after = inline.children or []
    assert (before.type, code.type, after.type) == ("text", "code_inline", "text")
    assert (before.content, after.content) == ("Predicts ", ", x")
    assert code.content.strip() == printable(text, MAX_NAME).strip()
    assert [token.type for token in rendered if token.nesting == 1] == [
        "bullet_list_open", "list_item_open", "paragraph_open",
    ]  # fmt: skip


def test_a_line_of_the_log_is_one_line_of_printable_text(
    table: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    odd = "a\nb\x1b[2J\u202ec"
    changes = {"name": odd, "source": f"outputs/{odd}", "promoted": False}
    changes["schema"] = replace(table.schema, target=odd)
    changes["summary"] = replace(table.summary, dataset=odd, metrics={})
    with caplog.at_level("INFO", "uvicorn.error"):
        log_served(Served({odd: replace(table, **changes)}))
    (line,) = caplog.messages
    assert line.isprintable()
    assert line.count("a\\nb\\x1b[2J\\u202ec") == 4
    assert "AUC" not in line


def lines_of(printed: str) -> list[str]:
    return [line.partition("serving ")[2] for line in printed.splitlines() if " serving " in line]


def test_the_log_says_why_the_newest_run_is_served(tmp_path: Path, run: Path) -> None:
    with Server(tmp_path, newest=run) as server:
        auc = server.get("/models").json["models"][0]["metrics"]["roc_auc"]
        printed = server.end()
    assert lines_of(printed) == [
        "'wine' (default): run outputs/2000-01-01/run, the newest complete run, since nothing is"
        f" promoted; predicts target of builtin_wine, AUC {auc:.4g};"
        " 'python -m src.runs promote <run>' chooses a model"
    ]


def test_the_log_says_since_when_a_model_is_promoted(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    first = registry.promote(run, "m", "me", "").version
    with Server(tmp_path, newest=table_run) as server:
        second = registry.promote(table_run, "m", "me", "").version
        assert server.reload().status == 200
        registry.rollback("m", "me", "")
        assert server.reload().status == 200
        assert server.reload("outputs/2000-01-01/run").status == 200
        assert server.reload(f"models/m/versions/{second}").status == 200
        printed = server.end()
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d\S+"
    wanted = [
        rf"'m' \(default\): run {first}, promoted {when}; predicts target of builtin_wine, AUC ",
        rf"'m' \(default\): run {second}, promoted {when}; predicts label of file_",
        rf"'m' \(default\): run {first}, rolled back {when}; predicts target of ",
        rf"'m': run {first}, rolled back {when}; ",
        r"'\w+' \(default\): run outputs/2000-01-01/run, as POST /reload requested; predicts label",
        rf"'m'.*: run {second}, as POST /reload requested; predicts label of ",
    ]
    found = lines_of(printed)
    for pattern in wanted:
        assert any(re.match(pattern, line) for line in found), (pattern, found)


def test_docs_say_what_is_predicted_from_what_and_how_well(server: Server) -> None:
    text = server.get("/openapi.json").json["info"]["description"]
    metrics = {each["name"]: each["metrics"] for each in server.get("/models").json["models"]}
    default, wine = text[text.index("### ") :].split("\n\n### ")
    assert default.startswith(
        "### Model `table` (the default)\n\n- Predicts `label`, one of `c0`, `c1`"
    )
    assert "the positive one is `c1`, above a probability of 0.5" in default
    assert wine.startswith(
        "Model `wine`\n\n- Predicts `target`, one of `class_0`, `class_1`, `class_2`"
    )
    assert "positive" not in wine
    for section, name in ((default, "table"), (wine, "wine")):
        assert re.search(
            r"- Data: `\w+`, \d+ rows for training and \d+ held out; SHA-256 `[0-9a-f]{64}`",
            section,
        )
        auc = f"AUC {metrics[name]['roc_auc']:.4g}"
        assert f"- On the rows held out: {auc}" in section
        assert re.search(r"- Run `\w+` from `models/\w+/versions/\w+`, promoted \d{4}-", section)


def test_a_model_without_measurements_is_described(table: ServedModel) -> None:
    def described(**changes: Any) -> str:
        model = replace(table, summary=replace(table.summary, **changes))
        return describe(Served({"table": model}, "table"))

    assert "On the rows held out" in described()
    assert "On the rows held out" not in described(metrics={}, intervals={})
    assert "AUC 0.7\n" in described(metrics={"roc_auc": 0.7}, intervals={})
    assert "AUC 0.7, accuracy 0.5 (0.4 to 0.6); in brackets 95 % intervals\n" in described(
        metrics={"roc_auc": 0.7, "accuracy": 0.5, "log_loss": None},
        intervals={"roc_auc": None, "accuracy": (0.4, 0.6)},
    )
    # JSON of Python may spell them.
    assert "On the rows held out: AUC 0.7\n" in described(
        metrics={"roc_auc": 0.7, "accuracy": inf, "log_loss": nan}, intervals={"roc_auc": (nan, 1)}
    )


def test_without_a_model_the_docs_say_where_to_look() -> None:
    assert "`/health` explains" in describe(Served())


@pytest.mark.parametrize("n_labels", [20, 21])
def test_many_labels_are_cut(table: ServedModel, n_labels: int) -> None:
    model = replace(table, schema=replace(table.schema, labels=tuple(map(str, range(n_labels)))))
    assert (" …" in describe(Served({"table": model}, "table"))) == (n_labels > 20)
