"""report.html as a file: whole, escaped, without addresses."""

import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from tabproof import web
from tabproof.errors import InvalidValueError
from tabproof.evaluation_result import Decision, Estimate, Evidence, Finding, Importance
from tabproof.report import ReportFacts, render_card, render_report
from tabproof.report.facts import learning
from tabproof.report.format import Texts
from tabproof.report.page import make_environment
from tabproof.text import LANGUAGES
from tests.report.making import (
    CONFIG,
    METRICS,
    ODD_NAMES,
    candidates_of,
    ensemble_of,
    evidence_of,
    facts_of,
    slice_of,
    summary_of,
)

VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser does; scripts: their type and text, which nobody reads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = self.policy = ""
        self.scripts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        known = {name: value or "" for name, value in attrs}
        assert not any(name.startswith("on") for name in known)
        self.ids += [known["id"]] if "id" in known else []
        self.links += [known[name] for name in ("href", "src") if name in known]
        if tag == "script":
            self.scripts.append((known.get("type", ""), ""))
        if known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.text += data


def least_evidence() -> Evidence:
    return Evidence(
        labels=("a", "b"),
        n_train=3,
        n_test=1,
        n_by_label=[1, 0],
        metrics=dict.fromkeys(METRICS, Estimate(None)),
        calibration="none",
        decision=Decision("default", None),
    )


def odd_facts() -> ReportFacts:
    return facts_of(
        evidence_of(
            ODD_NAMES[:2],
            slices=tuple(slice_of(name, 2, ODD_NAMES) for name in ODD_NAMES),
            importances=[Importance(name, Estimate(0.1, 0.05, 0.15)) for name in ODD_NAMES],
            findings=[Finding(name, name, ODD_NAMES, {"column": name}) for name in ODD_NAMES],
        ),
        summary=summary_of(dataset=ODD_NAMES[0]),
        candidates=candidates_of().assign(
            params=[{name: ODD_NAMES[0]} for name in ODD_NAMES * 6],
        ),
        config_yaml=CONFIG + "dataset:\n  name: '<script>alert(1)</script></pre>'\n",
        target=ODD_NAMES[1],
        estimator=ensemble_of(*range(len(ODD_NAMES))),
        command=["python", "-m", "src.train", *ODD_NAMES],
        run_path=ODD_NAMES[1],
        files=ODD_NAMES,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "facts",
    [
        facts_of(),
        facts_of(evidence_of(("a", "b", "c"))),
        facts_of(evidence_of(tuple(f"label {n}" for n in range(12)))),
        odd_facts(),
        facts_of(least_evidence(), candidates=None, pictures={}, target=None, files=()),
    ],
    ids=["two labels", "three labels", "twelve labels", "odd names", "next to nothing"],
)
def test_a_page_is_whole_and_loads_nothing_from_elsewhere(
    facts: ReportFacts, language: str
) -> None:
    page = render_report(facts, language)
    read = Reader(page)
    assert read.open == []
    assert f'<html lang="{language}">' in page
    assert read.elements["img"] == read.elements["iframe"] == 0
    for kind, script in read.scripts:
        # A script runs only if it is one of ours, letter by letter.
        assert kind == "application/json" or web.hash_source(script) in read.policy
    assert "'unsafe-inline'" not in read.policy.split("script-src")[1].split(";")[0]
    assert read.elements["h1"] == read.elements["main"] == read.elements["title"] == 1
    assert all(link.startswith(("#", "./", "data:,")) for link in read.links)
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))
    assert "None" not in read.text
    assert "nan" not in read.text.split()


def test_names_stand_there_as_they_are_called() -> None:
    text = Reader(render_report(odd_facts(), "en")).text
    for name in (
        "<script>alert(1)</script>",
        "\"quoted\" & 'quoted'</style>",
        "顧客の区分",
        "{0} {name}",
    ):
        assert name in text
    assert "\u202e" not in text


def test_a_metric_is_written_with_its_interval() -> None:
    text = " ".join(Reader(render_report(facts_of(), "en")).text.split())
    assert "ROC-AUC 0.79 0.71 to 0.85" in text
    assert "Log loss 0.55 0.43 to 0.69" in text


def test_what_was_not_measured_has_no_section() -> None:
    ids = Reader(render_report(facts_of(least_evidence(), pictures={}, files=()), "en")).ids
    for name in ("pictures", "slices", "importance", "learning", "repeated", "files"):
        assert name not in ids
    assert "metrics" in ids


