"""What checks found, worded from the catalogue texts/findings.toml.

Logs and evaluation.json have the English text; pages word the same facts in their own language.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tabproof.evaluation_result import Finding
from tabproof.text import format_value

CATALOGUE = Path(__file__).parent / "texts" / "findings.toml"
# Columns, or labels, that are named; the total is given too.
N_NAMED = 10


def make_finding(check: str, columns: Sequence[str] = (), **facts: Any) -> Finding:
    """Return a finding worded in English. facts : plain JSON values for the places of its text."""
    return Finding(check, finding_text(check, **facts), tuple(columns[:N_NAMED]), facts)


def finding_text(check: str, key: str = "text", **facts: Any) -> str:
    """Return an English text of the catalogue; a mapping is listed as `name (value), …`."""
    words = {
        name: ", ".join(f"{format_value(key)} ({each})" for key, each in value.items())
        if isinstance(value, Mapping)
        else value
        for name, value in facts.items()
    }
    return _catalogue()[check][key]["en"].format(**words)


def summary_of(finding: Finding) -> str:
    """Return the title of a finding and its columns, in lower case, for a list in a sentence."""
    title = _catalogue()[finding.check]["title"]["en"]
    title = title[0].lower() + title[1:]
    if not finding.columns:
        return title
    columns = ", ".join(f"'{format_value(name)}'" for name in finding.columns)
    more = finding.facts.get("n_columns", 0) > len(finding.columns)
    return f"{title} ({columns}{', …' if more else ''})"


def list_named(values: Iterable[tuple[str, str]]) -> str:
    """List columns or labels, each with a figure, in one line that needs no language."""
    words = [f"'{format_value(name)}' ({figure})" for name, figure in values]
    return ", ".join(words[:N_NAMED]) + (", …" if len(words) > N_NAMED else "")


@cache
def _catalogue() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
