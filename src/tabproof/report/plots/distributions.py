"""How probabilities are spread, by true label."""

import numpy as np

from tabproof.report.language import Texts
from tabproof.report.plots.material import Material
from tabproof.report.plots.palette import INK
from tabproof.report.plots.panel import FOOT, HEAD, SHARE_LABELS, SHARES, Panel, staircase
from tabproof.report.plots.shares import Floats
from tabproof.report.plots.sheet import MARGIN, WIDTH, Key, Sheet, series_style
from tabproof.report.plots.ticks import round_ticks

LEFT = 38.0
HEIGHT = 200.0
N_BARS = 20
# So many rows fill twice the bars.
MANY_ROWS = 1000


def draw_distributions(material: Material, texts: Texts) -> Sheet | None:
    """Draw the probability of the positive label; of more than two labels, of the true one."""
    codes = [1, 0] if material.is_binary else material.drawn_classes
    codes = [code for code in codes if (material.y == code).any()]
    if not codes:
        return None
    kind = "binary" if material.is_binary else "multiclass"
    facts = {"label": material.label(-1), "n": f"{material.threshold:.3g}"}
    sheet = Sheet(
        texts(f"distributions.title_{kind}", **facts),
        material.subtitle(texts),
        height=HEIGHT + HEAD + FOOT,
        words=texts(f"distributions.words_{kind}", **facts),
        keys=_keys(material, texts, codes),
    )
    heights = _heights(material, codes)
    highest = float(np.max(heights))
    ticks = round_ticks(0, highest)
    y = (0, highest * 1.03)
    width = WIDTH - LEFT - 2 * MARGIN
    panel = Panel(sheet, left=LEFT, bottom=FOOT, width=width, height=HEIGHT, y=y)
    for place, shares in enumerate(heights):
        outline, style = staircase(shares), series_style(place)
        if material.is_binary:
            panel.polygon(outline, colour=style["colour"])
        panel.line(*outline.T, **style)
    if material.is_binary:
        panel.line([material.threshold] * 2, y, colour=INK, dashes="--", linewidth=1.3)
    panel.x_ticks(SHARES, SHARE_LABELS, title=texts("distributions.x"))
    panel.y_ticks(ticks, [f"{tick:.4g}%" for tick in np.multiply(ticks, 100)])
    sheet.write(MARGIN, FOOT + HEIGHT + 9, texts("distributions.y"), colour=INK)
    return sheet


def _heights(material: Material, codes: list[int]) -> list[Floats]:
    """Give by label the share of its rows in each bar."""
    n_bars = N_BARS * (2 if len(material.y) >= MANY_ROWS else 1)
    heights = []
    for code in codes:
        of_code = material.proba[material.y == code, 1 if material.is_binary else code]
        heights.append(np.histogram(of_code, n_bars, (0, 1))[0] / len(of_code))
    return heights


def _keys(material: Material, texts: Texts, codes: list[int]) -> list[Key]:
    keys = []
    for place, code in enumerate(codes):
        n_rows = int((material.y == code).sum())
        text = texts("distributions.label", label=material.label(code), n=n_rows)
        keys.append(Key(text, **series_style(place)))
    if not material.is_binary:
        return [*keys, *material.left_out(texts)]
    threshold = texts("common.threshold", value=f"{material.threshold:.3g}")
    return [*keys, Key(threshold, INK, "--")]
