"""The catalogues: every text is there in every language; those of pages are used."""

import re
import string
from pathlib import Path

import pytest

import tabproof.report as report
from tabproof.evaluation_result import METRICS
from tabproof.report.format import read_catalogue
from tabproof.text import LANGUAGES
from tabproof.web import read_texts

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


@pytest.mark.parametrize("catalogue", ["report", "plots", "sweep"])
def test_a_text_is_translated_in_each_language(catalogue: str) -> None:
    for key, texts in read_catalogue(catalogue).items():
        assert sorted(texts) == sorted(LANGUAGES), key
        assert all(text.strip() for text in texts.values()), key
        assert len({frozenset(places(text)) for text in texts.values()}) == 1, key


def test_a_text_is_used() -> None:
    quoted = set(re.findall(r"""(?<=["'])[\w.]+(?=["'])""", SOURCES))
    unused = [key for key in TEXTS.keys() - quoted if not key.startswith(tuple(PUT_TOGETHER))]
    assert unused == []


def test_every_metric_is_named_and_explained() -> None:
    assert {f"metric.{name}" for name in METRICS} == set(read_texts("en", "metric"))
    assert {f"explained.{name}" for name in METRICS} <= TEXTS.keys()
