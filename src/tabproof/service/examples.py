"""Requests to copy: for curl, Python and JavaScript, with a row that the model predicts."""

import json
import re
from collections.abc import Callable, Mapping

from tabproof.text import is_printable, shell_word

Row = Mapping[str, float | str | None]
# Columns of the row; the model fills those that are missing.
MAX_COLUMNS = 20
# Of a typed object, this name sets the prototype instead of a value.
PROTOTYPE = '"__proto__"'
# A host, a port and a path without characters that a shell or a program would need to quote.
ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?(?:/[\w.~/-]*)?", re.ASCII)


def row_of(example: Row) -> dict[str, float | str | None]:
    """Return the first columns of a row; whole numbers without `.0`."""

    def short(value: float | str | None) -> float | str | None:
        if isinstance(value, float) and abs(value) < 1e15 and value.is_integer():
            return int(value)
        return value

    return {name: short(value) for name, value in list(example.items())[:MAX_COLUMNS]}


def curl(address: str, row: Row, *, needs_key: bool) -> str:
    """Return a command for bash and zsh; needs_key: the key is in the variable API_KEY."""
    key = '-H "X-API-Key: $API_KEY" \\\n  ' * needs_key
    body = shell_word(_json({"features": dict(row)}))
    head = "-H 'Content-Type: application/json'"
    return f"curl '{address}' \\\n  {head} \\\n  {key}-d {body}"


def python(address: str, row: Row, *, needs_key: bool) -> str:
    """Return a program that needs the standard library alone."""
    # repr() escapes what cannot be printed.
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in row.items())
    key = ', "X-API-Key": os.environ["API_KEY"]' * needs_key
    imported = "import os\n" * needs_key
    return (
        f"import json\n{imported}from urllib.request import Request, urlopen\n\n"
        f"row = {{\n{lines}}}\n"
        "request = Request(\n"
        f'    "{address}",\n'
        '    json.dumps({"features": row}).encode(),\n'
        f'    {{"Content-Type": "application/json"{key}}},\n'
        ")\n"
        "print(json.load(urlopen(request)))\n"
    )


def javascript(address: str, row: Row, *, needs_key: bool) -> str:
    """Return a module for browsers, Node and Deno."""
    names = {name: _json(name) for name in row}
    keys = {name: f"[{text}]" if text == PROTOTYPE else text for name, text in names.items()}
    lines = "".join(f"  {keys[name]}: {_json(value)},\n" for name, value in row.items())
    key = ', "X-API-Key": key' * needs_key
    return (
        ('const key = "your key";\n' if needs_key else "") + f"const row = {{\n{lines}}};\n"
        f'const response = await fetch("{address}", {{\n'
        '  method: "POST",\n'
        f'  headers: {{"Content-Type": "application/json"{key}}},\n'
        "  body: JSON.stringify({features: row}),\n"
        "});\n"
        "console.log(await response.json());\n"
    )


LANGUAGES: dict[str, Callable[..., str]] = {
    "curl": curl,
    "Python": python,
    "JavaScript": javascript,
}


def _json(value: object) -> str:
    """Return JSON with letters of any language, in which nothing is invisible."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if is_printable(each) else json.dumps(each)[1:-1] for each in text)
