"""Tables of OpenML, downloaded once and cached, and those that come with scikit-learn."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError

from sklearn import datasets
from sklearn.datasets import fetch_openml

from tabproof.data.table import Table, make_table
from tabproof.data.target import DataError

log = logging.getLogger(__name__)


def load_builtin(
    name: str, pos_label: str | None = None, non_feature_columns: Sequence[str] = ()
) -> Table:
    """Load `breast_cancer`, `digits`, `iris` or `wine`: no network, no files."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    labels = [str(label) for label in bunch.target_names]
    frame = bunch.data.assign(target=[labels[code] for code in bunch.target.to_numpy()])
    return make_table(
        f"builtin_{name}", frame, "target", pos_label, non_features=non_feature_columns
    )


def load_openml(
    name: str,
    version: int,
    pos_label: str | None = None,
    data_home: str = "data_cache",
    n_retries: int = 4,
    non_feature_columns: Sequence[str] = (),
) -> Table:
    """Load a table by name and version; no network is needed once it is cached."""
    # It loads asyncio, which tables that come with scikit-learn do not need.
    import tenacity

    table = f"OpenML '{name}' version {version}"
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(n_retries + 1),
        wait=tenacity.wait_exponential(multiplier=1, max=30),
        retry=tenacity.retry_if_exception(_may_pass),
        before_sleep=tenacity.before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bunch = retrying(
                fetch_openml,
                name,
                version=version,
                data_home=Path(data_home),
                as_frame=True,
                parser="pandas",
                # The waits between attempts are those of `retrying`: they grow.
                n_retries=1,
                delay=0.1,
            )
        except (OSError, ValueError, EOFError) as error:
            # scikit-learn checks the checksum at every load, warns, deletes what is damaged and
            # downloads it again; offline, that ends here.
            is_damaged = any("Invalid cache" in str(w.message) for w in caught)
            found, again = ("damaged", " again") if is_damaged else ("not cached", "")
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            found = f"is {found} in {data_home} and cannot be downloaded{again} ({reason})"
            remedy = "go online, or set dataset.data_home to an intact copy"
            raise DataError(found=f"{table} {found}", remedy=remedy) from error
    for warning in caught:
        log.warning("OpenML %s: %s", name, warning.message)
    target = getattr(bunch.target, "name", None)
    if target is None:
        remedy = "save it as a file and give dataset=file dataset.target=…"
        raise DataError(found=f"{table} names no single target", remedy=remedy)
    frame = bunch.data.assign(**{target: bunch.target})
    word = f"openml_{name.replace('-', '_')}"
    return make_table(word, frame, target, pos_label, non_features=non_feature_columns)


def _may_pass(error: BaseException) -> bool:
    """Return whether a second attempt may succeed: a refusal of the server will not change."""
    if isinstance(error, HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, (URLError, TimeoutError, ConnectionError))
