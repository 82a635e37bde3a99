"""What notebooks show: a run, and a comparison, as HTML without scripts or remote addresses."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tabproof import artifacts
from tabproof.artifacts import run_directory as files
from tabproof.evaluation_result import Evidence, summary_of
from tabproof.text import format_params

# Plots that are shown where a run has them, in this order; report.html has all.
PLOTS = ("roc", "calibration", "importance")
# A plot that is larger would make the notebook slow.
MAX_PLOT = 1 << 19
TABLE = "text-align:left; padding:.1em 1em .1em 0; vertical-align:top"


def run_as_html(path: Path, run: artifacts.CompleteRun) -> str:
    """Return the headline of a run, its findings, and some of its plots."""
    summary, record = run.summary, run.record
    auc, interval = record.value("roc_auc"), record.interval("roc_auc")
    headline = "" if auc is None else f"AUC {auc:.4f}"
    if interval is not None:
        headline += " (95 %: {:.4f} … {:.4f})".format(*interval)
    about = f"{summary.n_train:,} rows to train on, {summary.n_test:,} held out"
    if summary.stopped is not None:
        about += f"; partial: the search was stopped early ({summary.stopped})"
    metrics = {name: record.value(name) for name in record.metrics if name != "roc_auc"}
    figures = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if value)
    model = summary.estimator.title or summary.model
    parts = [
        f"<p><strong>{_text(model)} on {_text(record.dataset)}: {headline}</strong><br>"
        f"{_text(about)}<br>{_text(figures)}<br>"
        f"best: {_text(format_params(artifacts.best_in_brief(record.best_params)))}<br>"
        f"<small>run {run.run_id}, {_text(path)}</small></p>",
        _findings(path),
        *_plots(path),
    ]
    return "<div>" + "".join(parts) + "</div>"


def _findings(path: Path) -> str:
    try:
        evidence = Evidence.from_json((path / files.EVIDENCE).read_bytes())
        lines = [summary_of(finding) for finding in evidence.findings]
    except (OSError, ValueError):
        # Of another version; the report has them.
        return ""
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _plots(path: Path) -> Iterator[str]:
    for name in PLOTS:
        plot = path / "plots" / f"{name}.svg"
        if plot.is_file() and plot.stat().st_size <= MAX_PLOT:
            # As an image, a browser executes nothing of it.
            source = f"data:image/svg+xml;base64,{b64encode(plot.read_bytes()).decode()}"
            yield f'<img alt="{name}" style="max-width:32%" src="{source}">'


def comparison_as_html(content: Mapping[str, Any]) -> str:
    """Return tables of metrics, of what differs, and of tests; content : as `--json` prints it."""
    runs = content["runs"]
    names = dict.fromkeys(name for run in runs for name in run["metrics"])
    metrics = [(name, *(_number(run["metrics"].get(name)) for run in runs)) for name in names]
    parts = [_table(["", *(f"{run['dataset']} {run['run_id'][:8]}" for run in runs)], metrics)]
    for title, keys in content["differing"].items():
        if keys:
            rows = [(key, *(str(value)[:40] for value in values)) for key, values in keys.items()]
            parts.append(_table([title, *("" for _ in runs)], rows[:40]))
    for found in content["against_the_first"]:
        head = f"{found['run'][:8]} against {found['first'][:8]}"
        if found.get("obstacle"):
            rows = [(f"no test is possible, since {found['obstacle']} differ",)]
        else:
            rows = [
                (
                    f"{test['metric']} {test['difference']:+.4f}, p = {test['p_value']:.2g}",
                    "no more than noise" if test["is_noise"] else "more than noise",
                )
                for test in found["tests"]
            ]
        parts.append(_table([head], rows))
    return "<div>" + "".join(parts) + "</div>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th style="{TABLE}">{_text(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{TABLE}">{_text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _text(value: object) -> str:
    return escape(artifacts.one_line(str(value)))
