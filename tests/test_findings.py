"""Findings are worded from one catalogue."""

import json
import tomllib
from string import Formatter

from tabproof.evaluation_result import CATALOGUE, finding_text, list_named, make_finding, summary_of


def test_both_languages_name_the_same_facts() -> None:
    for check, entry in tomllib.loads(CATALOGUE.read_text("utf-8")).items():
        for key, texts in entry.items():
            in_english, in_japanese = (
                {name for _, name, *_ in Formatter().parse(texts[language]) if name}
                for language in ("en", "ja")
            )
            assert in_english == in_japanese, (check, key)


def test_names_are_unchanged_but_in_one_line() -> None:
    shown = list_named([("<b>{x}\n列", "3/3")])
    found = make_finding("ids", ["<b>{x}\n列"], n_columns=1, named=shown)
    assert "'<b>{x} 列' (3/3)" in found.message
    assert found.columns == ("<b>{x}\n列",)
    assert "\n" not in found.message
    assert json.loads(json.dumps(dict(found.facts))) == dict(found.facts)


def test_a_mapping_is_listed_with_its_values() -> None:
    text = finding_text("undefined_folds", n_folds=25, missing={"roc_auc": 2, "f1": 1})
    assert "roc_auc (2), f1 (1)" in text


def test_a_summary_names_the_first_columns() -> None:
    ids = make_finding("ids", [f"a{i}" for i in range(12)], n_columns=12, named="…")
    assert summary_of(ids).startswith("columns that look like ids ('a0', ")
    assert summary_of(ids).endswith("'a9', …)")
    rare = make_finding("imbalance", n_rare=1, n_labels=2, limit=0.05, named="…")
    assert summary_of(rare) == "rare classes"
