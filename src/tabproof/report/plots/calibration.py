"""Do probabilities come true: the reliability diagram, with how often each was predicted."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.evaluation.metrics import calibration_bins
from tabproof.evaluation_result import Estimate
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import width_of
from tabproof.report.plots.material import Material, in_numbers
from tabproof.report.plots.palette import MARKERS, RULE
from tabproof.report.plots.panel import FOOT, HEAD, SHARE_LABELS, SHARES, Panel, staircase
from tabproof.report.plots.shares import Floats, wilson_intervals
from tabproof.report.plots.sheet import MARGIN, SIZE, WIDTH, Key, Sheet, series_style

HEIGHT, STRIP, GAP = 220.0, 44.0, 38.0
# Of more than so many curves nobody could tell the intervals apart.
MAX_WITH_INTERVALS = 3
N_BARS = 20


class Bins(NamedTuple):
    """Of each bin: the mean probability, the share that came true, and its rows."""

    predicted: Floats
    observed: Floats
    n_rows: Floats


def draw_calibration(material: Material, texts: Texts) -> Sheet | None:
    """Draw how often what was predicted came true; for two labels also where rows are."""
    codes = material.drawn_classes
    if not codes:
        return None
    bins = [_bins(material.y == code, material.proba[:, code]) for code in codes]
    counts = np.histogram(material.proba[:, 1], N_BARS, (0, 1))[0]
    strip = STRIP + GAP if material.is_binary else 0.0
    error = material.evidence.metrics.get("ece", Estimate(None))
    sheet = Sheet(
        texts("calibration.title"),
        material.subtitle(texts),
        height=HEIGHT + HEAD + FOOT + strip,
        words=texts("calibration.words", n=in_numbers(error, texts)),
        keys=_keys(material, texts, bins),
    )
    left = max(34.0, width_of(f"{counts.max():,}", SIZE) + MARGIN + 5)
    width = WIDTH - left - 2 * MARGIN
    panel = Panel(sheet, left=left, bottom=FOOT + strip, width=width, height=HEIGHT)
    panel.reference([0, 1], [0, 1])
    for place, of_class in enumerate(bins):
        _draw_bins(panel, place, of_class, has_intervals=len(codes) <= MAX_WITH_INTERVALS)
    if not material.is_binary:
        panel.share_ticks(texts("calibration.x"), texts("calibration.y"))
        return sheet
    panel.x_ticks(SHARES, [""] * len(SHARES))
    panel.y_ticks(SHARES, SHARE_LABELS, title=texts("calibration.y"))
    most = int(counts.max())
    below = Panel(sheet, left=left, bottom=FOOT, width=width, height=STRIP, y=(0, most))
    below.polygon(staircase(counts), colour=RULE, alpha=0.5)
    below.x_ticks(SHARES, SHARE_LABELS, title=texts("calibration.x"))
    below.y_ticks([0, most], ["0", f"{most:,}"], title=texts("calibration.rows"))
    return sheet


def _bins(is_class: NDArray[np.bool_], proba: Floats) -> Bins:
    bins = np.unique(calibration_bins(proba), return_inverse=True)[1]
    n_rows = np.bincount(bins).astype(float)
    return Bins(np.bincount(bins, proba) / n_rows, np.bincount(bins, is_class) / n_rows, n_rows)


def _keys(material: Material, texts: Texts, bins: list[Bins]) -> list[Key]:
    codes = material.drawn_classes
    key = "calibration.points" if len(codes) <= MAX_WITH_INTERVALS else "calibration.points_only"
    keys = []
    for place, (code, of_class) in enumerate(zip(codes, bins, strict=True)):
        least, most = int(of_class.n_rows.min()), int(of_class.n_rows.max())
        number = f"{least:,}" if least == most else texts("common.range", low=least, high=most)
        text = texts(key, label=material.label(code), number=number)
        keys.append(Key(text, marker=MARKERS[place], **series_style(place)))
    perfect = Key(texts("calibration.perfect"), RULE, (0, (1.5, 2)))
    return [*keys, *material.left_out(texts), perfect]


def _draw_bins(panel: Panel, place: int, bins: Bins, *, has_intervals: bool) -> None:
    style = series_style(place)
    if has_intervals:
        ends = np.transpose(wilson_intervals(bins.observed * bins.n_rows, bins.n_rows))
        x = np.column_stack([bins.predicted, bins.predicted])
        panel.whiskers(x, ends, colour=style["colour"])
    panel.line(bins.predicted, bins.observed, linewidth=1.2, **style)
    panel.dots(bins.predicted, bins.observed, colour=style["colour"], marker=MARKERS[place])
