"""Small pictures of the monitoring page: SVG that has classes of report/monitor.css, no colours.

What was before is an outline, what is now is solid, so both are clear without colour.
Numbers next to a picture, or its label, have the same facts.
"""

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from markupsafe import Markup, escape

from tabproof.evaluation_result import Estimate
from tabproof.monitoring.result import Distribution
from tabproof.report.format import decimal, ends

# Bins of a picture; more categories are drawn as one.
MAX_BINS = 24
# Kinds of distributions whose last bin is of missing cells.
OF_COLUMNS = ("number", "date", "category", "text")
# Of a plot with axes, in units of its letters' size: 11.
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 380.0, 150.0, 46.0, 20.0, 8.0
MAX_TICKS = 7
# Of the middles of the texts below the axis: the last one that stays inside, and between two.
RIGHTMOST, MIN_GAP = WIDTH - 16, 36.0
# More bars are too narrow for outlines.
MAX_OUTLINED = 60


def paired_bars(found: Distribution, width: float, height: float, label: str = "") -> Markup:
    """Return the shares of bins, before as outlines and now as solid bars.

    Missing cells, if there are any, are apart on the right. label : for screen readers; without
    one, the picture is hidden from them.
    """
    before, now = drawn_bins(found)
    n_before, n_now = max(sum(before), 1), max(sum(now), 1)
    shares = [(a / n_before, b / n_now) for a, b in zip(before, now, strict=True)]
    top = max((max(pair) for pair in shares), default=0.0) or 1.0
    has_gap = has_missing(found)
    slot = (width - 2) / max(len(shares) + (0.6 if has_gap else 0.0), 1)
    outlines, solid = list[str](), list[str]()
    for place, pair in enumerate(shares):
        is_last = place == len(shares) - 1
        x = 1 + slot * (place + (0.6 if has_gap and is_last else 0.0))
        for share, paths, inset in zip(pair, (outlines, solid), (0.08, 0.28), strict=True):
            tall = (height - 3) * share / top
            if share > 0:
                # A share that is not 0 can be seen.
                tall = max(tall, 1.0)
                wide, left = slot * (1 - 2 * inset), x + slot * inset
                paths.append(f"M{left:.1f} {height - 1:.1f}v{-tall:.1f}h{wide:.1f}v{tall:.1f}z")
    shapes = f'<path class="now" d="{"".join(solid)}"/><path class="was" d="{"".join(outlines)}"/>'
    line = f'<path class="axis-line" d="M0 {height - 0.5:.1f}h{width:.0f}"/>'
    return _svg(width, height, shapes + line, label, "bars")


def has_missing(found: Distribution) -> bool:
    """Return whether a distribution has missing cells, before or now."""
    is_column = found.kind in OF_COLUMNS and len(found.bins) > 1
    return is_column and bool(found.reference[-1] or found.period[-1])


def drawn_bins(found: Distribution) -> tuple[list[int], list[int]]:
    """Return the counts of the bins of a picture, before and now; the rarest are one of them."""
    sides = [list(found.reference), list(found.period)]
    if found.kind in OF_COLUMNS and not has_missing(found):
        sides = [side[:-1] for side in sides]
    if len(sides[0]) <= MAX_BINS:
        return sides[0], sides[1]
    n_last = 1 if has_missing(found) else 0
    n_kept = MAX_BINS - 1 - n_last
    end = len(sides[0]) - n_last
    # Only categories have more bins than this, and their most frequent ones come first.
    merged = [[*side[:n_kept], sum(side[n_kept:end]), *side[end:]] for side in sides]
    return merged[0], merged[1]


