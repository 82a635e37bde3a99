"""The colours of pictures, on white and on black, as variables of CSS.

Series are the colours of Okabe and Ito (2008), told apart by colour-blind readers too: of each
hue the nearest shade that stands out from the background, three to one (WCAG 2.2, 1.4.11).
"""

# What is drawn with is the colour on white; svg.py puts the variable in its place.
INK = "#1b1b1b"
MUTED = "#595959"
RULE = "#767676"
GRID = "#e2e2e2"
# No pure black: matplotlib leaves it out of an SVG, where it would be black on black too.
SERIES = ("#0072b2", "#d55e00", "#00916a", "#b8609a", "#a87400", "#3592cc", "#101010")

ON_BLACK = {
    INK: "#ececec",
    MUTED: "#b8b8b8",
    RULE: "#949494",
    GRID: "#3d3d3d",
    "#0072b2": "#58aef0",
    "#d55e00": "#f0803c",
    "#00916a": "#2fc79a",
    "#b8609a": "#e29bc2",
    "#a87400": "#f2c14e",
    "#3592cc": "#b3defa",
    "#101010": "#ffffff",
}
NAMES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    GRID: "grid",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES, start=1)},
}
# The backgrounds of a picture that stands alone.
PAPER = ("#ffffff", "#161616")

# Told apart in print without colours too.
DASHES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 2, 2)), (0, (1, 2.5)), (0, (10, 3)), "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def variable(colour: str) -> str:
    """Give what a colour is called in CSS; what knows no variables takes the colour on white."""
    return f"var(--plot-{NAMES[colour]}, {colour})"


def style_sheet() -> str:
    """Write the rules of all pictures: the same in each, so that many can stand in one page."""
    light = _values({colour: colour for colour in NAMES}, PAPER[0])
    dark = _values(ON_BLACK, PAPER[1])
    return (
        f".plot{{{light}}}"
        f"@media screen and (prefers-color-scheme: dark){{.plot{{{dark}}}}}"
        # Alone, a picture has a background of its own; in a page, the page's.
        "svg.plot:root{color-scheme:light dark;background:var(--plot-paper)}"
        ".plot *{stroke-linejoin:round;stroke-linecap:butt}"
        ".plot text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,"
        "'Noto Sans','Noto Sans CJK JP','Noto Sans JP','Hiragino Sans','Yu Gothic',sans-serif}"
    )


def _values(colours: dict[str, str], paper: str) -> str:
    named = {NAMES[colour]: value for colour, value in colours.items()}
    return ";".join(f"--plot-{name}:{value}" for name, value in {**named, "paper": paper}.items())
