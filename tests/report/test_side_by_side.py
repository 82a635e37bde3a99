"""The page of many runs: what it says of each, in both languages, whatever names there are."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from tabproof.errors import LanguageNotOfferedError
from tabproof.evaluation_result import Estimate
from tabproof.report.contenders import Failure, Group, Sweep
from tabproof.report.language import read_catalogue
from tabproof.report.side_by_side import make_section, render_sweep
from tabproof.text import LANGUAGES
from tests.report.contenders import ODD, contender, group_of, held_out

SWEEP = Sweep("14-05-12_sweep", n_complete=3, n_jobs=3)


def page_of(*groups: Group, sweep: Sweep = SWEEP, language: str = "en") -> str:
    return render_sweep(sweep, [make_section(group, language) for group in groups], language)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert "src" not in dict(attrs)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "a":
            self.links.append(str(dict(attrs)["href"]))


def words_of(page: str) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def test_both_languages_have_the_same_texts_and_places() -> None:
    for key, texts in read_catalogue("sweep").items():
        assert set(texts) == set(LANGUAGES), key
        places = {frozenset(re.findall(r"{(\w+)}", text)) for text in texts.values()}
        assert len(places) == 1, key


def test_every_run_stands_beside_the_best_with_a_verdict() -> None:
    page = page_of(group_of())
    words = words_of(page)
    assert "The best is model_0: ROC-AUC 0.900, 95 % interval 0.850 to 0.950." in words
    assert "Of 2 tested against it, all differ by more than noise." in words
    assert page.count(">more than noise<") == 2
    assert "0.830 – 0.930" in words
    assert "chosen by the very numbers that are shown" in words


def test_equals_are_said_to_be_as_good() -> None:
    same = held_out(1)
    group = group_of([contender(n, hold_out=same) for n in range(3)])
    assert "none differs by more than noise" in words_of(page_of(group))
    mixed = [contender(0), contender(1, hold_out=held_out(1, 9)), contender(8)]
    assert "1 differ by no more than noise: model_1." in words_of(page_of(group_of(mixed)))


def test_what_was_not_read_is_not_tested_and_what_has_other_rows_neither() -> None:
    runs = [
        contender(0),
        contender(1, hold_out=None),
        contender(2, hold_out=None, has_other_rows=True),
    ]
    words = words_of(page_of(group_of(runs, n_runs=50)))
    assert words.count("not tested") == 1
    assert "other rows held out" in words
    assert "Further runs that are not shown: 47." in words
    assert "Beyond the best 1, predictions are not read" in words
    nothing = group_of([contender(0, hold_out=None)])
    assert "No run's predictions could be read" in words_of(page_of(nothing))


def test_numbers_that_are_not_defined_are_a_dash() -> None:
    undefined = {"roc_auc": Estimate(None)}
    runs = [contender(n, metrics=undefined, seconds=None) for n in range(2)]
    assert "ROC-AUC –" in words_of(page_of(group_of(runs)))


def test_failures_are_listed_with_their_cause() -> None:
    failures = [
        Failure("3_model=a", "adult", "failed", "no <table>", "3_model%3Da/train.log"),
        Failure("4_model=b", "adult", "damaged", "a hash differs"),
    ]
    sweep = replace(SWEEP, failures=failures, n_jobs=7, n_not_begun=2)
    page = page_of(group_of(), sweep=sweep)
    words = words_of(page)
    for text in ("3 of 7 runs are complete.", "no <table>", "damaged", "Not begun: 2."):
        assert text in words
    assert "3_model%3Da/train.log" in Tags(page).links
    many = replace(sweep, failures=failures * 5000)
    assert len(page_of(sweep=many)) < 200_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_odd_names_are_text_and_nothing_else(language: str) -> None:
    runs = [
        contender(n, choices={name: name, "k": str(n)}, note=name, link=f"{n}/report.html")
        for n, name in enumerate(ODD)
    ]
    group = group_of(runs, dataset=ODD[0])
    sweep = replace(SWEEP, name=ODD[0], failures=[Failure(*ODD)])
    page = page_of(group, replace(group, id="group-1", number=2), sweep=sweep, language=language)
    tags = Tags(page)
    assert "script" not in tags.seen
    assert "<script>alert" not in page
    assert tags.links.count("0/report.html") == 2
    assert f'<html lang="{language}">' in page
    assert "http://www.w3.org/2000/svg" in page
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_links_within_the_page_lead_somewhere() -> None:
    page = page_of(group_of(), group_of(id="group-1", dataset="wine"))
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in Tags(page).links if link.startswith("#")} <= set(ids)


def test_without_any_run_there_is_a_page() -> None:
    assert "0 of 0 runs are complete." in words_of(page_of(sweep=Sweep("outputs", 0, 0)))


def test_a_language_that_is_not_offered_is_refused() -> None:
    with pytest.raises(LanguageNotOfferedError):
        page_of(language="fr")
