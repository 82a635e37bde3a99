"""Tables of OpenML, downloaded once and cached, and those that come with scikit-learn."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
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
from tabproof.data.table import ColumnSpec, Table, make_table

log = logging.getLogger(__name__)


def load_builtin(
    name: str, pos_label: str | None = None, non_feature_columns: Sequence[str] = ()
) -> Table:
    """Load `breast_cancer`, `digits`, `iris` or `wine`: no network, no files."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    labels = [str(label) for label in bunch.target_names]
    codes = bunch.target.to_numpy()
    frame = bunch.data.assign(target=[labels[code] for code in codes])
    # A pixel that is the same in all images has no information, and users cannot edit this table.
    constant = [column for column in frame.columns if frame[column].nunique() == 1]
    if constant:
        log.info("%s: %d columns have one value only and are left out", name, len(constant))
    spec = ColumnSpec("target", pos_label, non_features=non_feature_columns)
    return make_table(f"builtin_{name}", frame.drop(columns=constant), spec)


def load_openml(
    name: str,
    version: int,
    pos_label: str | None = None,
    data_home: str = "data_cache",
    n_retries: int = 4,
    non_feature_columns: Sequence[str] = (),
) -> Table:
    """Load a table by name and version; no network is needed once it is cached."""
    bunch = _fetch(name, version, Path(data_home), n_retries)
    target = getattr(bunch.target, "name", None)
    if target is None:
        raise NoTargetError(name=name, version=version)
    frame = bunch.data.assign(**{target: bunch.target})
    spec = ColumnSpec(target, pos_label, non_features=non_feature_columns)
    return make_table(f"openml_{name.replace('-', '_')}", frame, spec)


def _fetch(name: str, version: int, home: Path, n_retries: int) -> Bunch:
    retrying = Retrying(
        stop=stop_after_attempt(n_retries + 1),
        wait=wait_exponential(multiplier=1, max=30),
        retry=retry_if_exception(_may_pass),
        before_sleep=_log_retry,
        reraise=True,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bunch = retrying(
                fetch_openml,
                name,
                version=version,
                data_home=home,
                as_frame=True,
                parser="pandas",
                # The waits between attempts are those of `retrying`: they grow.
                n_retries=1,
                delay=0.1,
            )
        except (OSError, ValueError, EOFError) as error:
            # scikit-learn checks the checksum at every load, warns, deletes what is damaged and
            # downloads it again; offline, that ends here.
            damaged = any("Invalid cache" in str(w.message) for w in caught)
            kind = DamagedCacheError if damaged else DownloadError
            raise kind(name=name, version=version, data_home=home, reason=_reason(error)) from error
    for warning in caught:
        log.warning("OpenML %s: %s", name, warning.message)
    return bunch


def _may_pass(error: BaseException) -> bool:
    """Return whether a second attempt may succeed: a refusal of the server will not change."""
    if isinstance(error, HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, (URLError, TimeoutError, ConnectionError))


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("download failed (%s); trying again in %.0f s", _reason(error), wait)


def _reason(error: BaseException | None) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
