"""A page of all runs as its script expects it, with runs that nobody trained, as many as wanted."""

import gzip
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from scipy.stats import rankdata

from tabproof import web
from tabproof.evaluation.metrics import N_BINS, calibration_bins
from tabproof.report.format import Texts

REPORT = Path(web.__file__).parent / "report"
METRICS = ("roc_auc", "accuracy", "f1", "brier", "log_loss")
LOWER = {"brier", "log_loss"}
MODELS = ("logistic_regression", "random_forest", "hist_gradient_boosting", "extra_trees")
DATASETS = ("adult", "credit-g", "breast_cancer", "wine")
STATES = ("partial", "failed", "interrupted", "running", "not started")
HOSTILE = (
    "<script>alert(1)</script>",
    "\"quotes\" 'and' `more`",
    "x" * 500,
    "\u202eright to left \u05d0\u05d1",
    "=cmd|' /C calc'!A0",
    "line\nbreak\ttab \U0001f680",
)
START = datetime(2026, 11, 30, 8, 0, 0)
Island = dict[str, Any]


def block(truth: Any, proba: Any) -> bytes:
    """Return what the page holds of one run's predictions."""
    parts = [proba.argmax(axis=1).astype("<u1").tobytes()]
    if proba.shape[1] != 2:
        return b"".join(map(padded, [*parts, np.uint32(0).tobytes()]))
    positive, is_true = proba[:, 1], truth == 1
    parts.append((rankdata(positive, method="dense") - 1).astype("<u2").tobytes())
    bins = calibration_bins(positive)
    sums = [np.bincount(bins, each, N_BINS) for each in (positive, is_true, np.ones_like(positive))]
    used = sums[2] > 0
    table = np.column_stack([sums[0][used] / sums[2][used], sums[1][used], sums[2][used]])
    parts += [np.uint32(len(table)).tobytes(), table.astype("<f8").tobytes()]
    counts = [np.histogram(own, 40, (0, 1))[0] for own in (positive[~is_true], positive[is_true])]
    parts.append(np.concatenate(counts).astype("<u4").tobytes())
    return b"".join(map(padded, parts))


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 8)


def predictions(rng: np.random.Generator, truth: np.ndarray, n_labels: int, noise: float) -> Any:
    scores = np.eye(n_labels)[truth] * 2 + noise * rng.normal(size=(len(truth), n_labels))
    odds = np.exp(np.round(scores, 2))
    return odds / odds.sum(axis=1, keepdims=True)


def make_groups(
    rng: np.random.Generator, datasets: Sequence[str], labels: Sequence[str], n_curves: int
) -> tuple[list[Island], bytes]:
    """Return a group of runs per dataset, and the curves of each; the last has three labels."""
    groups: list[Island] = []
    blob = b""
    for n, dataset in enumerate(datasets):
        n_labels, n_rows = (3 if n == 3 else 2), 301 + 200 * n
        truth = np.arange(n_rows) % n_labels
        content = padded(truth.astype("<u1").tobytes())
        for place in range(n_curves):
            content += block(truth, predictions(rng, truth, n_labels, 1 + place % 5))
        sizes = {"n_rows": n_rows, "n_curves": n_curves, "bytes": [len(blob), len(content)]}
        groups.append({"dataset": dataset, "labels": list(labels[:n_labels]), **sizes})
        blob += content
    return groups, blob


