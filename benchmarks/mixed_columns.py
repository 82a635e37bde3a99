"""Dates and texts: what they are worth, and what they cost: `python -m benchmarks.mixed_columns`.

The first table has the AUC on 3,000 rows of a planted signal: every eighth remark holds one of two
words, which doubles the odds of the label several times; the mean of five seeds. `marked` is told
which remarks hold a word. The second has the time of one row of five dates and five texts: of its
features, of the scorer, and of the answer to /predict without the network. Times are CPU
microseconds of one thread, the median of 300 rows.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from statistics import mean, median
from time import process_time
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline as make_sklearn_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tabproof.modeling import ColumnFeatures, make_pipeline
from tabproof.schema import Column, DateColumn, NumberColumn, Schema, TextColumn
from tabproof.scorer import read_scorer
from tabproof.scorer.export import export_pipeline
from tabproof.scorer.export.parity import columns_of
from tabproof.service.rows import RowReader, decode_row

N_HELD_OUT, N_SEEDS, N_ROWS_ALONE = 3_000, 5, 300
WORDS = {"words": ("complaint", "cancel"), "Japanese": ("苦情", "解約")}
SYLLABLES = (
    "顧客連絡済電話対応確認中再度訪問予定契約更新見積依頼資料送付担当変更希望無料体験参加日程調整"
)
Rows = tuple[pd.DataFrame, Any, Any]


def planted(language: str, n_rows: int, seed: int) -> Rows:
    """Return numbers and remarks, the labels, and which remarks hold one of two words."""
    rng = np.random.default_rng(seed)
    letters = [*(SYLLABLES if language == "Japanese" else "abcdefghijklmnopqrstuvwxyz")]
    n_letters = [2] if language == "Japanese" else range(3, 9)
    known = ["".join(rng.choice(letters, rng.choice([*n_letters]))) for _ in range(600)]
    share = 1 / np.arange(1, len(known) + 1)
    hit = rng.random(n_rows) < 0.12
    remarks = []
    for is_hit in hit:
        words = list(rng.choice(known, rng.integers(4, 14), p=share / share.sum()))
        if is_hit:
            words.insert(rng.integers(len(words)), rng.choice(WORDS[language]))
        remarks.append(("" if language == "Japanese" else " ").join(words))
    frame = pd.DataFrame(
        {"age": rng.normal(40, 10, n_rows), "income": rng.lognormal(3, 1, n_rows)}
    ).assign(remarks=pd.Series(remarks, dtype="str"))
    odds = 0.06 * (frame["age"] - 40) + 0.3 * (np.log(frame["income"]) - 3) + 2 * hit - 0.8
    return frame, (rng.random(n_rows) < 1 / (1 + np.exp(-odds))).to_numpy(dtype=int), hit


def boosting() -> HistGradientBoostingClassifier:
    """Return boosting as in conf/estimator/hist_gradient_boosting_small.yaml, but quicker."""
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=8, max_iter=150, l2_regularization=5.0, random_state=0
    )


def area(
    rows: Rows,
    n_train: int,
    columns: Sequence[str],
    model: Any,
    n_topics: int = 0,
    without: str = "",
) -> float:
    """Return the AUC on the rows behind the first n_train; without: features that are left out."""
    frame, y, hit = rows
    frame = frame.assign(hit=hit.astype(float))[[*columns]]
    features = ColumnFeatures(text_components=n_topics, random_state=0)
    train = features.fit_transform(frame[:n_train], y[:n_train])
    kept = [name for name in train if not without or without not in name]
    if isinstance(model, LogisticRegression):
        model = make_sklearn_pipeline(SimpleImputer(), StandardScaler(), model)
    model.fit(train[kept], y[:n_train])
    test = features.transform(frame[n_train:])[kept]
    return float(roc_auc_score(y[n_train:], model.predict_proba(test)[:, 1]))


def area_of_characters(rows: Rows, n_train: int, language: str) -> float:
    """Return the AUC of a logistic regression on TF-IDF of characters, and the numbers."""
    frame, y, _ = rows
    kind, sizes = ("char", (1, 3)) if language == "Japanese" else ("char_wb", (2, 5))
    tfidf = TfidfVectorizer(analyzer=kind, ngram_range=sizes, sublinear_tf=True)
    numbers = StandardScaler().fit(frame[["age", "income"]][:n_train])
    tfidf.fit(frame["remarks"][:n_train])

    def matrix(part: pd.DataFrame) -> Any:
        scaled = csr_array(numbers.transform(part[["age", "income"]]))
        return hstack([scaled, tfidf.transform(part["remarks"])]).tocsr()

    model = LogisticRegression(max_iter=300).fit(matrix(frame[:n_train]), y[:n_train])
    proba = model.predict_proba(matrix(frame[n_train:]))[:, 1]
    return float(roc_auc_score(y[n_train:], proba))


def print_worth() -> None:
    """Print the first table."""
    numbers, all_columns = ("age", "income"), ("age", "income", "remarks")
    ways: dict[str, Callable[[Rows, int, Any], float]] = {
        "numbers alone": lambda rows, n, model: area(rows, n, numbers, model),
        "score": lambda rows, n, model: area(rows, n, all_columns, model),
        "score, 16 topics": lambda rows, n, model: area(rows, n, all_columns, model, 16),
        "16 topics alone": lambda rows, n, model: area(rows, n, all_columns, model, 16, "(score"),
        "marked": lambda rows, n, model: area(rows, n, (*numbers, "hit"), model),
    }
    print(f"{'AUC':<10}{'rows':>6}  {'model':<10}" + "".join(f"{way:>18}" for way in ways))
    for language in WORDS:
        for n_train in (1_000, 3_000):
            tables = [planted(language, n_train + N_HELD_OUT, seed) for seed in range(N_SEEDS)]
            for name, make in (("boosting", boosting), ("linear", LogisticRegression)):
                found = [mean(way(t, n_train, make()) for t in tables) for way in ways.values()]
                figures = "".join(f"{value:18.3f}" for value in found)
                print(f"{language:<10}{n_train:6}  {name:<10}{figures}", flush=True)
            characters = mean(area_of_characters(t, n_train, language) for t in tables)
            print(f"{'':<10}{'':>6}  TF-IDF of characters, linear: {characters:.3f}", flush=True)


def print_cost() -> None:
    """Print the second table."""
    rng = np.random.default_rng(0)
    frame, y, _ = planted("words", 2_000, 0)
    start, second = np.datetime64("2020-01-01", "us"), np.timedelta64(1, "s")
    columns: list[Column] = []
    for number in range(5):
        frame[f"date {number}"] = start + rng.integers(0, 10**8, len(frame)) * second
        frame[f"text {number}"] = rng.permutation(frame["remarks"])
    frame = frame.drop(columns="remarks").astype({f"text {n}": "str" for n in range(5)})
    pipeline = make_pipeline({}, {}, boosting(), seed=0).fit(frame, y)
    scorer = read_scorer(export_pipeline(pipeline, frame, ["no", "yes"]))
    for name, dtype in frame.dtypes.items():
        if dtype.kind == "M":
            columns.append(DateColumn(str(name), 1.5e9, 1.7e9, 0.0))
        elif dtype == "float64":
            columns.append(NumberColumn(str(name), -1e9, 1e9, 0.0))
        else:
            columns.append(TextColumn(str(name), 100, 0.0))
    reader = RowReader(Schema(tuple(columns), "y", ("no", "yes"), len(frame)), scorer)
    some = frame.head(N_ROWS_ALONE)
    rows = list(zip(*(column.tolist() for column in columns_of(scorer, some)), strict=True))
    texts = some.assign(**{f"date {n}": some[f"date {n}"].astype(str) for n in range(5)})
    bodies = [msgspec.json.encode({"features": row}) for row in texts.to_dict("records")]

    def answer(body: bytes) -> None:
        proba = scorer.predict_row(reader.read(decode_row(body), []))
        msgspec.json.encode({"pred_proba": proba[1], "label": scorer.label_of(proba)})

    maker = scorer.inputs.maker if scorer.inputs else None
    works: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {}
    if maker is not None:
        works["features of 5 dates, 6 pairs, 5 texts"] = (maker.of_row, rows)
        text = maker.texts[3]
        works["features of one text"] = (text.features, [row[3] for row in rows])
    works["scorer"] = (scorer.predict_row, rows)
    works["JSON in, scorer, JSON out"] = (answer, bodies)
    print(f"\n{'one row, five dates and five texts':<44}{'us':>8}")
    for name, (work, cells) in works.items():
        times = []
        for cell in cells:
            begin = process_time()
            for _ in range(5):
                work(cell)
            times.append((process_time() - begin) / 5)
        print(f"{name:<44}{1e6 * median(times):8.1f}", flush=True)


def main() -> int:
    """Return the exit code."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print_worth()
        print_cost()
    return 0


if __name__ == "__main__":
    sys.exit(main())
