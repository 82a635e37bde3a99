"""The leaderboard as one self-contained page: no network, no script, both colour schemes."""

from collections.abc import Iterable
from html import escape
from itertools import groupby

from src.runs.leaderboard import Entry
from src.runs.record import path_text

STYLE = """
:root { color-scheme: light dark; --line: #d0d4da; --soft: #5c6570; --bar: #2f6fb5; --bad: #b3261e;
  --paper: #fff; --ink: #1a1d21; --shade: #f3f5f7 }
@media (prefers-color-scheme: dark) { :root { --line: #3a4048; --soft: #a0a8b3; --bar: #7db3ec;
  --bad: #ff8a80; --paper: #15181c; --ink: #e6e8eb; --shade: #1e2329 } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: var(--paper); color: var(--ink) }
div { overflow-x: auto } table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding: 1.2rem 0 .3rem }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 500 } tbody tr:first-child { background: var(--shade) }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code { font-size: .9em } .failed, .interrupted { color: var(--bad) } svg { vertical-align: middle }
line { stroke: var(--bar); stroke-width: 3 } circle { fill: var(--bar) }
"""
COLUMNS = '<th>choices<th class="number">{metric}<th class="number">95 %<th>'
LAST_COLUMNS = '<th class="number">seconds<th>run id<th>state'
# Of the picture of an interval, in pixels.
WIDTH, HEIGHT, MARGIN = 120, 12, 5


def as_html(entries: Iterable[Entry]) -> str:
    """Give a page with a table per dataset, and a picture of the intervals."""
    groups = groupby(entries, key=lambda entry: entry.dataset)
    tables = "\n".join(_table(dataset, list(group)) for dataset, group in groups)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Leaderboard</title><style>{STYLE}</style>\n<h1>Leaderboard</h1>\n{tables}\n</html>\n"
    )


def _table(dataset: str, entries: list[Entry]) -> str:
    known = [entry.interval or (entry.value, entry.value) for entry in entries]
    ends = [end for pair in known for end in pair if end is not None]
    span = (min(ends), max(ends)) if ends else (0.0, 1.0)
    head = COLUMNS.format(metric=escape(entries[0].metric)) + LAST_COLUMNS
    rows = "\n".join(_row(entry, span) for entry in entries)
    return (
        f"<div><table><caption>{escape(dataset)}</caption>\n<thead><tr>{head}</thead>\n"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(entry: Entry, span: tuple[float, float]) -> str:
    interval = "" if entry.interval is None else "{:.4f} – {:.4f}".format(*entry.interval)
    value = "" if entry.value is None else f"{entry.value:.4f}"
    seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
    cells = (
        f"<td>{escape(entry.choices) or 'as standard'}",
        f'<td class="number">{value}<td class="number">{interval}',
        f'<td>{_picture(entry, span)}<td class="number">{seconds}',
        f'<td><code title="{escape(path_text(entry.path))}">{escape(entry.run_id or "")}</code>',
        f'<td class="{entry.state.partition(" ")[0]}">{escape(entry.status)}',
    )
    return f"<tr>{''.join(cells)}"


def _picture(entry: Entry, span: tuple[float, float]) -> str:
    if entry.value is None:
        return ""
    low, high = entry.interval or (entry.value, entry.value)
    x1, x, x2 = (_place(value, span) for value in (low, entry.value, high))
    middle = HEIGHT / 2
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{x:.1f}" cy="{middle}" r="4"/></svg>'
    )


def _place(value: float, span: tuple[float, float]) -> float:
    low, high = span
    share = 0.5 if high == low else (value - low) / (high - low)
    return MARGIN + share * (WIDTH - 2 * MARGIN)
