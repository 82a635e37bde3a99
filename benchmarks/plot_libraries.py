"""Compare libraries for the plots of a report: seconds, bytes and reproducibility of one ROC plot.

    pip install vl-convert-python matplotlib
    python -m benchmarks.plot_libraries

Each library draws the same curve with a band, the line of chance and a legend, in a process of
its own, after NumPy and pandas are imported as in a run. A library that is not installed is
skipped. Last comes what a run does: all plots of tabproof.report.plots.
"""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from io import StringIO
from time import process_time

import numpy as np
import pandas as pd

X = np.linspace(0, 1, 200)
Y, LOW, HIGH = X**0.3, X**0.5, X**0.2
N_PLOTS = 10


def lets_plot() -> str:
    """Draw with lets-plot."""
    import lets_plot as lp

    curve, band = {"x": X, "y": Y}, {"x": X, "low": LOW, "high": HIGH}
    plot = lp.ggplot() + lp.ggtitle("ROC curve") + lp.ggsize(360, 380)
    plot += lp.geom_ribbon(
        lp.aes("x", ymin="low", ymax="high"), data=band, alpha=0.2, manual_key="95 % band"
    )
    plot += lp.geom_line(lp.aes("x", "y"), data=curve, manual_key="AUC 0.77")
    return str((plot + lp.geom_abline(slope=1, intercept=0)).to_svg())


def matplotlib() -> str:
    """Draw with matplotlib, text as text."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "same"}):
        figure = Figure(figsize=(5, 5.3), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.fill_between(X, LOW, HIGH, alpha=0.2, label="95 % band")
        axes.plot(X, Y, label="AUC 0.77")
        axes.plot([0, 1], [0, 1], label="chance")
        axes.set_title("ROC curve")
        figure.legend(loc="outside upper left")
        written = StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def vega_lite() -> str:
    """Draw with Vega-Lite, rendered by vl-convert."""
    import vl_convert

    rows = pd.DataFrame({"x": X, "y": Y, "low": LOW, "high": HIGH}).to_dict("records")
    x = {"field": "x", "type": "quantitative"}
    y = {"type": "quantitative", "title": "true positive rate"}
    layers = [
        {
            "mark": {"type": "area", "opacity": 0.2},
            "encoding": {"x": x, "y": {"field": "low", **y}},
        },
        {"mark": "line", "encoding": {"x": x, "y": {"field": "y", **y}}},
    ]
    layers[0]["encoding"]["y2"] = {"field": "high"}  # type: ignore[index]
    spec = {"data": {"values": rows}, "title": "ROC curve", "layer": layers}
    return str(vl_convert.vegalite_to_svg(spec))


LIBRARIES: dict[str, tuple[str, Callable[[], str]]] = {
    "lets-plot": ("lets_plot", lets_plot),
    "matplotlib": ("matplotlib", matplotlib),
    "Vega-Lite": ("vl_convert", vega_lite),
}


def measure(draw: Callable[[], str]) -> str:
    """Return CPU seconds of the first plot, imports included, and of those after it."""
    start = process_time()
    first = draw()
    middle = process_time()
    same = [draw() for _ in range(N_PLOTS - 1)][-1] == first
    later = (process_time() - middle) / (N_PLOTS - 1)
    size = len(first.encode()) / 1000
    total = middle - start + later * (N_PLOTS - 1)
    return (
        f"first {middle - start:.2f} s  later {later:.3f} s  {N_PLOTS} plots {total:.2f} s  "
        f"{size:.0f} kB  {'same bytes' if same else 'other bytes each time'}"
    )


def all_plots() -> str:
    """Draw all plots of a run with made-up predictions and search."""
    from tests.report.plots.drawn import material_of

    start = process_time()
    from tabproof.report.plots import draw_plots

    plots = draw_plots(material_of(["no", "yes"]), "en")
    seconds = process_time() - start
    size = sum(len(svg.encode()) for svg in plots.values()) / 1000
    return f"{len(plots)} plots {seconds:.2f} s  {size:.0f} kB"


def main() -> None:
    """Measure each library in a process of its own."""
    if len(sys.argv) > 1:
        name = sys.argv[1]
        print(all_plots() if name == "report" else measure(LIBRARIES[name][1]))
        return
    for name in (*LIBRARIES, "report"):
        if name in LIBRARIES and find_spec(LIBRARIES[name][0]) is None:
            print(f"{name:12} not installed")
            continue
        command = [sys.executable, "-m", "benchmarks.plot_libraries", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name:12} {done.stdout.strip()}")


if __name__ == "__main__":
    main()
