"""Names of columns, labels and groups: anybody's text, made fit to stand in a sentence."""

import unicodedata

MARK = "\N{REPLACEMENT CHARACTER}"
ISOLATE, END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
# Of signs that are not printed, these belong to letters: joined emoji, Persian, Hindi.
JOINERS = {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"}
FROM_THE_RIGHT = {"R", "AL"}
IN_A_SENTENCE = 60


def shown(text: object, limit: int | None = None) -> str:
    """Give text in one line that cannot turn the letters around it.

    limit: letters, of which the last becomes an ellipsis if there are more.
    """
    line = "".join(_visible(letter) for letter in " ".join(str(text).split()))
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(letter) in FROM_THE_RIGHT for letter in line):
        return f"{ISOLATE}{line}{END_ISOLATE}"
    return line


def in_a_sentence(text: object) -> str:
    """Give text of a length that a sentence bears."""
    return shown(text, IN_A_SENTENCE)


def shown_lines(text: str) -> str:
    """Give text of many lines, what is hidden in it marked."""
    return "\n".join("".join(map(_visible, line)) for line in text.split("\n"))


def is_hidden(letter: str) -> bool:
    """Tell what nobody sees: controls, overrides of the direction, halves of surrogate pairs."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and letter not in JOINERS


def _visible(letter: str) -> str:
    return MARK if is_hidden(letter) else letter