def test_nothing_found_is_not_the_same_as_not_looked() -> None:
    without = evidence_of(findings=())
    assert "The data checks have no findings" in render_report(facts_of(without), "en")
    unchecked = facts_of(without, config_yaml="checks: {enabled: false}")
    page = render_report(unchecked, "en")
    assert "The data checks were off" in page
    assert "have no findings" not in page


def test_groups_too_small_are_marked() -> None:
    page = render_report(facts_of(evidence_of(slices=(slice_of("sex"),))), "en")
    assert page.count(">few rows<") == 1


def test_a_finding_of_another_version_is_reported_as_it_was_logged() -> None:
    finding = Finding("of_tomorrow", "the moon <is> full", ("moon",))
    page = render_report(facts_of(evidence_of(findings=(finding,))), "ja")
    assert re.search(r'<p lang="en">the moon &lt;is&gt; full</p>', page)


def test_many_candidates_make_no_long_page() -> None:
    long = render_report(facts_of(candidates=candidates_of(5000)), "en")
    assert len(long) < 100_000


def test_a_language_that_is_not_offered_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        render_report(facts_of(), "fr")


UNCLEAR = Finding(
    "learning_curve",
    "whether it rises cannot be told",
    facts={
        "end": "unclear", "n_before": 400, "n_rows": 800, "gain": 0.031, "low": -0.016,
        "high": 0.08, "left_out": {"32": "a class has no row in it"},
    },
)  # fmt: skip
SMALL = Finding(
    "small_hold_out", "few rows", facts={"n_rows": 9, "n_by_label": {ODD_NAMES[0]: 3, "はい": 6}}
)
FOLDS = Finding("undefined_folds", "some", facts={"n_folds": 25, "missing": {"precision": 7}})


def test_what_the_model_showed_is_no_finding_in_the_data() -> None:
    page = Reader(render_report(facts_of(evidence_of(findings=[UNCLEAR, FOLDS])), "en"))
    assert "Findings of the data checks" not in page.text
    assert "The data checks have findings" not in page.text
    assert "The data checks have no findings." in page.text


def test_the_learning_curve_is_concluded_as_the_run_did() -> None:
    facts = facts_of(evidence_of(findings=[UNCLEAR]))
    page = Reader(render_report(facts, "en")).text
    assert (
        "These rows cannot show whether the learning curve still rises at its end. From 400 to"
        " 800 rows the value changed by 0.031 (95 % interval −0.016 to 0.080). Numbers of rows"
        " that are left out" in page
    )
    assert "more rows would probably help" not in page
    assert "曲線が右端でまだ上昇しているかどうかは判断できません。" in render_report(facts, "ja")


@pytest.mark.parametrize("end", ["rises", "flat", "unknown"])
def test_every_end_of_a_learning_curve_has_words(end: str) -> None:
    facts = facts_of(evidence_of(findings=[Finding("learning_curve", "…", facts={"end": end})]))
    for language in LANGUAGES:
        known = Texts("findings", language)(f"learning_curve.{end}")
        assert learning(facts, Texts("report", language)) == known


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_an_evaluation_found_is_reported_in_each_language(language: str) -> None:
    page = render_report(facts_of(evidence_of(findings=[SMALL, FOLDS])), language)
    assert 'lang="en"' not in page.partition("<body>")[2]
    text = Reader(page).text
    assert f"{ODD_NAMES[0]} (3), はい (6)" in text
    assert "precision (7)" in text


def test_rows_of_one_subject_are_reported_to_narrow_intervals() -> None:
    said = "Intervals assume independent rows"
    grouped = facts_of(config_yaml="cv:\n  group_column: patient\n")
    assert said in Reader(render_report(grouped, "en")).text
    assert said not in Reader(render_report(facts_of(), "en")).text


def test_the_rule_is_that_of_the_scorer() -> None:
    assert (
        "is predicted if its probability is above 0.1667"
        in Reader(render_report(facts_of(), "en")).text
    )


def test_compiled_templates_are_kept_and_change_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered() -> tuple[str, str]:
        make_environment.cache_clear()
        return render_report(facts_of(), "en"), render_card(facts_of(), "en")

    place = "tabproof.report.page.cache_from_source"
    monkeypatch.setattr(place, lambda _path: str(tmp_path / "page.pyc"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compiled_anew = rendered()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered() == compiled_anew
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"html", "markdown"}
    monkeypatch.delattr(Environment, "compile")
    assert rendered() == compiled_anew
    make_environment.cache_clear()
