"""The page of many runs: its texts, tests against the best run, and names of any kind."""

import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from tabproof.errors import InvalidValueError
from tabproof.evaluation.comparison import compare
from tabproof.evaluation_result import Estimate
from tabproof.report.plots.material import HoldOut
from tabproof.report.side_by_side import (
    LEVEL,
    MAX_COLUMNS,
    Failure,
    Group,
    Sweep,
    compare_with_best,
    differing_keys,
    holm,
    make_section,
    names_of,
    render_sweep,
)
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
    page = page.replace("<wbr>", "")
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def test_every_run_is_compared_with_the_best() -> None:
    page = page_of(group_of())
    words = words_of(page)
    assert "The best is model_0: ROC-AUC 0.900, 95 % interval 0.850 to 0.950." in words
    assert "All runs tested against it (2) are significantly different." in words
    assert page.count(">significant<") == 2
    assert "0.830 to 0.930" in words
    assert "chosen by the numbers shown" in words


def test_a_run_alone_has_no_overlay_and_is_not_called_the_best() -> None:
    alone = [group_of([contender(n)], id=f"group-{n}", dataset=f"table {n}") for n in range(3)]
    page, words = page_of(*alone), words_of(page_of(*alone))
    assert page.count("<figure>") == 0
    assert 'class="plot sample"' not in page
    assert "The best is" not in words
    assert "model=model_1" not in words
    assert "model_1: ROC-AUC 0.890, 95 % interval 0.840 to 0.940." in words
    assert "Holm" not in words
    # Of two runs, one of which was not read, there is one curve.
    half = page_of(group_of([contender(0), contender(1, hold_out=None)]))
    assert (half.count("<figure>"), half.count('class="plot sample"')) == (0, 0)
    two = page_of(alone[0], group_of([contender(0), contender(1)], id="group-9"))
    assert (two.count("<figure>"), two.count('class="plot sample"')) == (3, 2)
    assert "Holm" in words_of(two)


def test_the_fitted_model_of_a_run_is_named() -> None:
    named = [contender(0, model="ensemble of 2 models (soft vote)"), contender(1)]
    words = words_of(page_of(group_of(named)))
    assert "Fitted model" in words
    assert "model_0 ensemble of 2 models (soft vote) 0.900" in words
    assert "Fitted model" not in words_of(page_of(group_of()))


def test_runs_without_a_significant_difference_are_named() -> None:
    same = held_out(1)
    group = group_of([contender(n, hold_out=same) for n in range(3)])
    assert "None of the runs tested against it (2) is significantly different" in words_of(
        page_of(group)
    )
    mixed = [contender(0), contender(1, hold_out=held_out(1, 9)), contender(8)]
    words = words_of(page_of(group_of(mixed)))
    assert "Not significantly different from it, 1 of 2 tested: model_1." in words


def test_runs_that_were_not_read_or_have_another_hold_out_are_not_tested() -> None:
    runs = [
        contender(0),
        contender(1, hold_out=None),
        contender(2, hold_out=None, has_other_rows=True),
    ]
    words = words_of(page_of(group_of(runs, n_runs=50)))
    assert words.count("not tested") == 1
    assert "other hold-out" in words
    assert "Runs not shown: 47." in words
    assert "Only the predictions of the best runs (1) are read" in words
    nothing = group_of([contender(0, hold_out=None)])
    assert "The predictions of no run could be read" in words_of(page_of(nothing))


def test_an_undefined_metric_is_a_dash() -> None:
    undefined = {"roc_auc": Estimate(None)}
    runs = [contender(n, metrics=undefined, seconds=None) for n in range(2)]
    assert "ROC-AUC –" in words_of(page_of(group_of(runs)))


def test_failures_are_listed_with_their_cause() -> None:
    failures = [
        Failure("3_model=a", "adult", "failed", "no <table>", "3_model%3Da/train.log"),
        Failure("4_model=b", "adult", "damaged", "a hash differs"),
    ]
    sweep = replace(SWEEP, failures=failures, n_jobs=7, n_not_begun=2)
    page = page_of(group_of([contender(hold_out=None)]), sweep=sweep)
    words = words_of(page)
    for text in ("3 of 7 runs are complete.", "no <table>", "damaged", "Not started: 2."):
        assert text in words
    assert "3_model%3Da/train.log" in Tags(page).links
    many = replace(sweep, failures=failures * 5000)
    assert len(page_of(sweep=many)) < 200_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_odd_names_are_text(language: str) -> None:
    read = held_out(1)
    runs = [
        contender(
            n,
            hold_out=read if n < 2 else None,
            choices={name: name, "k": str(n)},
            note=name,
            link=f"{n}/report.html",
        )
        for n, name in enumerate(ODD)
    ]
    group = group_of(runs, dataset=ODD[0])
    sweep = replace(SWEEP, name=ODD[0], failures=[Failure(*ODD)])
    page = page_of(group, replace(group, id="group-1", number=2), sweep=sweep, language=language)
    tags = Tags(page)
    # Our own: the texts and the script of values of plots.
    assert tags.seen.count("script") == 2
    assert "<script>alert" not in page
    assert tags.links.count("0/report.html") == 2
    assert f'<html lang="{language}">' in page
    assert "http://www.w3.org/2000/svg" in page
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_links_within_the_page_lead_somewhere() -> None:
    page = page_of(*(group_of([contender()], id=f"group-{n}") for n in range(2)))
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in Tags(page).links if link.startswith("#")} <= set(ids)


