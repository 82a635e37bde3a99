"""Compare what a challenger would have answered with what the champion answered."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.auc import Codes
from tabproof.evaluation_result import Estimate
from tabproof.monitoring.counting import CHALLENGER, Window
from tabproof.monitoring.database import Table, quoted, text
from tabproof.monitoring.known_labels import KNOWN, MAX_MEASURED, mondays
from tabproof.monitoring.performance import MIN_ROWS_OF_CLASS, by_week, measure_rows
from tabproof.monitoring.result import MIN_ROWS, Challenge, ChallengeWeek, LeftOut, PairedTest
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
            '(SELECT request_id, "row", first(label) AS label,'
            f" first(epoch_us(time)) AS at{columns} FROM {table.name}"
            f" WHERE run_id = {text(run_id)} AND role = {text(role)} AND {period.condition}{drawn}"
            ' GROUP BY request_id, "row" HAVING count(*) = 1)'
        )

    probas = "".join(f", {side}.p{i} AS {side}{i}" for side in "ab" for i in range(len(shown)))
    found = table.arrays(
        f"SELECT a.label AS ours, b.label AS theirs, b.at AS at, k.truth AS truth{probas}"
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
    weeks: list[ChallengeWeek] = []
    if is_same:
        a, b = (_proba(found, side, len(shown)) for side in ("a", "b"))
        apart = np.abs(a - b)
        apart = apart[~np.isnan(apart).any(axis=1)]
        if len(apart):
            by_label = apart.mean(axis=0)
            mean_difference = float(by_label[1] if len(shown) == 2 else by_label.max())
        y = _codes(found["truth"], ours)
        usable = (y >= 0) & ~np.isnan(a).any(axis=1) & ~np.isnan(b).any(axis=1)
        n_labelled, y, a, b = int(usable.sum()), y[usable], a[usable], b[usable]
        tests = _tests(y, a, b, ours, thresholds, left_out)
        codes = [_codes(found[side], ours)[usable] for side in ("ours", "theirs")]
        week = mondays(np.asarray(found["at"], np.int64)[usable])
        weeks = list(_weeks(week, y, (a, b), codes, thresholds, left_out))
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
        weeks=weeks,
    )


def _proba(found: dict[str, Any], side: str, n_labels: int) -> Any:
    columns = [np.ma.filled(found[f"{side}{i}"].astype(float), np.nan) for i in range(n_labels)]
    return np.column_stack([np.asarray(column) for column in columns])


def _codes(found: Any, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return labels as codes, -1 where there is none, or another one."""
    code_of: dict[Any, int] = {label: code for code, label in enumerate(labels)}
    gone = np.ma.getmaskarray(found)
    return np.array(
        [
            -1 if missing else code_of.get(each, -1)
            for each, missing in zip(np.ma.getdata(found), gone, strict=True)
        ],
        np.int64,
    )


def _weeks(
    week: NDArray[np.int64],
    y: Codes,
    probas: tuple[Any, Any],
    predicted: Sequence[Codes],
    thresholds: tuple[float | None, float | None],
    left_out: list[LeftOut],
) -> Iterator[ChallengeWeek]:
    """Yield the metrics of both by week, where there are enough rows with a label."""
    for monday, of_week in by_week(week):
        n_rows = int(of_week.sum())
        if n_rows < MIN_ROWS:
            reason = f"{n_rows} rows of both have a label, and {MIN_ROWS} are needed"
            left_out.append(LeftOut(f"both in the week of {monday}", reason))
            continue
        (ours, missing), (theirs, _) = (
            measure_rows(
                y[of_week], proba[of_week], codes[of_week], proba.shape[1], threshold, None
            )
            for proba, codes, threshold in zip(probas, predicted, thresholds, strict=True)
        )
        if missing:
            left_out.append(LeftOut(f"AUC of both in the week of {monday}", missing))
        yield ChallengeWeek(monday, n_rows, ours, theirs)


def _tests(
    y: Codes,
    a: Any,
    b: Any,
    labels: Sequence[str],
    thresholds: tuple[float | None, float | None],
    left_out: list[LeftOut],
) -> list[PairedTest]:
    """Return the tests on labelled rows. y : codes, (n_rows,). a, b : probabilities of both."""
    from tabproof.evaluation.comparison import compare_in_all

    n_labelled = len(y)
    what = "tests against the champion"
    if n_labelled < MIN_ROWS:
        reason = f"{n_labelled} rows of both have a label, and {MIN_ROWS} are needed"
        left_out.append(LeftOut(what, reason))
        return []
    rarest = int(np.bincount(y, minlength=len(labels)).min())
    if rarest < MIN_ROWS_OF_CLASS and len(labels) == 2:
        reason = f"a label has {rarest} rows, and {MIN_ROWS_OF_CLASS} of each are needed"
        left_out.append(LeftOut("the test of the AUC", reason))
    if rarest == 0:
        # Without a row of a class there is no AUC to test, and the function tests both.
        left_out.append(LeftOut("the test of the accuracy", "a label has no row"))
        return []
    return [
        PairedTest(test.metric, test.test, test.candidate, test.current, test.p_value)
        for test in compare_in_all(y, a, b, thresholds)
        if test.metric != "AUC" or rarest >= MIN_ROWS_OF_CLASS
    ]
