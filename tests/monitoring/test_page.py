"""monitor.html as a file: whole, escaped, in order, and as small as it can be read."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import tabproof.report as report
from tabproof import monitoring
from tabproof.errors import InvalidValueError
from tabproof.evaluation_result import Estimate
from tabproof.monitoring.page import render_check, write_page
from tabproof.monitoring.page_panels import change_text
from tabproof.monitoring.pictures import MAX_BINS, count_bars, drawn_bins, paired_bars
from tabproof.monitoring.result import (
    Change,
    Check,
    ColumnQuality,
    Distribution,
    Expected,
    LeftOut,
    ModelCheck,
    RunCheck,
)
from tabproof.report.format import Texts, read_catalogue
from tabproof.text import LANGUAGES
from tests.conftest import typed_in
from tests.monitoring import checks
from tests.monitoring.logs import Answers, Log, answers_of
from tests.report.making import ODD_NAMES
from tests.report.test_page import Reader
from tests.report.test_texts import places

CHECKS: dict[str, Callable[[], Check]] = {
    "whole": checks.whole,
    "odd names": checks.odd,
    "nothing": checks.check_of,
    "no rows": lambda: checks.check_of(
        ModelCheck("quiet", 0, 0, 0, 0, notes=["no row was answered since 2026-11-17"])
    ),
    "few rows": lambda: checks.check_of(checks.model_of("new", few())),
    "no distances": lambda: checks.check_of(checks.model_of("bare", undefined())),
}


def few() -> RunCheck:
    """Return a run that has answered so few rows that nothing is compared."""
    reason = "it answered 4 rows, and 30 are needed"
    left_out = [LeftOut("every comparison", reason)]
    return RunCheck(checks.RUN, None, 4, 4, 0, checks.MADE, checks.MADE, left_out=left_out)


def undefined() -> RunCheck:
    """Return a run whose figures are all undefined."""
    bins = ("a", "b", "(other)", "(missing)")
    empty = Distribution("c", "category", bins, [0] * 4, [0] * 4)
    none = dict.fromkeys(("roc_auc", "accuracy"), Estimate(None))
    performance = checks.performance_of("c", ("a",))
    weeks = [replace(week, metrics=none) for week in performance.weeks]
    return replace(
        few(),
        n_rows=50,
        is_judged=True,
        inputs=[
            empty,
            Distribution("d", "number", ("all", "(missing)"), [40, 0], [50, 0], 0.0, 0.0),
        ],
        quality=[ColumnQuality("only of the log", 50, 0.0, 0.0, 0.0)],
        outputs=[
            replace(empty, name="", kind="label"),
            replace(empty, name="a", kind="probability"),
        ],
        expected=Expected(dict.fromkeys(none)),
        performance=replace(performance, metrics=none, measured={}, weeks=weeks, slices=[]),
    )


def text_of(page: str) -> str:
    """Return what is read, in one line."""
    return Reader(page.replace("<wbr>", "")).text.replace("\n", " ")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CHECKS)
def test_a_page_is_whole_and_loads_nothing_from_elsewhere(name: str, language: str) -> None:
    page = render_check(CHECKS[name](), language)
    read = Reader(page.replace("<wbr>", ""))
    assert read.open == []
    assert f'<html lang="{language}">' in page
    assert read.scripts == []
    assert read.policy.startswith("default-src 'none'; script-src 'none'")
    assert len(read.ids) == len(set(read.ids))
    links = {link for link in read.links if link != "data:,"}
    assert all(link.startswith("#") and link[1:] in read.ids for link in links)
    assert "url(" not in page
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    # Both sides of a range of texts: no key and no place is left.
    assert "{" not in re.sub(r"<style>.*?</style>|\{0\} \{name\}|\{g\}", "", page, flags=re.S)


def test_hostile_names_are_text() -> None:
    for language in LANGUAGES:
        page = render_check(checks.odd(), language)
        assert "<script" not in page
        assert "</style>" not in page.partition("</head>")[2]
        # Nothing changes the direction of the text around it.
        assert "\u202e" not in page
        text = text_of(page)
        for name in (ODD_NAMES[0], "a|b *c* `d` [e](f) ${g}", "{0} {name}", "顧客の区分", "שלום"):
            assert name in text


def test_names_do_not_reach_attributes_unescaped() -> None:
    # Labels are in the accessible names of pictures.
    found = Distribution('"><img src=x onerror=alert(1)>', "probability", ("all",), [1], [1])
    picture = paired_bars(found, 100, 20, found.name)
    assert "<img" not in picture
    assert 'aria-label="&#34;&gt;' in picture


def test_the_page_tells_the_most_important_first() -> None:
    text = text_of(render_check(checks.whole(), "en"))
    order = (
        "Alarm: 1 of 2 models", "2026-11-17 to 2026-11-30 (UTC)", "State of each model",
        "Alarms: 2. Clearest change: age: median 35 … 40 → > 65, since about 2026-11-25.",
        "4,200 rows · 2,100 requests · 2\u00a0% of rows with warnings · 1 run",
        "It cannot be told whether something has changed:", "is neither in models nor in outputs",
        "Alarms that have not ended: 2", "at most one false alarm a year",
        "Alarms that ended in the period: 1", "share of rows answered with a warning",
        "Performance on labelled rows: ROC-AUC 0.912, on held-out rows 0.930",
        "Of 4,200 rows, 3,650 have a label", "0.898 to 0.926", "ROC-AUC of each week",
        "Challenger fedcba98 beside champion 01234567", "94.2\u00a0% of 4,100 rows", "DeLong",
        "Inputs: 3 of 20 columns differ", "an AUC of 0.512 (95 % interval 0.487 to 0.537)",
        "beyond chance", "5.12\u00a0%",
        "Answers: predicted labels and probabilities differ", "Probability of “>50K”",
        "Traffic: 4,200 rows on 13 of 14 days", "Groups of rows", "clerk", "few rows",
        "What could not be given: 2", "it is not in the log", "the run has no costs",
        "Performance expected without labels: ROC-AUC 0.710",
        "Performance expected without labels: ROC-AUC 0.918, on held-out rows 0.922",
        "How to read this", "docs/monitoring.md",
    )  # fmt: skip
    at = 0
    for words in order:
        at = text.find(words, at)
        assert at >= 0, words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "Cannot tell: there is nothing to check"),
        ("no rows", "no row was answered since 2026-11-17"),
        ("few rows", "it answered 4 rows, and 30 are needed"),
        ("no distances", "Performance: it could not be given"),
    ],
)
def test_a_partial_result_says_why(name: str, words: str) -> None:
    assert words in text_of(render_check(CHECKS[name](), "en"))


def test_a_model_without_alarms_is_fine() -> None:
    text = text_of(render_check(checks.check_of(checks.model_of("m", checks.run_of())), "en"))
    assert "No alarm in 61 watched days." in text
    assert "No alarm is raised at present." in text
    other = replace(checks.check_of(), false_alarms=0.5)
    assert "at most 0.5 false alarms a year" in text_of(render_check(other, "en"))


def test_a_page_is_small() -> None:
    twenty = checks.check_of(checks.model_of("m", checks.run_of()))
    names = [f"column_{n}" for n in range(500)]
    many = checks.check_of(checks.model_of("m", checks.run_of(names)))
    for language in LANGUAGES:
        assert len(render_check(twenty, language).encode()) < 100_000
        page = render_check(many, language)
        assert len(page.encode()) < 500_000
        # Most columns are behind a click, and have no picture.
        assert page.count('class="drawing bars"') < 30
        assert all(f">column_<wbr>{n}<" in page for n in (0, 24, 25, 499))
        assert page.index("<details>\n<summary>") < page.index(">column_<wbr>25<")


@pytest.mark.parametrize(
    ("change", "english", "japanese"),
    [
        (
            Change("age: missing", "age", "share of missing cells", 0.0, 0.0512, 9, ""),
            "age: share of missing cells 0\u00a0% → 5.12\u00a0%",
            "ageの欠損セルの割合（0\u00a0% → 5.12\u00a0%）",
        ),
        (
            Change("age: spread", "age", "mean distance of …", 0.5, 0.75, 9, "age: …"),
            "age: spread 0.50 → 0.75",
            "ageのばらつき（0.50 → 0.75）",
        ),
        (
            Change("age above 39, up to 40", "age", "share of values …", 0.5, 0.0, 9, ""),
            "age: share of values 39 … 40 50\u00a0% → 0\u00a0%",
            "ageの値の範囲（39 … 40）の割合（50\u00a0% → 0\u00a0%）",
        ),
        (
            Change("age: spread", "age", "mean distance …", 0.5, 0.75, 9, "age: median 1 → 2"),
            "age: median 1 → 2",
            "ageの中央値（1 → 2）",
        ),
        (
            Change("age: place", "age", "mean place of …", 0.5, 0.75, 9, "age: median ≤ 2 → > 4"),
            "age: median ≤ 2 → > 4",
            "ageの中央値（≤ 2 → > 4）",
        ),
        (
            Change("a = another category", "a", "share of categories that …", 0.0, 1.0, 9, ""),
            "a: share of categories that few training rows have, or none 0\u00a0% → 100\u00a0%",
            "aの学習データにほとんど、またはまったくないカテゴリの割合（0\u00a0% → 100\u00a0%）",
        ),
        (
            Change("a = another category", "a", "share of 'another category'", 0.0, 1.0, 9, ""),
            "a: share of “another category” 0\u00a0% → 100\u00a0%",
            "aの「another category」の割合（0\u00a0% → 100\u00a0%）",
        ),
        (
            Change("predicted yes", None, "share of rows for …", 0.3, 0.4, 9, ""),
            "share of rows for which “yes” is predicted 30\u00a0% → 40\u00a0%",
            "「yes」と予測した行の割合（30\u00a0% → 40\u00a0%）",
        ),
        (
            Change("probability yes: place", None, "mean place of …", 0.3, 0.4, 9, ""),
            "typical probability of “yes” 0.30 → 0.40",
            "「yes」の典型的な確率（0.30 → 0.40）",
        ),
        (
            Change("something new", None, "share of a new kind", 0.3, 0.4, 9, ""),
            "share of a new kind 30\u00a0% → 40\u00a0%",
            "share of a new kind（30\u00a0% → 40\u00a0%）",
        ),
    ],
)
def test_a_change_is_worded_in_the_language_of_the_page(
    change: Change, english: str, japanese: str
) -> None:
    words = [change_text(change, Texts("monitor", language)) for language in LANGUAGES]
    assert words == [english, japanese]


def test_an_alarm_tells_a_median_once_and_columns_before_answers() -> None:
    age, answers = checks.alarm_of("age"), checks.alarm_of(None)
    (place,) = age.changes
    alarm = replace(answers, changes=[*answers.changes, place, replace(place, name="age: spread")])
    found = checks.check_of(checks.model_of("m", replace(checks.run_of(), alarms=[alarm])))
    text = text_of(render_check(found, "en"))
    assert "Clearest change: age: median 35 … 40 → > 65, since" in text
    # In the state and in the alarm.
    assert text.count("median 35") == 2
    assert "Further changes" not in text


def test_more_bins_than_a_picture_has_are_one_bar() -> None:
    names = (*(f"c{n}" for n in range(100)), "(other)", "(missing)")
    found = Distribution("c", "category", names, [*range(100, 0, -1), 7, 3], [1] * 102)
    before, now = drawn_bins(found)
    assert len(before) == len(now) == MAX_BINS
    assert (sum(before), sum(now)) == (sum(found.reference), sum(found.period))
    assert (before[:2], before[-1]) == ([100, 99], 3)
    # Without missing cells on either side they have no place.
    none = replace(found, reference=[1] * 101 + [0], period=[1] * 101 + [0])
    assert drawn_bins(none)[0][-1] == 101 - (MAX_BINS - 1)


def test_bars_are_as_high_as_their_counts() -> None:
    picture = count_bars([("a", 100, 50), ("b", 50, 0), ("c", 0, 0)], "rows")
    rows = re.search(r'class="rows" d="([^"]*)"', picture)
    part = re.search(r'class="part" d="([^"]*)"', picture)
    assert rows is not None and part is not None  # noqa: PT018
    heights = [-float(each) for each in re.findall(r"v(-[\d.]+)h", rows[1])]
    assert heights == pytest.approx([122.0, 61.0])
    assert [-float(each) for each in re.findall(r"v(-[\d.]+)h", part[1])] == pytest.approx([61.0])


def test_a_language_without_texts_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="en or ja"):
        render_check(checks.check_of(), "fr")


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "monitor.html"
    path.write_text("before")
    write_page(path, checks.whole(), "ja")
    assert path.read_text(encoding="utf-8") == render_check(checks.whole(), "ja")
    assert [each.name for each in tmp_path.iterdir()] == ["monitor.html"]
    # The service may run as another user.
    assert path.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Alarms: 1. Clearest change: accuracy (share of rows that were predicted correctly)"
                " 86 % → 61 %, since about 2026-11-25.",
                "adult: answers with a known label",
                "Of labels received since about 2026-11-25",
                "recall for “>50K”",
            ),
        ),
        (
            "ja",
            (
                "正解率（正しく予測した行の割合）（86 % → 61 %）",
                "正解ラベルのある回答",
                "2026-11-25頃から届いた正解ラベルによる",
                "「>50K」の再現率",
            ),
        ),
    ],
)
def test_an_alarm_from_labels_has_words_of_its_own(language: str, words: tuple[str, ...]) -> None:
    run = replace(checks.run_of(), alarms=[checks.alarm_of_labels()])
    page = text_of(render_check(checks.check_of(checks.model_of("adult", run)), language))
    for each in words:
        assert each in page.replace("\u00a0", " ")


def test_a_challenger_and_the_champion_are_measured_by_week() -> None:
    text = " ".join(text_of(render_check(checks.whole(), "en")).split())
    _, _, table = text.partition("Both on the same labelled rows, by week")
    # What one of them lacks is a dash.
    assert "2026-11-16 Challenger 1,800 0.912 0.898 to 0.926 0.846" in table
    assert "2026-11-16 Champion 1,800 – 0.846 0.831 to 0.860" in table


# --- The texts.


def test_a_text_is_in_both_languages_and_used() -> None:
    folders = (Path(report.__file__).parent, Path(monitoring.__file__).parent)
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (folders[0] / "monitor.html", *folders[1].glob("*.py"))
    )
    shared = (folders[0] / "base.html").read_text(encoding="utf-8")
    quoted = set(re.findall(r"""(?<=["'])[\w.]+(?=["'])""", sources + shared))
    # Keys that end in a word of the result, or in one of two that are chosen between.
    composed = ("verdict.", "headline.", "state.", "measure.", "explained.", "alarm.", "inputs.",
                "outputs.", "performance.")  # fmt: skip
    unused = set()
    for key, texts in read_catalogue("monitor").items():
        assert sorted(texts) == sorted(LANGUAGES), key
        assert all(text.strip() for text in texts.values()), key
        assert len({frozenset(places(text)) for text in texts.values()}) == 1, key
        last = key.partition(".")[2]
        if key not in quoted and not (key.startswith(composed) and last in quoted | MADE):
            unused.add(key)
    # Of panels of several runs.
    assert unused == {"performance.panel", "inputs.panel", "outputs.panel"}


# Ends of keys that a result, or two words of it, decide.
MADE = {
    *("alarm_of", "unclear_of", "day", "week", "place", "spread", "missing", "another", "rarer"),
    *("probability_place", "probability_spread"),
}


# --- From the command line, of a log.


@pytest.fixture(scope="module")
def answers(champion: Path, table: pd.DataFrame) -> Answers:
    return answers_of(champion, table, 700)


def test_a_check_writes_its_page_into_the_log(
    log: Log, answers: Answers, outputs: Path, tmp_path: Path
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    log.fill(answers, 2, end=now)
    log.label(log.ids[:400], answers.truth[:400], now)
    page = log.root / "monitor.html"
    for language, words in (
        ("en", "Performance on labelled rows"),
        ("ja", "正解ラベルで測った性能"),
    ):
        options = ("--page", page, "--language", language)
        done = typed_in("monitor", "check", "--log", log.root, "--outputs", outputs, *options)
        assert (done.returncode, done.stderr) == (0, "")
        # A page in the log is none of its segments.
        assert "not whole" not in done.stdout
        content = page.read_text(encoding="utf-8")
        assert words in content
        assert answers.run_id[:8] in content
        assert len(content.encode()) < 100_000
    done = typed_in("monitor", "check", "--log", log.root, "--page", tmp_path / "no" / "a.html")
    assert done.returncode == 2
    assert "a.html cannot be written: No such file" in done.stderr