def test_without_any_run_there_is_a_page() -> None:
    assert "0 of 0 runs are complete." in words_of(page_of(sweep=Sweep("outputs", 0, 0)))


def test_a_language_that_is_not_offered_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        page_of(language="fr")


def test_p_values_are_adjusted_as_in_the_published_example() -> None:
    # Wikipedia, Holm-Bonferroni method: of four hypotheses H1 and H4 are rejected at 0.05.
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [p < 0.05 for p in adjusted] == [True, False, False, True]


def test_adjusted_p_values_keep_their_order_and_are_at_most_one() -> None:
    p_values = np.random.default_rng(0).uniform(size=50)
    adjusted = np.array(holm(list(p_values)))
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    assert ((adjusted >= p_values) & (adjusted <= 1)).all()
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


def test_each_run_is_tested_against_the_best_that_was_read() -> None:
    runs = [contender(0, hold_out=None), contender(1), contender(2, hold_out=None), contender(4)]
    differences = compare_with_best(runs, "roc_auc")
    assert [each is None for each in differences] == [True, True, True, False]
    best, other = held_out(2, 1), held_out(5, 4)
    assert differences[3] is not None
    assert differences[3] == compare(best.y, other.proba, best.proba)
    assert differences[3].difference < 0
    assert differences[3].p_value < LEVEL


def test_many_equal_runs_are_not_significant_though_one_test_alone_might_be() -> None:
    runs = [contender(n, hold_out=held_out(2, seed=n)) for n in range(20)]
    differences = [each for each in compare_with_best(runs, "roc_auc") if each is not None]
    assert len(differences) == 19
    best = held_out(2)
    alone = [compare(best.y, held_out(2, n).proba, best.proba).p_value for n in range(1, 20)]
    assert min(alone) < LEVEL <= min(each.p_value for each in differences)


def test_more_labels_are_compared_by_accuracy_and_two_on_request() -> None:
    three = [contender(n, hold_out=held_out(2, n, n_labels=3)) for n in range(2)]
    two = [contender(n, hold_out=held_out(2, n)) for n in range(2)]
    for runs, metric in ((three, "roc_auc"), (two, "accuracy")):
        difference = compare_with_best(runs, metric)[1]
        assert difference is not None
        assert difference.test == "McNemar"


def test_rows_of_one_label_are_not_tested() -> None:
    one_label = HoldOut(np.zeros(5, np.int64), np.full((5, 2), 0.5))
    assert compare_with_best([contender(n, hold_out=one_label) for n in range(2)], "roc_auc") == [
        None,
        None,
    ]


def test_the_same_predictions_are_not_significantly_different() -> None:
    same = held_out(1)
    difference = compare_with_best([contender(n, hold_out=same) for n in range(2)], "roc_auc")[1]
    assert difference is not None
    assert (difference.difference, difference.p_value) == (0, 1)


def named(choices: Sequence[dict[str, str]], run_ids: Sequence[str]) -> list[str]:
    pairs = zip(choices, run_ids, strict=True)
    return names_of([contender(choices=each, run_id=run_id) for each, run_id in pairs])


def test_only_what_differs_is_reported() -> None:
    choices = [{"model": "vote", "search": "fast"}, {"search": "fast"}]
    assert differing_keys(choices) == ["model"]
    assert named(choices, ["aaaa", "bbbb"]) == ["vote", "bbbb"]


def test_a_number_is_reported_with_its_key() -> None:
    choices = [{"model": "vote", "search.n_splits": "3"}, {"model": "a", "search.n_splits": "5"}]
    assert named(choices, ["a", "b"]) == ["vote, n_splits=3", "a, n_splits=5"]
    assert named([{"export": "true"}, {"export": "false"}], ["a", "b"]) == [
        "export=true",
        "export=false",
    ]


def test_runs_that_chose_alike_are_distinguished_by_id() -> None:
    choices = [{"model": "vote"}, {"model": "vote"}, {"model": "a"}]
    assert named(choices, ["0123456789", "9876543210", "c"]) == [
        "vote 01234567",
        "vote 98765432",
        "a",
    ]
    assert named([{}, {}], ["0123456789", "9876543210"]) == ["01234567", "98765432"]


def test_one_run_is_called_by_all_it_chose() -> None:
    assert named([{"model": "vote", "seed": "1"}], ["a"]) == ["vote, seed=1"]
    assert named([{}], ["a"]) == ["a"]


def test_more_keys_than_there_is_room_for_share_a_column() -> None:
    choices = [{f"k{n}": str(value) for n in range(10)} for value in range(2)]
    table = make_section(group_of([contender(choices=each) for each in choices]), "en")["table"]
    assert table["columns"] == [*list(choices[0])[: MAX_COLUMNS - 1], None]
    assert table["rows"][0]["cells"][-1] == "k5=0, k6=0, k7=0, k8=0, k9=0"
