"""What was done to columns stands in the page and in the card, in both languages."""

from typing import Any

import pytest

from tabproof.evaluation_result import Baseline, Estimate, make_finding
from tabproof.forms import DateForm, NumberForm
from tabproof.report import render_card, render_report
from tabproof.report.columns import MAX_SHOWN, column_rows, kinds_in_words
from tabproof.report.format import Texts
from tabproof.schema import (
    CategoryColumn,
    DateColumn,
    NumberColumn,
    Schema,
    TextColumn,
    Treatment,
    make_treatment,
)
from tabproof.text import LANGUAGES
from tests.report.making import ODD_NAMES, evidence_of, facts_of, summary_of
from tests.report.test_page import Reader

COLUMNS = (
    NumberColumn("price", 1234.5, 3.4e38, 0.25, NumberForm(",", ".", ("€",))),
    NumberColumn("empty", None, None, 1.0),
    CategoryColumn("job", tuple("abcdefgh"), 0.0),
    DateColumn("day", 0.0, 86400.0 * 366, 0.0, DateForm("%d/%m/%Y")),
    DateColumn("moment", 3600.0, 3600.0, 0.0, DateForm("iso", None, has_time=True)),
    DateColumn("far", 1e18, -1e18, 0.0),
    TextColumn("note", 1200, 0.5),
)


def schema_of(*columns: Any, treatments: Any = ()) -> Schema:
    return Schema(columns, "y", ("no", "yes"), 100, treatments)


def cells(column: Any, language: str = "en") -> list[str]:
    (row,) = column_rows(schema_of(column), Texts("report", language))
    return [row[name] for name in ("kind", "values", "missing", "form")]


def test_a_column_is_shown_with_its_range_and_form() -> None:
    found = [cells(column) for column in COLUMNS]
    assert found == [
        ["number", "1234.5 to 3.4e+38", "25.0%", "1.234,5 €"],
        ["number", "–", "100.0%", ""],
        ["category", "8: a, b, c, d, e, …", "0", ""],
        ["date", "1970-01-01 to 1971-01-02", "0", "%d/%m/%Y"],
        ["date", "1970-01-01 01:00:00", "0", "2024-03-01"],
        ["date", "1e+18 to −1e+18", "0", "2024-03-01"],
        ["text", "up to 1,200 characters", "50.0%", ""],
    ]
    assert kinds_in_words(schema_of(*COLUMNS), Texts("report", "ja")) == (
        "数値2列、カテゴリ1列、日付3列、文章1列"
    )


def test_names_are_escaped_and_the_page_is_whole() -> None:
    columns = [CategoryColumn(name, ODD_NAMES, 0.0) for name in ODD_NAMES]
    done = [make_treatment("left_out_constant", [name]) for name in ODD_NAMES]
    facts = facts_of(schema=schema_of(*columns, treatments=tuple(done)))
    for language in LANGUAGES:
        read = Reader(render_report(facts, language))
        assert read.open == []
        assert "columns" in read.ids
        assert "<script>alert(1)</script>" in read.text
        assert "<script>" not in render_card(facts, language)


@pytest.mark.parametrize(("language", "words"), [("en", "are left out"), ("ja", "除きました")])
def test_treatments_are_told_in_the_language_of_the_page(language: str, words: str) -> None:
    done = (make_treatment("left_out_constant", ["c1", "c2"]), Treatment("newer", "as it was told"))
    facts = facts_of(schema=schema_of(*COLUMNS, treatments=done))
    for text in (render_report(facts, language), render_card(facts, language)):
        assert words in text
        assert "c1" in text
        assert "as it was told" in text


def test_lost_rows_are_a_caution_at_the_top() -> None:
    lost = make_treatment("rows_without_target", n_rows=7)
    page = render_report(facts_of(schema=schema_of(*COLUMNS, treatments=(lost,))), "en")
    words = lost.message.split(":")[0][:20]
    assert page.index(words) < page.index('id="findings"')


def test_of_many_columns_the_first_are_shown() -> None:
    many = [NumberColumn(f"c{n}", 0.0, 1.0, 0.0) for n in range(MAX_SHOWN + 5)]
    page = render_report(facts_of(schema=schema_of(*many)), "en")
    assert "5 more columns are in schema.json" in page
    assert f"c{MAX_SHOWN}<" not in page


def baseline(difference: float, p_value: float) -> Baseline:
    difference_of = Estimate(difference, difference - 0.02, difference + 0.02)
    return Baseline("boosting", Estimate(0.8, 0.75, 0.85), 800, difference_of, p_value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_baselines_stand_beside_the_metrics(language: str) -> None:
    facts = facts_of(evidence_of(baselines=(baseline(0.011, 0.4),)))
    t = Texts("report", language)
    name = t("baselines.boosting")
    higher = t("baselines.higher", name=name, difference="0.0110")
    page, card = render_report(facts, language), render_card(facts, language)
    assert name in page
    assert name in card
    assert higher in page
    below = facts_of(evidence_of(baselines=(baseline(-0.1, 0.001),)))
    assert higher[-30:] not in render_report(below, language)


def test_alarms_are_no_findings_of_the_data_checks() -> None:
    alarm = make_finding("not_better_than_chance", auc=0.5, range="0.4000 … 0.6000", n_test=200)
    page = render_report(facts_of(evidence_of(findings=(alarm,))), "en")
    assert "The data checks have no findings" in page
    assert page.index("Not better than chance") < page.index('id="metrics"')


def test_what_could_not_be_made_is_told() -> None:
    facts = facts_of(summary=summary_of(left_out={"plots/roc.svg": "StopIteration"}))
    assert "plots/roc.svg" in Reader(render_report(facts, "en")).text
