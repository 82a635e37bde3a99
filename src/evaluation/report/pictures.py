"""Pictures of a run on its page: each where it is spoken of, the others together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from src.evaluation.language import Texts
from src.evaluation.report.untrusted import shown

# By section that has a table too.
PLACED = {
    "slices": ("slices",),
    "importance": ("importance", "dependence"),
    "learning": ("learning_curve",),
    "candidates": ("search",),
}


@dataclass(frozen=True)
class Picture:
    """SVG, and how to read it."""

    svg: Markup
    caption: str


def free_pictures(pictures: Mapping[str, str], t: Texts) -> list[Picture]:
    """Give those that have no other section, in their order."""
    placed = {name for names in PLACED.values() for name in names}
    return _some(pictures, [name for name in pictures if name not in placed], t)


def placed_pictures(pictures: Mapping[str, str], t: Texts) -> dict[str, list[Picture]]:
    """Give those of sections, by section; fewer where they were not drawn."""
    return {section: _some(pictures, names, t) for section, names in PLACED.items()}


def _some(pictures: Mapping[str, str], names: Sequence[str], t: Texts) -> list[Picture]:
    return [
        Picture(_inline(pictures[name]), _caption(name, t)) for name in names if name in pictures
    ]


def _inline(svg: str) -> Markup:
    # What stands before the element belongs to a file of its own, not into a page.
    return Markup(svg[max(svg.find("<svg"), 0) :])  # noqa: S704


def _caption(name: str, t: Texts) -> str:
    return t(f"pictures.{name}") if f"pictures.{name}" in t else shown(name)
