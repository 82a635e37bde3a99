import json
import tomllib
from pathlib import Path

import pytest

from tabproof.data import findings_in_words, refuse
from tabproof.data.errors import DataChecksFailedError
from tabproof.data.findings import SENTENCES, make_finding, named

ROOT = Path(__file__).parents[2]
CATALOGUE = tomllib.loads((ROOT / "src/tabproof/report/texts/findings.toml").read_text("utf-8"))


def test_pages_say_in_english_what_the_log_says():
    said = {key: (e["title"]["en"], e["text"]["en"]) for key, e in CATALOGUE.items()}
    # What an evaluation finds has other words in the log, where it may list what it likes.
    assert {key: said[key] for key in SENTENCES} == SENTENCES
    assert set(said) - set(SENTENCES) == {"small_hold_out", "undefined_folds"}


def test_both_languages_name_the_same_facts():
    from string import Formatter

    for entry in CATALOGUE.values():
        in_english, in_japanese = (
            {name for _, name, *_ in Formatter().parse(entry["text"][language]) if name}
            for language in ("en", "ja")
        )
        assert in_english == in_japanese


def test_names_stay_as_they_are_but_in_one_line():
    found = make_finding("ids", ["<b>{x}\n列"], n_columns=1, named=named([("<b>{x}\n列", "3/3")]))
    assert "'<b>{x} 列' (3/3)" in found.message
    assert found.columns == ("<b>{x}\n列",)
    assert findings_in_words([found]) == [found.message]
    assert "\n" not in found.message
    assert json.loads(json.dumps(dict(found.facts))) == dict(found.facts)


def test_nothing_found_is_not_refused():
    refuse([])


def test_what_was_found_is_refused_in_a_line_that_names_each():
    findings = [
        make_finding("ids", [f"a{i}" for i in range(12)], n_columns=12, named="…"),
        make_finding("imbalance", n_rare=1, n_labels=2, limit=0.05, named="…"),
    ]
    with pytest.raises(DataChecksFailedError) as raised:
        refuse(findings)
    message = str(raised.value)
    assert "columns that look like ids ('a0', " in message
    assert "'a9', …); rare classes;" in message
    assert "checks.fail=false" in message
    assert "\n" not in message
    assert raised.value.exit_code == 2