def estimates_plot(
    points: Sequence[tuple[str, Estimate]], before: Estimate | None, label: str
) -> Markup:
    """Return named values with their intervals from left to right, and the one before as a line.

    The interval of that is a band with dashed edges. label : of the picture.
    """
    shown = [estimate for _, estimate in points] + ([] if before is None else [before])
    found = ends(shown) or [0.0, 1.0]
    margin = 0.12 * (max(found) - min(found)) or 0.05
    low, high = min(found) - margin, max(found) + margin
    bottom = HEIGHT - BOTTOM

    def y(value: float) -> float:
        return TOP + (bottom - TOP) * (high - value) / (high - low)

    parts = [_left_axis({text: y(tick) for tick, text in _ticks(low, high)})]
    if before is not None and before.value is not None:
        if before.interval is not None:
            one, other = (y(end) for end in before.interval)
            parts.append(
                f'<path class="band-of" d="M{LEFT} {one:.1f}H{WIDTH}V{other:.1f}H{LEFT}z"/>'
            )
        at = y(before.value)
        parts.append(f'<path class="line-of" d="M{LEFT} {at:.1f}H{WIDTH}"/>')
    slot = (WIDTH - LEFT) / max(len(points), 1)
    for place, (name, estimate) in enumerate(points):
        x = LEFT + slot * (place + 0.5)
        if place % _every(len(points)) == 0:
            parts.append(_below(x, name))
        if estimate.value is None:
            continue
        if estimate.interval is not None:
            one, other = (y(end) for end in estimate.interval)
            parts.append(
                f'<path class="whisker" d="M{x:.1f} {one:.1f}V{other:.1f}'
                f'M{x - 4:.1f} {one:.1f}h8M{x - 4:.1f} {other:.1f}h8"/>'
            )
        parts.append(f'<circle class="now" cx="{x:.1f}" cy="{y(estimate.value):.1f}" r="4"/>')
    return _svg(WIDTH, HEIGHT, "".join(parts), label, "axes")


def count_bars(counts: Sequence[tuple[str, int, int]], label: str) -> Markup:
    """Return a bar for each name and count; of it the second count, solid, is at the bottom.

    An empty name has no text below its bar. label : of the picture.
    """
    most = max((count for _, count, _ in counts), default=0) or 1
    bottom, slot = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(len(counts), 1)
    scale = (bottom - TOP) / most
    ticks = {text: bottom - scale * tick for tick, text in _ticks(0, most, is_whole=True)}
    outlines, solid, texts = list[str](), list[str](), list[str]()
    named = [place for place, (name, _, _) in enumerate(counts) if name]
    shown, last = set(named[:: _every(len(named))]), -MIN_GAP
    for place, (name, count, part) in enumerate(counts):
        x, wide = LEFT + slot * (place + 0.12), slot * 0.76
        for number, paths in ((count, outlines), (part, solid)):
            if number:
                tall = max(scale * number, 1.0)
                paths.append(f"M{x:.1f} {bottom:.1f}v{-tall:.1f}h{wide:.1f}v{tall:.1f}z")
        at = LEFT + slot * (place + 0.5)
        # The last one may be moved, so that it does not leave the picture.
        if place in shown and min(at, RIGHTMOST) - last >= MIN_GAP:
            texts.append(_below(at, name))
            last = at
    shapes = (
        f'<path class="rows" d="{"".join(outlines)}"/><path class="part" d="{"".join(solid)}"/>'
    )
    kind = "axes dense" if len(counts) > MAX_OUTLINED else "axes"
    return _svg(WIDTH, HEIGHT, _left_axis(ticks) + shapes + "".join(texts), label, kind)


def sample(kind: str) -> Markup:
    """Return the sample of a legend: was, now, rows or part."""
    shape = f'<path class="{kind}" d="M2 11v-9h8v9z"/>'
    return _svg(12, 12, shape, "", "sample")


# --- Parts.


def _svg(width: float, height: float, content: str, label: str, kind: str) -> Markup:
    accessible = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    size = f'viewBox="0 0 {width:g} {height:g}"'
    return Markup(f'<svg class="drawing {kind}" {size} {accessible}>{content}</svg>')  # noqa: S704


def _left_axis(ticks: dict[str, float]) -> str:
    lines = "".join(f"M{LEFT} {y:.1f}H{WIDTH}" for y in ticks.values())
    texts = "".join(
        f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for text, y in ticks.items()
    )
    return f'<path class="grid" d="{lines}"/>{texts}'


def _below(x: float, name: str) -> str:
    at = min(max(x, LEFT), RIGHTMOST)
    return f'<text x="{at:.1f}" y="{HEIGHT - 5:.1f}" text-anchor="middle">{escape(name)}</text>'


def _every(n_names: int) -> int:
    return max(-(-n_names // MAX_TICKS), 1)


def _ticks(low: float, high: float, *, is_whole: bool = False) -> Iterator[tuple[float, str]]:
    """Yield at most six round numbers between both, as numbers and as texts."""
    raw = (high - low) / 4
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw)
    if is_whole:
        step = max(step, 1)
    decimals = max(-floor(log10(step)), 0)
    for number in range(ceil(low / step), floor(high / step) + 1):
        tick = number * step
        yield tick, decimal(tick, decimals) if decimals else f"{tick:,.0f}"
