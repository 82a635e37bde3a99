"""Quotes around what Hydra's grammar has no letters for."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

# A word outside quotes, inside a list or not.
NON_ASCII_WORD = re.compile(r"""(?<!["'])[^\s,\[\]{}:'"=()]*[^\x00-\x7f][^\s,\[\]{}:'"=()]*""")


def quoted(arguments: Sequence[str]) -> list[str]:
    """Put quotes where Hydra's grammar needs them: around Japanese, `>50K`, spaces, ….

    What it can read stays as it is, so a value that only looks odd keeps its meaning.
    """
    parser = OverridesParser.create()

    def is_readable(argument: str) -> bool:
        try:
            parser.parse_override(argument)
        except HydraException:
            return False
        return True

    def readable(argument: str) -> str:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or not equals:
            return argument
        whole = f"{key}={_in_quotes(value)}"
        by_word = f"{key}={NON_ASCII_WORD.sub(lambda word: _in_quotes(word[0]), value)}"
        if value.startswith(("[", "{")):
            attempts = [argument, by_word]
        elif "," in value:
            attempts = [argument, by_word, whole]
        else:
            attempts = [argument, whole]
        return next(filter(is_readable, attempts), argument)

    return [readable(argument) for argument in arguments]


def _in_quotes(value: str) -> str:
    # In Hydra's grammar a backslash is one, except before a quote.
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'
