"""HTML that is put together from elements: text is always escaped, so no name can be markup."""

from html import escape

from tabproof.errors import printable

# Elements that have no end tag.
VOID = frozenset({"input", "link", "meta"})


class Markup(str):
    """HTML that is put into a page as it is."""

    __slots__ = ()


Child = str | None


def h(tag: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Return an element; children that are no Markup are text.

    An attribute of True has no value; one of None or False is left out. A `_` at the end of its
    name is dropped, and one within is a hyphen: `class_`, `aria_label`.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Return children one behind the other; None is left out."""
    return Markup(
        "".join(
            each if isinstance(each, Markup) else escape(each)
            for each in children
            if each is not None
        )
    )


def name_of(text: str, limit: int = 80) -> Markup:
    """Return a name of the data within a line: shortened, and isolated from the line's direction.

    What is cut off is in the tooltip.
    """
    is_long = len(text) > limit
    return h("bdi", printable(text, limit), title=printable(text, 1000) if is_long else None)


def fill(text: str, /, **values: str) -> Markup:
    """Return a text of the catalogue with values in its {places}, which may be elements."""
    parts = {name: join(value) for name, value in values.items()}
    return Markup(escape(text, quote=False).format(**parts))
