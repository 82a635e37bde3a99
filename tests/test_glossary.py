"""Every text uses the words of docs/glossary.md."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
# The only page that may name the words that are not used.
PAGES = [ROOT / "README.ja.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
CATALOGUES = sorted((ROOT / "src").rglob("texts/*.toml"))


def rows() -> list[list[str]]:
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if "|" in line
    ]
    return [row for row in cells if len(row) == 4 and row[0] not in ("English", "---")]


def unused() -> dict[str, str]:
    """Map each word that is not used to the word that is."""
    return {
        word: japanese
        for _, japanese, _, words in rows()
        for word in re.split(r", |、", words.strip(" |"))
        if word
    }


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)


def test_the_glossary_is_read() -> None:
    words = unused()
    assert len(rows()) > 40
    assert words["ホールドアウト"] == "評価用データ"
    assert not set(words) & {japanese for _, japanese, _, _ in rows()}


@pytest.mark.parametrize("path", [*PAGES, *CATALOGUES], ids=lambda path: path.name)
def test_a_text_uses_no_other_word_for_a_term(path: Path) -> None:
    if path == GLOSSARY:
        pytest.skip("it names the words that are not used")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        text = "\n".join(texts(tomllib.loads(text)))
    # Not inside of another word: ラン is also in バランス.
    found = {
        word: term
        for word, term in unused().items()
        if re.search(rf"(?<![ァ-ヶー]){re.escape(word)}(?![ァ-ヶー])", text)
    }
    assert not found, "docs/glossary.md has other words: " + ", ".join(
        f"{word} → {term}" for word, term in found.items()
    )


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.name)
def test_both_languages_have_every_text_and_write_ranges_alike(path: Path) -> None:
    def check(node: dict[str, Any], name: str) -> None:
        if {"en", "ja"} & node.keys():
            # `loss` says whether rows or a label are lost.
            assert node.keys() - {"loss"} == {"en", "ja"}, name
            # The wave dash and the full-width tilde look alike and are two characters.
            assert "〜" not in node["ja"], name
            assert not re.search(r"[A-Za-z]\(|\)[。、]", node["ja"]), name
        else:
            for key, child in node.items():
                if isinstance(child, dict):
                    check(child, f"{name}.{key}")

    check(tomllib.loads(path.read_text(encoding="utf-8")), path.stem)
