"""docs/scorer.md is complete: a reader written from the page alone has the scorer's bits.

The reader uses no code of tabproof.scorer, no NumPy and no safetensors, as somebody would write
it in another language. Where the page leaves last bits open, so does the reader.
"""

import datetime
import json
import math
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from tabproof.features import ARITHMETIC, DatePart, seconds_of
from tabproof.scorer import format as scorer_format
from tabproof.scorer.encoding import NumberEncoding
from tabproof.scorer.export.parity import columns_of, hard_inputs, hard_rows
from tests.conftest import ROOT
from tests.scorer.fitted import (
    Exported,
    boosting,
    exported,
    mixed_boosting,
    mixed_vote,
    pipeline_of,
    prepared_boosting,
    quadratic_linear,
    scorers_of,
    small_boosting,
    small_vote,
    table,
    vote_of,
)

# --- the reader ---------------------------------------------------------------------------

LETTERS = {"F64": "d", "I32": "i", "U8": "B"}
SYMBOLS = "\u2600-\u27bf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
SYMBOLS += "\uf900-\ufaff\U0001f300-\U0001faff\U00020000-\U0003ffff"
FLOAT32_MAX = (2 - 2**-23) * 2.0**127


def read_arrays(content: bytes) -> dict[str, Any]:
    """Return each array as a list, of lists where it has two dimensions."""
    (n,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + n])
    arrays = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        letter = LETTERS[about["dtype"]]
        data = content[8 + n + begin : 8 + n + end]
        flat = [value for (value,) in struct.iter_unpack(f"<{letter}", data)]
        shape = about["shape"]
        if len(shape) == 2:
            flat = [flat[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0])]
        arrays[name] = flat
    return arrays


def step(name: str, o: float, x: float) -> float:
    """Take one step."""
    if name == "fill":
        return o if math.isnan(x) else x
    if name == "clip_float32":
        return -FLOAT32_MAX if x < -FLOAT32_MAX else FLOAT32_MAX if x > FLOAT32_MAX else x
    if name == "float32":
        return float32(x)
    return {
        "add": lambda: x + o,
        "subtract": lambda: x - o,
        "multiply": lambda: x * o,
        "divide": lambda: x / o,
    }[name]()


