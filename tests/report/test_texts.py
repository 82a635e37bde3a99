"""The catalogue of pages: every text is there in every language, and is used."""

import re
import string
from pathlib import Path

import pytest

import tabproof.report as report
from tabproof.evaluation_result import METRICS
from tabproof.report.format import read_catalogue
from tabproof.text import LANGUAGES

TEXTS = read_catalogue("report")
SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(report.__file__).parent.iterdir()
    if path.suffix in {".py", ".html", ".md"}
)
# Keys put together from a name of the run's: sections, metrics, files, …
PUT_TOGETHER = set(re.findall(r"""["'](\w+\.(?:\w+_)?)(?:["'] ~|\{)""", SOURCES))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_translated_in_each_language(key: str) -> None:
    texts = TEXTS[key]
    assert sorted(texts) == sorted(LANGUAGES)
    assert all(text.strip() for text in texts.values())
    assert len({frozenset(places(text)) for text in texts.values()}) == 1


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_used(key: str) -> None:
    assert re.search(rf"""["']{re.escape(key)}["']""", SOURCES) or any(
        key.startswith(start) for start in PUT_TOGETHER
    )


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_named_and_explained(name: str) -> None:
    assert f"metric.{name}" in TEXTS
    assert f"explained.{name}" in TEXTS
