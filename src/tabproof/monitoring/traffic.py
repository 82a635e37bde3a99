"""Whether a challenger is better than the current version on the requests of clients."""

from functools import partial
from pathlib import Path

from tabproof.artifacts import read_complete_run
from tabproof.errors import UserError
from tabproof.evaluation.comparison import Comparison
from tabproof.monitoring.check import check_log
from tabproof.monitoring.log_files import log_place, opened_log
from tabproof.text import counted


class NotComparedError(UserError):
    """The log does not show whether a run is better."""

    exit_code = 2
    template = "not promoted: {log} cannot tell whether {run_id} is better: {reason}"


def compare_on_traffic(
    model: str,
    run_id: str,
    current: Path,
    *,
    log: str | None,
    since: str,
    outputs: Path,
    models: Path,
) -> Comparison:
    """Compare a challenger with the current version on labelled rows that both have scored.

    Parameters
    ----------
    model : the name in the log.
    run_id : the challenger's.
    current : the directory of the current version.
    log, since : as in `check`.

    Raises
    ------
    NotComparedError
        There are no such rows, or too few with a label.
    """
    refuse = partial(NotComparedError, log=log_place(log), run_id=run_id)
    champion = read_complete_run(current).summary
    with opened_log(log, model) as root:
        found = check_log(root, models=models, outputs=outputs, model=model, since=since)
    (checked,) = found.models
    pairs = [
        each
        for each in checked.challengers
        if (each.run_id, each.champion) == (run_id, champion.run_id)
    ]
    if not pairs:
        known = f"it was no challenger of {champion.run_id} since {since}"
        raise refuse(reason=f"{known}; python -m src.runs challenge {run_id} --name {model}")
    (pair,) = pairs
    # The order is that of compare_in_all: with two labels the AUC decides.
    is_decided = pair.tests and (pair.tests[0].metric == "AUC" or len(champion.labels) > 2)
    if not is_decided:
        reasons = [each.reason for each in pair.left_out]
        rows = f"{counted(pair.n_labelled, 'row')} of both with a label"
        raise refuse(reason="; ".join([rows, *reasons]))
    test = pair.tests[0]
    return Comparison(test.metric, test.test, test.challenger, test.champion, test.p_value)
