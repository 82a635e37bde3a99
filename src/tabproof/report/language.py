"""Texts of pages and plots in English and Japanese, from texts/*.toml."""

import tomllib
from functools import cache
from pathlib import Path

from tabproof import evaluation_result
from tabproof.errors import LanguageNotOfferedError
from tabproof.text import LANGUAGES

CATALOGUES = Path(__file__).parent / "texts"


class Texts:
    """The texts of a catalogue in one language: `texts("roc.title", n_rows=200)`.

    A catalogue is a file of texts/; an entry of it holds one text per language.
    """

    def __init__(self, catalogue: str, language: str) -> None:
        if language not in LANGUAGES:
            raise LanguageNotOfferedError(language, LANGUAGES)
        self.language = language
        self._entries = read_catalogue(catalogue)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of a key with values in its {places}."""
        return self._entries[key][self.language].format(**values)

    def get(self, key: str, default: str) -> str:
        """Return the text of a key, or the default where the catalogue does not have it."""
        return self(key) if key in self else default

    def __contains__(self, key: str) -> bool:
        return key in self._entries


@cache
def read_catalogue(name: str) -> dict[str, dict[str, str]]:
    """Read a catalogue: by key `section.name`, a text per language."""
    # That of findings is used below this layer too, for logs.
    path = evaluation_result.CATALOGUE if name == "findings" else CATALOGUES / f"{name}.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{section}.{key}": entry
        for section, entries in content.items()
        for key, entry in entries.items()
    }
