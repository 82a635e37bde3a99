"""Compare what a challenger would have answered with what the champion answered."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tabproof.evaluation_result import Estimate
from tabproof.monitoring.counting import CHALLENGER, Window
from tabproof.monitoring.database import Table, quoted, text
from tabproof.monitoring.known_labels import KNOWN, MAX_MEASURED
from tabproof.monitoring.performance import MIN_ROWS_OF_CLASS
from tabproof.monitoring.result import MIN_ROWS, Challenge, LeftOut, PairedTest
from tabproof.prediction_log.layout import PROBABILITY

CHAMPION = "champion"


def compare_challenger(
    table: Table,
    period: Window,
    challenger: str,
    champion: str,
    n_challenger: int,
    labels: Sequence[Sequence[str]],
    thresholds: tuple[float | None, float | None],
) -> Challenge | None:
    """Compare both on the rows that both have scored; None where there is none.

    challenger, champion : run ids. n_challenger : logged rows of the challenger. labels,
    thresholds : of both, in this order.
    """
    # Requests are drawn by a hash, the same ones on both sides.
    every = max(1, math.ceil(n_challenger / MAX_MEASURED))
    drawn = "" if every == 1 else f" AND hash(request_id) % {every} = 0"
    ours, theirs = labels
    is_same = set(ours) == set(theirs)
    # In the challenger's order.
    shown = ours if is_same else ()
    columns = "".join(
        f", first({quoted(PROBABILITY + label)}) AS p{i}" for i, label in enumerate(shown)
    )

    def side(run_id: str, role: str) -> str:
        # A request id that a client used twice identifies neither request.
        return (
            f'(SELECT request_id, "row", first(label) AS label{columns} FROM {table.name}'
            f" WHERE run_id = {text(run_id)} AND role = {text(role)} AND {period.condition}{drawn}"
            ' GROUP BY request_id, "row" HAVING count(*) = 1)'
        )

    probas = "".join(f", {side}.p{i} AS {side}{i}" for side in "ab" for i in range(len(shown)))
    found = table.arrays(
        f"SELECT a.label AS ours, b.label AS theirs, k.truth AS truth{probas}"
        f" FROM {side(challenger, CHALLENGER)} AS a JOIN {side(champion, CHAMPION)} AS b"
        ' ON a.request_id = b.request_id AND a."row" = b."row"'
        f" LEFT JOIN {KNOWN} AS k"
        ' ON a.request_id = k.request_id AND a."row" = k."row"'
        ' ORDER BY a.request_id, a."row"'
    )
    n_rows = len(found["ours"])
    if n_rows == 0:
        return None
    from tabproof.evaluation.intervals import share_interval

    agreement = float((found["ours"] == found["theirs"]).mean())
    left_out: list[LeftOut] = []
    mean_difference, n_labelled, tests = None, 0, list[PairedTest]()
    if is_same:
        a, b = (_proba(found, side, len(shown)) for side in ("a", "b"))
        apart = np.abs(a - b)
        apart = apart[~np.isnan(apart).any(axis=1)]
        if len(apart):
            by_label = apart.mean(axis=0)
            mean_difference = float(by_label[1] if len(shown) == 2 else by_label.max())
        n_labelled, tests = _tests(found, ours, a, b, thresholds, left_out)
    else:
        left_out.append(LeftOut("tests against the champion", "the labels of both differ"))
    return Challenge(
        run_id=challenger,
        champion=champion,
        n_rows=n_rows,
        agreement=Estimate(agreement, *share_interval(agreement, n_rows)),
        mean_difference=mean_difference,
        n_labelled=n_labelled,
        tests=tests,
        left_out=left_out,
    )


def _proba(found: dict[str, Any], side: str, n_labels: int) -> Any:
    columns = [np.ma.filled(found[f"{side}{i}"].astype(float), np.nan) for i in range(n_labels)]
    return np.column_stack([np.asarray(column) for column in columns])


def _tests(
    found: dict[str, Any],
    labels: Sequence[str],
    a: Any,
    b: Any,
    thresholds: tuple[float | None, float | None],
    left_out: list[LeftOut],
) -> tuple[int, list[PairedTest]]:
    """Return the number of labelled rows, and the tests on them."""
    from tabproof.evaluation.comparison import compare_in_all

    code_of: dict[Any, int] = {label: code for code, label in enumerate(labels)}
    truth = np.ma.getdata(found["truth"])
    gone = np.ma.getmaskarray(found["truth"])
    y = np.array(
        [
            -1 if missing else code_of.get(each, -1)
            for each, missing in zip(truth, gone, strict=True)
        ]
    )
    usable = (y >= 0) & ~np.isnan(a).any(axis=1) & ~np.isnan(b).any(axis=1)
    n_labelled = int(usable.sum())
    what = "tests against the champion"
    if n_labelled < MIN_ROWS:
        reason = f"{n_labelled} rows of both have a label, and {MIN_ROWS} are needed"
        left_out.append(LeftOut(what, reason))
        return n_labelled, []
    rarest = int(np.bincount(y[usable], minlength=len(labels)).min())
    if rarest < MIN_ROWS_OF_CLASS and len(labels) == 2:
        reason = f"a label has {rarest} rows, and {MIN_ROWS_OF_CLASS} of each are needed"
        left_out.append(LeftOut("the test of the AUC", reason))
    if rarest == 0:
        # Without a row of a class there is no AUC to test, and the function tests both.
        left_out.append(LeftOut("the test of the accuracy", "a label has no row"))
        return n_labelled, []
    tests = [
        PairedTest(test.metric, test.test, test.candidate, test.current, test.p_value)
        for test in compare_in_all(y[usable], a[usable], b[usable], thresholds)
        if test.metric != "AUC" or rarest >= MIN_ROWS_OF_CLASS
    ]
    return n_labelled, tests
