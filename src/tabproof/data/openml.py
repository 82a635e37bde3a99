"""Tables of OpenML, downloaded once, checked every time, cached in scikit-learn's layout."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from sklearn import datasets
from sklearn.datasets import fetch_openml
from sklearn.utils import Bunch
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from tabproof.data.errors import DamagedCacheError, DownloadError, NoTargetError
from tabproof.data.table import Table, Wishes, make_table

# --- Tables that come with scikit-learn: no network, no files.

log = logging.getLogger(__name__)


def load_builtin(name: str, pos_label: str | None = None, aside: Sequence[str] = ()) -> Table:
    """Load `breast_cancer`, `digits`, `iris` or `wine`."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    labels = [str(label) for label in bunch.target_names]
    codes = bunch.target.to_numpy()
    frame = bunch.data.assign(target=[labels[code] for code in codes])
    # A pixel that is the same in all images says nothing, and the table is not ours to edit.
    constant = [column for column in frame.columns if frame[column].nunique() == 1]
    if constant:
        log.info("%s: %d columns hold one value only and are left out", name, len(constant))
    wishes = Wishes(target="target", pos_label=pos_label, aside=aside)
    return make_table(f"builtin_{name}", frame.drop(columns=constant), wishes)


def load_openml(
    name: str,
    version: int,
    pos_label: str | None = None,
    data_home: str = "data_cache",
    n_retries: int = 4,
    aside: Sequence[str] = (),
) -> Table:
    """Load a table by name and version; with no network once it is cached."""
    home = Path(data_home)
    bunch = _fetch(name, version, home, n_retries)
    if getattr(bunch.target, "name", None) is None:
        raise NoTargetError(name, version)
    target = bunch.target.name
    frame = bunch.data.assign(**{target: bunch.target})
    wishes = Wishes(target=target, pos_label=pos_label, aside=aside)
    return make_table(f"openml_{name.replace('-', '_')}", frame, wishes)


def _fetch(name: str, version: int, home: Path, n_retries: int) -> Bunch:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bunch = _retrying(n_retries)(
                fetch_openml,
                name,
                version=version,
                data_home=home,
                as_frame=True,
                parser="pandas",
                # The waits between tries are ours: they grow.
                n_retries=1,
                delay=0.1,
            )
        except (OSError, ValueError, EOFError) as error:
            # scikit-learn checks the checksum at every load, warns, deletes what is
            # damaged and downloads it again; offline, that ends here.
            damaged = any("Invalid cache" in str(w.message) for w in caught)
            kind = DamagedCacheError if damaged else DownloadError
            raise kind(name, version, home, _reason(error)) from error
    for warning in caught:
        log.warning("OpenML %s: %s", name, warning.message)
    return bunch


def _retrying(n_retries: int) -> Retrying:
    return Retrying(
        stop=stop_after_attempt(n_retries + 1),
        wait=wait_exponential(multiplier=1, max=30),
        retry=retry_if_exception(_may_pass),
        before_sleep=_say_so,
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    """Tell a bad line from a 'no': what the server answered stays true a second later."""
    if isinstance(error, HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, (URLError, TimeoutError, ConnectionError))


def _say_so(state: RetryCallState) -> None:
    error: Any = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("download failed (%s); trying again in %.0f s", _reason(error), wait)


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