def make_tree(rng: np.random.Generator, n: int, code: int, model: str) -> dict[str, Any]:
    """Return what the page knows of a run by key."""
    tree = {
        "config.model.name": model,
        "config.search.n_iter": int(rng.choice([10, 20, 40])),
        "config.search.n_splits": 5,
        "config.cv.n_splits": 5 if n % 5 else 10,
        "data.n_rows": 1000 * (code + 1),
        "data.sha256": sha256(str(code).encode()).hexdigest(),
        "code": "a1b2" if n % 9 else "c3d4",
        "git.commit": sha256(str(n // 20).encode()).hexdigest()[:40],
        "versions.sklearn": "1.7.2" if n % 13 else "1.7.1",
        "platform.machine": "x86_64",
        "best.clf__learning_rate": float(rng.choice([0.01, 0.03, 0.1, 0.3])),
    }
    if model != MODELS[0]:
        tree["best.clf__max_depth"] = [None, 3, 6, 12][int(rng.integers(4))]
        tree["best.clf__max_features"] = ["sqrt", "log2"][int(rng.integers(2))]
    return tree


def make_run(rng: np.random.Generator, n: int, dataset: str, model: str) -> Island:
    """Return run n, the newest first; every 17th is not complete, every third hour is a sweep."""
    when = START - timedelta(minutes=7 * n, seconds=int(rng.integers(60)))
    state = STATES[n // 17 % 5] if n % 17 == 16 else "complete"
    is_finished = state in ("complete", "partial")
    place = f"{when:%Y-%m-%d}/{when:%H-%M-%S}_{dataset.replace('/', '_')}_fast_{n:08x}"
    sweep = None
    if n % 60 > 40:
        sweep = f"2026-11-{20 + n // 60 % 9:02}/08-{n // 540 % 60:02}-00_sweep"
        place = f"{sweep}/{n % 60}_model={model.replace('/', '_')},search=fast"
    values = np.clip(rng.normal([0.9, 0.85, 0.8, 0.12, 0.35], 0.03), 0.01, 0.99)
    half = rng.uniform(0.004, 0.03, len(METRICS))
    bounds = {"metrics": values, "low": values - half, "high": values + half}
    promotion: dict[str, Any] = {"name": dataset, "version": n, "served": n == 3}
    if n == 28:
        promotion |= {"version": 0, "challenge": "canary 5%"}
    return {
        "id": f"{n:016x}" if is_finished else None,
        "path": place,
        "href": quote(place),
        "when": f"{when:%Y-%m-%d %H:%M:%S}",
        "dataset": dataset,
        "model": model,
        "search": "fast" if n % 3 else "full",
        "choices": f"model={model} search.n_iter={n % 3 * 20 + 10}",
        "state": state,
        "cause": None if state == "complete" else "ValueError: no rows are left",
        "seconds": round(float(rng.uniform(1, 90)), 1) if is_finished else None,
        "sweep": sweep,
        "files": ["report.html", "train.log", "model_card.md"] if is_finished else ["train.log"],
        "command": f"python -m src.train model={model} search=fast",
        "promoted": [promotion] if n % 25 == 3 and is_finished else [],
        **{k: v.tolist() if is_finished else [None] * len(v) for k, v in bounds.items()},
    }


def make_runs(n_runs: int, *, hostile: bool = False, n_curves: int = 12) -> tuple[Island, bytes]:
    """Return the island of runs and the blob of curves; the first runs of a dataset have one."""
    rng = np.random.default_rng(0)
    datasets = HOSTILE[:4] if hostile else DATASETS
    labels = HOSTILE if hostile else ("label 0", "label 1", "label 2")
    groups, blob = make_groups(rng, datasets, labels, n_curves)
    runs, trees = [], []
    curves: Counter[int] = Counter()
    for n in range(n_runs):
        code = n % 4 if n % 11 else 0
        model = MODELS[int(rng.integers(4))]
        run = make_run(rng, n, datasets[code], HOSTILE[n % 6] if hostile and n % 3 else model)
        tree = make_tree(rng, n, code, model)
        if hostile:
            run |= {"choices": HOSTILE[n % 6], "cause": run["cause"] and HOSTILE[n % 6]}
            tree[f"data.columns.{HOSTILE[n % 6]}"] = HOSTILE[(n + 1) % 6]
        is_finished = run["id"] is not None
        has_curve = is_finished and curves[code] < n_curves
        run |= {
            "group": code if is_finished else None,
            "curve": curves[code] if has_curve else None,
        }
        curves[code] += has_curve
        runs.append(run)
        trees.append(tree if is_finished else {})
    titles = Texts("plots", "en")
    island = {
        "format": 1,
        "language": "en",
        "written": "2026-11-30T08:00:00+00:00",
        "place": "outputs",
        "level": 0.05,
        "metrics": [
            {"name": name, "title": titles.metric(name), "lower": name in LOWER} for name in METRICS
        ],
        "groups": groups,
        **shared(trees, runs),
    }
    return island, blob


def shared(trees: list[dict[str, Any]], runs: list[Island]) -> Island:
    """Return keys, values and common, and the runs with what differs."""
    keys = sorted({key for tree in trees for key in tree})
    texts: dict[str, int] = {}
    for tree in trees:
        for value in tree.values():
            texts.setdefault(json.dumps(value), len(texts))
    coded = [[texts[json.dumps(t[key])] if key in t else -1 for key in keys] for t in trees]
    common = [Counter(column).most_common(1)[0][0] for column in zip(*coded, strict=True)]
    for run, row in zip(runs, coded, strict=True):
        differs = [[key, value] for key, value in enumerate(row) if value != common[key]]
        run["differs"] = differs if run["id"] is not None else None
    return {
        "keys": keys,
        "values": [json.loads(text) for text in texts],
        "common": [list(pair) for pair in enumerate(common)],
        "runs": runs,
    }


def make_page(island: Any, blob: bytes, language: str = "en", curves: str | None = None) -> str:
    """Return the page; curves: text of the element that holds them, if not the blob."""
    scripts = [web.read_script(name) for name in ("plot", "runs")]
    style = "".join(
        (REPORT / name).read_text(encoding="utf-8") for name in ("style.css", "runs.css")
    )
    texts = web.as_json(web.read_texts(language, "common", "runs"))
    if curves is None:
        curves = b64encode(gzip.compress(blob, mtime=0)).decode()
    runs = island.get("runs", []) if isinstance(island, dict) else []
    rows = "".join(f"<tr><td>{escape(str(r['path'])[:80])}</td></tr>" for r in runs[:50])
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{web.policy_of(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>All runs</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<div class="page">
<header class="head"><p class="kind">All runs</p><h1>outputs</h1></header>
<main id="content">
<div id="app"></div>
<div id="static"><div class="scroll" tabindex="0" role="region" aria-label="Runs">
<table><caption>The newest runs</caption>
<thead><tr><th scope="col">Run</th></tr></thead><tbody>{rows}</tbody></table></div></div>
</main>
<footer><p>Written after the newest run.</p></footer>
</div>
<script type="application/json" id="texts">{texts}</script>
<script type="application/json" id="runs">{web.as_json(island)}</script>
<script type="text/plain" id="curves">{curves}</script>
<script>{scripts[0]}</script>
<script>{scripts[1]}</script>
</body>
</html>
"""
