"""Tables whose rows can stack on a narrow screen: each cell is labelled with its column.

A style that shows rows as blocks takes the semantics of a table from some browsers, so elements
state their roles; the headings, which are then out of sight, are repeated as labels of cells.
"""

import re
from html import escape, unescape

from markupsafe import Markup

HEADING = re.compile(r'<th scope="col"[^>]*>(.*?)</th>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
PART = re.compile(r"<(thead|tbody|tr|th|td)\b([^>]*)>")
ROLES = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}


def labelled(rows: Markup) -> Markup:
    """Return the head and the body of a table, with roles and a label for each cell of the body.

    rows: rendered by our own templates, a cell for each heading in every row.
    """
    headings = [" ".join(unescape(TAG.sub(" ", each)).split()) for each in HEADING.findall(rows)]
    column = 0

    def with_role(part: re.Match[str]) -> str:
        nonlocal column
        name, attributes = part.groups()
        if name in ("thead", "tbody", "tr"):
            column = 0
            return f'<{name}{attributes} role="{ROLES[name]}">'
        if 'scope="col"' in attributes:
            return f'<th{attributes} role="columnheader">'
        label, column = headings[column], column + 1
        role = ROLES.get(name, "rowheader")
        data = f' data-label="{escape(label)}"' if label else ""
        return f'<{name}{attributes} role="{role}"{data}>'

    return Markup(PART.sub(with_role, rows))  # noqa: S704 - labels are escaped
