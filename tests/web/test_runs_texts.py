"""The texts of the page of all runs: each is used, with the same {places} in every language."""

import re

from tabproof import web
from tabproof.text import LANGUAGES
from tests.web.test_web import SOURCES

SCRIPTS = "".join(
    path.read_text(encoding="utf-8") for path in [SOURCES / "runs.js", *SOURCES.glob("runs/*.js")]
)
# Keys put together: `runs.column_${id}`.
PUT_TOGETHER = tuple(re.findall(r"`(runs\.\w+_)\$\{", SCRIPTS))
TEXTS = {language: web.read_texts(language, "runs") for language in LANGUAGES}


def test_a_text_is_used_and_a_used_text_is_there() -> None:
    quoted = set(re.findall(r'"(runs\.\w+)"', SCRIPTS)) - {"runs.csv"}
    for texts in TEXTS.values():
        assert quoted - texts.keys() == set()
        rest = texts.keys() - quoted
        assert [key for key in rest if not key.startswith(PUT_TOGETHER)] == []


def test_places_are_the_same_in_every_language() -> None:
    for key in TEXTS["en"]:
        places = {frozenset(re.findall(r"\{(\w+)\}", texts[key])) for texts in TEXTS.values()}
        assert len(places) == 1, key