def float32(x: float) -> float:
    """Round to the nearest 32-bit float."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def expf(x: float) -> float:
    """Return exp of 32 bits, but for the last bit of one number in ten thousand."""
    return float32(math.exp(x))


def logistic(s: float) -> float:
    try:
        return 1 / (1 + math.exp(-s))
    except OverflowError:
        return 0.0


def in_order(values: Iterable[float]) -> float:
    # sum() corrects its rounding since Python 3.12.
    return reduce(add, values)


def softmax(s: list[float]) -> list[float]:
    powers = [math.exp(x - max(s)) for x in s]
    return [e / in_order(powers) for e in powers]


def logits(of: str, r: list[float]) -> list[float]:
    if of == "sums":
        return [-r[0], r[0]] if len(r) == 1 else r
    if of == "probabilities":
        return [math.log(p + 1e-12) for p in ([1 - r[0], r[0]] if len(r) == 1 else r)]
    p = [float32(1 - r[0]), r[0]] if len(r) == 1 else r
    return [float32(math.log(float32(x + float32(1e-12)))) for x in p]


def staircase(x: list[float], y: list[float], r: float) -> float:
    if r <= x[0]:
        return y[0]
    if r >= x[-1]:
        return y[-1]
    k = max(k for k in range(len(x)) if x[k] <= r)
    return y[k] if x[k] == r else (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (r - x[k]) + y[k]


def tokens(text: str) -> list[str]:
    """Return words, symbols, and pairs of them."""
    found: list[str] = []
    words: list[str] = []
    for run in re.findall(rf"[{SYMBOLS}]|(?:(?![{SYMBOLS}])\w)+|(?:(?![{SYMBOLS}])\W)+", text):
        if re.match(rf"[{SYMBOLS}]", run):
            found.append(run)
            words = []
        elif re.match(r"\w", run):
            found += [run, *(f"{word} {run}" for word in words)]
            words = [run]
    return found + re.findall(rf"(?=([{SYMBOLS}]{{2}}))", text)


def spline(knots: list[float], table: list[list[float]], x: float) -> list[float]:
    if math.isnan(x):
        return table[-1]
    k = max([k for k in range(len(knots)) if knots[k] <= x], default=0)
    if k + 1 == len(knots):
        return table[k]
    t = min(max((x - knots[k]) / (knots[k + 1] - knots[k]), 0.0), 1.0)
    return [a + t * (b - a) for a, b in zip(table[k], table[k + 1], strict=True)]


class Reader:
    """Reads the two files, and scores rows whose cells are numbers, texts or None."""

    def __init__(self, spec: bytes, arrays: bytes) -> None:
        self.spec = json.loads(spec)
        assert self.spec["format"] in (1, 2, 3, 4, 5)
        self.arrays = read_arrays(arrays)

    def proba(self, row: Sequence[float | str | None]) -> list[float]:
        if self.spec.get("inputs"):
            row = [self.made(feature, row) for feature in self.spec["features"]]
        calibration = self.spec.get("calibration")
        if calibration is None:
            return self.uncalibrated(row)
        if calibration["of"] == "sums":
            return self.calibrated(calibration, self.sums(row))
        p = self.uncalibrated(row)
        return self.calibrated(calibration, p[1:] if len(p) == 2 else p)

    def made(self, feature: dict[str, Any], row: Sequence[float | str | None]) -> Any:
        take, index, i = feature["take"], feature.get("index", 0), feature["of"][0]
        cell, arrays = row[i], self.arrays
        if take == "cell":
            return cell
        if take == "code":
            categories = self.spec["inputs"][i]["categories"]
            place = len(categories) + (cell is None)
            place = categories.index(cell) if cell in categories else place
            return arrays[f"inputs.{i}.codes"][place][index]
        if take == "value_code":
            values = arrays[f"inputs.{i}.values"]
            place = len(values) + (cell is None)
            return arrays[f"inputs.{i}.codes"][values.index(cell) if cell in values else place][
                index
            ]
        if take == "text":
            if cell is None or cell == "" or str(cell).isspace():
                return math.nan
            text = str(cell)[:10_000]
            if index == 0:
                return float(len(text))
            counts: dict[int, int] = {}
            for token in tokens(unicodedata.normalize("NFKC", text).casefold()[:10_000]):
                encoded = token.encode("utf-8", "surrogatepass")
                bucket = zlib.crc32(encoded) % self.spec["inputs"][i]["n_buckets"]
                counts[bucket] = counts.get(bucket, 0) + 1
            known = arrays[f"inputs.{i}.buckets"]
            places = [place for place, bucket in enumerate(known) if bucket in counts]
            if not places:
                return 0.0
            w = [math.sqrt(counts[known[p]]) * arrays[f"inputs.{i}.idf"][p] for p in places]
            n = math.sqrt(in_order(x * x for x in w))
            column = [arrays[f"inputs.{i}.table"][p][index - 1] for p in places]
            return in_order(x / n * value for x, value in zip(w, column, strict=True))
        if take == "pair_code":
            places = []
            for k in feature["of"]:
                own = self.spec["inputs"][k]["categories"]
                place = len(own) + (row[k] is None)
                places.append(own.index(row[k]) if row[k] in own else place)
            table = arrays["inputs.{}.{}.codes".format(*feature["of"])]
            return table[places[0] * (len(own) + 2) + places[1]][index]
        if take == "product":
            numbers = zip(feature["of"], feature["means"], strict=True)
            x, y = (0.0 if row[k] is None else float(row[k] or 0) - mean for k, mean in numbers)
            found = x * y
            return step("clip_float32", 0, found) if math.isfinite(found) else math.nan
        if take in ("add", "subtract", "multiply", "divide"):
            x, y = (math.nan if row[k] is None else float(row[k] or 0) for k in feature["of"])
            found = math.nan if take == "divide" and y == 0 else step(take, y, x)
            return step("clip_float32", 0, found) if math.isfinite(found) else math.nan
        seconds = [row[k] for k in feature["of"]]
        if None in seconds:
            return math.nan
        first, *second = (min(max(float(s), -62135596800), 253402300799) for s in seconds)
        if take == "days_between":
            return (second[0] - first) / 86400
        if take == "days":
            return (first - feature.get("newest", 0.0)) / 86400
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=math.floor(first))
        return float(moment.weekday() if take == "weekday" else getattr(moment, take))

    def uncalibrated(self, row: Sequence[float | str | None]) -> list[float]:
        if self.spec["model"]["kind"] == "vote":
            return self.average(row)
        return self.linked(self.sums(row))

    def sums(self, row: Sequence[float | str | None]) -> list[float]:
        parts = [self.features(i, cell) for i, cell in enumerate(row)]
        trees = self.spec["model"]["kind"] == "trees"
        return self.sums_of_trees(parts) if trees else self.weighted_sums(parts)

    def calibrated(self, calibration: dict[str, Any], r: list[float]) -> list[float]:
        if calibration["kind"] == "temperature":
            return softmax([calibration["factor"] * x for x in logits(calibration["of"], r)])
        c = []
        for i, x in enumerate(r):
            if calibration["kind"] == "sigmoid":
                c.append(logistic(-(calibration["slopes"][i] * x + calibration["intercepts"][i])))
            else:
                points = (self.arrays[f"calibration.{i}.{name}"] for name in "xy")
                c.append(min(staircase(*points, x), 1.0))
        if len(c) == 1:
            return [1 - c[0], c[0]]
        return [x / in_order(c) if any(c) else 1 / len(c) for x in c]

    def average(self, row: Sequence[float | str | None]) -> list[float]:
        sums = [0.0] * len(self.spec["labels"])
        members = self.spec["model"]["members"]
        for m, member in enumerate(members):
            for j, p in enumerate(self.member(m, member).uncalibrated(row)):
                sums[j] += member["weight"] * p
        return [s / in_order(member["weight"] for member in members) for s in sums]

    def member(self, m: int, member: dict[str, Any]) -> "Reader":
        reader, prefix = Reader.__new__(Reader), f"members.{m}."
        columns = zip(self.spec["columns"], member["steps"], strict=True)
        columns = [{**column, "steps": steps} for column, steps in columns]
        reader.spec = {**self.spec, "columns": columns, "model": member["model"]}
        reader.arrays = {k.removeprefix(prefix): v for k, v in self.arrays.items() if prefix in k}
        return reader

    def features(self, i: int, cell: float | str | None) -> list[float]:
        column = self.spec["columns"][i]
        if column["kind"] == "number":
            x = math.nan if cell is None else float(cell)
            if f"knots.{i}" in self.arrays:
                return spline(self.arrays[f"knots.{i}"], self.arrays[f"codes.{i}"], x)
            for name, o in column.get("steps", []):
                x = step(name, o, x)
            return [x]
        categories = column["categories"]
        if cell is None:
            place = len(categories) + 1
        else:
            place = categories.index(cell) if cell in categories else len(categories)
        row: list[float] = self.arrays[f"codes.{i}"][place]
        return row

    def sums_of_trees(self, parts: list[list[float]]) -> list[float]:
        features = [x for part in parts for x in part]
        sums = list(self.spec["model"]["baseline"])
        values = self.arrays["trees.values"]
        in_32_bits = self.spec["model"]["link"].endswith("float32")
        root = leaves_before = 0
        for t, n_nodes in enumerate(self.arrays["trees.n_nodes"]):
            node = self.leaf(root, features)
            leaf = sum(f < 0 for f in self.arrays["trees.feature"][root:node])
            g, width = t % self.spec["model"]["n_groups"], len(values[0])
            for j, value in enumerate(values[leaves_before + leaf]):
                total = sums[g * width + j] + value
                sums[g * width + j] = float32(total) if in_32_bits else total
            leaves_before += sum(f < 0 for f in self.arrays["trees.feature"][root : root + n_nodes])
            root += n_nodes
        return sums

    def leaf(self, root: int, features: list[float]) -> int:
        k = root
        while self.arrays["trees.feature"][k] >= 0:
            left = self.goes_left(k, features[self.arrays["trees.feature"][k]])
            k = k + 1 if left else root + self.arrays["trees.right"][k]
        return k

    def goes_left(self, k: int, x: float) -> bool:
        missing_left = self.arrays["trees.missing_left"][k] != 0
        number = self.arrays["trees.category_set"][k]
        if math.isnan(x):
            return bool(missing_left)
        if number < 0:
            return bool(x <= self.arrays["trees.threshold"][k])
        if x < 0 or x >= 256:
            return bool(missing_left)
        code = int(x)
        return bool(self.arrays["trees.left_codes"][number][code // 8] >> code % 8 & 1)

    def weighted_sums(self, parts: list[list[float]]) -> list[float]:
        sums = []
        for total, weights in zip(
            self.arrays["intercepts"], self.arrays["coefficients"], strict=True
        ):
            first = 0
            for part in parts:
                products = [x * weights[first + i] for i, x in enumerate(part)]
                first += len(part)
                total += products[0] if len(products) == 1 else in_order(products)
            sums.append(total)
        return sums

    def linked(self, s: list[float]) -> list[float]:
        link = self.spec["model"]["link"]
        if link == "logistic":
            p = logistic(s[0])
            return [1 - p, p]
        if link == "softmax":
            return softmax(s)
        if link == "logistic_float32":
            p = float32(1 / float32(expf(min(-s[0], float32(88.7))) + 1))
            return [float32(1 - p), p]
        if link == "softmax_float32":
            powers = [expf(float32(x - max(s))) for x in s]
            return [float32(e / float32(in_order(powers))) for e in powers]
        n = len(self.arrays["trees.n_nodes"]) / self.spec["model"]["n_groups"]
        return [x / n for x in s]

    def label(self, proba: list[float]) -> str:
        labels: list[str] = self.spec["labels"]
        if self.spec["threshold"] is not None:
            return labels[1] if proba[1] > self.spec["threshold"] else labels[0]
        return labels[proba.index(max(proba))]


# --- the proof ----------------------------------------------------------------------------


def case_of(
    preprocess: str, estimator: Any, n_classes: int, calibration: str | None = None
) -> Exported:
    rows = table(n_rows=120, n_classes=n_classes)
    return exported(pipeline_of(preprocess, clone(estimator)), *rows, calibration=calibration)


def vote_of_trees() -> Exported:
    members = {
        "forest": pipeline_of("ordinal", FOREST),
        "boosting": pipeline_of("native", boosting(max_iter=3)),
    }
    return exported(vote_of(members, weights=[0.3, 1.7]), *table(n_rows=120))


def vote_with_splines() -> Exported:
    members = {
        "linear": pipeline_of("splines", LogisticRegression()),
        "boosting": pipeline_of("native", boosting(max_iter=3)),
    }
    return exported(vote_of(members), *table(n_rows=120, n_classes=3))


XGBOOST = XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1, random_state=0)
FOREST = RandomForestClassifier(3, max_leaf_nodes=9, random_state=0)
SMALL = boosting(max_iter=3)
# The allowed difference: the page fixes all bits but those of NumPy's exp and of BLAS's order.
CASES: dict[str, tuple[Callable[[], Exported], float]] = {
    "boosting": (small_boosting, 0.0),
    "dates, texts and many categories": (mixed_boosting, 0.0),
    "dates and texts, vote": (mixed_vote, 1e-12),
    "prepared features": (prepared_boosting, 0.0),
    "linear, products and shares": (quadratic_linear, 1e-12),
    "boosting, three labels": (lambda: small_boosting(3), 1e-15),
    "forest, one-hot, three labels": (lambda: case_of("onehot", FOREST, 3), 0.0),
    "linear, three labels": (lambda: case_of("onehot", LogisticRegression(), 3), 1e-12),
    "linear, splines": (lambda: case_of("splines", LogisticRegression(), 2), 1e-12),
    "vote with splines": (lambda: vote_with_splines(), 1e-12),
    "32 bits, three labels": (lambda: case_of("ordinal", XGBOOST, 3), 1.2e-7),
    "vote, three labels, weights": (lambda: small_vote(3, (3, 0.5, 1)), 1e-12),
    "vote of trees": (lambda: vote_of_trees(), 0.0),
    "sigmoid": (lambda: case_of("native", SMALL, 2, "sigmoid"), 0.0),
    "sigmoid, three labels": (lambda: case_of("ordinal", FOREST, 3, "sigmoid"), 0.0),
    "isotonic": (lambda: case_of("ordinal", FOREST, 2, "isotonic"), 0.0),
    "isotonic, three labels": (lambda: case_of("native", SMALL, 3, "isotonic"), 0.0),
    "isotonic, 32 bits": (lambda: case_of("ordinal", XGBOOST, 2, "isotonic"), 1e-5),
    "temperature": (lambda: case_of("native", SMALL, 2, "temperature"), 1e-15),
    "temperature, three labels": (lambda: case_of("ordinal", FOREST, 3, "temperature"), 1e-14),
    "temperature, 32 bits": (lambda: case_of("ordinal", XGBOOST, 2, "temperature"), 1e-5),
    "temperature, vote": (lambda: small_vote(calibration="temperature"), 1e-12),
}
# What the page says of these is in the cases above, in two parts.
BREADTH: dict[str, tuple[Callable[[], Exported], float]] = {
    "boosting, one-hot": (lambda: case_of("onehot", SMALL, 2), 0.0),
    "forest": (lambda: case_of("ordinal", FOREST, 2), 0.0),
    "linear": (lambda: case_of("onehot", LogisticRegression(), 2), 1e-12),
    "32 bits": (lambda: case_of("ordinal", XGBOOST, 2), 1.2e-7),
    "temperature, linear": (
        lambda: case_of("onehot", LogisticRegression(), 3, "temperature"),
        1e-12,
    ),
    "temperature, forest": (lambda: case_of("ordinal", FOREST, 2, "temperature"), 1e-14),
}
MAKERS = [
    *(pytest.param(*case, id=name) for name, case in CASES.items()),
    *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in BREADTH.items()),
]


@pytest.mark.parametrize(("make", "allowed"), MAKERS)
def test_the_page_suffices(make: Callable[[], Exported], allowed: float) -> None:
    case = make()
    assert_arrays_are_named(case)
    reader = Reader(case.files["scorer/scorer.json"], case.files["scorer/arrays.safetensors"])
    rng = np.random.default_rng(0)
    make = hard_rows if case.scorer.inputs is None else hard_inputs
    for what, frame in make(case.scorer, case.X_test[:15], rng, whole=False):
        some = frame.iloc[:20]
        cells = some.astype("object").where(some.notna(), None)
        for name in some.select_dtypes("datetime"):
            seconds = pd.Series(seconds_of(some[name].to_numpy("datetime64[us]")), some.index)
            cells[name] = seconds.astype("object").where(some[name].notna(), None)
        proba = [reader.proba(row) for row in cells.itertuples(index=False)]
        for scorer in scorers_of(case.files).values():
            found = scorer.predict_proba(columns_of(scorer, some))
            np.testing.assert_allclose(proba, found, rtol=0, atol=allowed, err_msg=what)
            for ours, theirs in zip(found.tolist(), proba, strict=True):
                assert reader.label(ours) == scorer.label_of(ours)
                assert reader.label(theirs) == reader.label(ours)


def assert_arrays_are_named(case: Exported) -> None:
    arrays = scorer_format.load(case.files[scorer_format.ARRAYS])
    names = {re.sub(r"^members\.\d+\.", "", name) for name in arrays}
    names = {re.sub(r"^inputs\.\d+\.\d+", "inputs.<i>.<j>", name) for name in names}
    names = {re.sub(r"^(codes|knots|calibration|inputs)\.\d+", r"\1.<i>", name) for name in names}
    assert names <= words_of_page()


def words_of_page() -> set[str]:
    return set(re.findall(r"`([a-z0-9_.<>]+)`", page()))


def page() -> str:
    return (ROOT / "docs" / "scorer.md").read_text(encoding="utf-8")


def test_the_page_names_every_field_step_and_link() -> None:
    spec = json.loads(small_boosting().files["scorer/scorer.json"])
    expected = {*spec, *spec["columns"][1], *spec["model"], "steps"}
    for kind in (scorer_format.Operation, scorer_format.Link, scorer_format.Response):
        expected |= set(kind.__args__)
    expected |= {"cell", "code", "text", "days_between", "pair_code"}
    expected |= {*get_args(DatePart), *ARITHMETIC}
    expected |= {*scorer_format.FeatureSpec.__struct_fields__, "n_buckets"}
    for kind in scorer_format.CalibrationSpec.__args__:
        expected |= {kind.__struct_config__.tag, *kind.__struct_fields__}
    expected |= {"members.<m>.", *scorer_format.MemberSpec.__struct_fields__, "members"}
    assert expected <= words_of_page()


def test_the_pages_example_is_a_scorer_json() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    spec = scorer_format.msgspec.json.decode(example, type=scorer_format.ScorerSpec)
    assert spec.format == scorer_format.FORMAT
    assert f"| {scorer_format.FORMAT} | " in page()
    number = spec.columns[0]
    assert isinstance(number, scorer_format.NumberSpec)
    assert NumberEncoding("age", tuple(number.steps)).apply(math.nan) == 0.0
