"""Train from Python: the words of the command line, or a frame, with the bytes of the command."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof import config as conf
from tabproof import sweep
from tabproof.api import session
from tabproof.api.run import Run
from tabproof.artifacts import RunSkipped
from tabproof.batch.frames import NotAFrameError, are_records, as_arrow
from tabproof.errors import MissingValueError, UserError

# Characters of the hash in the name of a frame without one.
SHORT_HASH = 8


class OnlyOneRunError(UserError):
    """Options of the command line that start no single run."""

    template = (
        "{words}: train() makes one run; a loop over train() makes several, and"
        " python -m src.train has these options"
    )


class DataGivenTwiceError(UserError):
    """A table, and words that choose another one."""

    template = "a table is given, and {word} chooses another one; give one of them"


def train(
    *data_and_words: Any,
    name: str | None = None,
    verbose: bool = False,
    **choices: Any,
) -> Run:
    """Train and evaluate a model, write its run directory, and return the run.

    The same choices give the same bytes as `tabproof train` does.

    Parameters
    ----------
    data_and_words : first, if at all, the table: a frame of pandas, polars or Arrow, a list of
        records, or the path of a file. Then words of the command line, such as `"search=full"`,
        and dictionaries of keys, such as `{"search.n_splits": 3}`.
    name : what lists of runs call the table, where it is a frame.
    verbose : print what the command line prints, not only warnings.
    choices : groups and top-level keys, such as `search="fast"` or `seed=1`; and keys of the
        dataset, such as `target="churned"`, `pos_label="yes"` or `drop_columns=["id"]`.

    Returns
    -------
    Run
        The complete run. With `skip_completed=True` this may be an earlier one of the same id.

    Raises
    ------
    UserError
        The data or a choice cannot work; nothing is written then. KeyboardInterrupt: the search
        was interrupted for the second time, or there was none; the first Ctrl-C keeps the best so
        far.

    Examples
    --------
    >>> import tabproof as tp
    >>> run = tp.train("dataset=wine", search="none", model="logistic_regression",
    ...                checks="none", evaluation="minimal", report="none")
    >>> run.metrics["roc_auc"] > 0.95
    True
    """
    parts = list(data_and_words)
    data = parts.pop(0) if parts and _is_data(parts[0]) else None
    words = [word for part in parts for word in _words_of(part)] + conf.overrides_of(choices)
    with session.session(), _explained(), _data_file(data, name) as path:
        if path is not None:
            words = [*_words_for(path, words), *words]
        return _train(words, verbose=verbose)


def _is_data(part: object) -> bool:
    if isinstance(part, str):
        return "=" not in part and not part.startswith(("-", "~"))
    return isinstance(part, PathLike) or _is_frame(part)


def _words_of(part: object) -> list[str]:
    if isinstance(part, str):
        return [part]
    if isinstance(part, Mapping):
        return conf.overrides_of(part)
    raise NotAFrameError(found=type(part).__name__, example="{'age': 38, 'job': 'clerk'}")


@contextmanager
def _data_file(data: Any, name: str | None) -> Iterator[Path | None]:
    is_path = isinstance(data, (str, PathLike))
    at_hand = nullcontext(Path(fspath(data)) if is_path else None)
    with at_hand if is_path or data is None else _stored(data, name) as path:
        yield path


def _words_for(path: Path, words: list[str]) -> list[str]:
    keys = {word.lstrip("+").partition("=")[0]: word for word in words}
    for key in ("dataset", "dataset.path"):
        if key in keys:
            raise DataGivenTwiceError(word=keys[key])
    if "dataset.target" not in keys:
        raise MissingValueError("target", "'churned'")
    return ["dataset=file", *conf.overrides_of({"dataset.path": str(path)})]


@contextmanager
def _explained() -> Iterator[None]:
    """Raise errors of Hydra as errors for users."""
    try:
        yield
    except Exception as error:
        known = conf.explain_hydra_error(error)
        if known is None or known is error:
            raise
        raise known from None


def _train(words: list[str], *, verbose: bool) -> Run:
    """Train with the words of a command line, as `tabproof.sweep.main` does."""
    if flags := [word for word in words if word.startswith("-")]:
        raise OnlyOneRunError(words=flags)
    arguments = conf.train_words(words)
    composed = conf.check_command_line(arguments)
    made: list[Path] = []

    def make(config: conf.TrainConfig, directory: Path) -> None:
        # A process cannot take its priority back.
        runtime = config.runtime
        runtime.niceness = 0
        with (
            session.logged(directory, verbose=verbose),
            session.limited_threads(
                runtime.openmp_threads, portable=runtime.portable, level=runtime.level
            ),
        ):
            from tabproof.experiment import make_run

            try:
                make_run(config, directory)
                made.append(directory)
            except RunSkipped as skipped:
                made.append(skipped.run)

    words = sweep.arguments_for_hydra(arguments, composed)
    cfg = composed.cfg if composed is not None and words == arguments else None
    conf.run_in_process(words, make, cfg)
    return Run(made[0])


# --- Tables in memory: what is one, and as a file.


def _is_frame(value: object) -> bool:
    """Return whether a value is a table in memory."""
    ways = ("__arrow_c_stream__", "__dataframe__")
    is_series = isinstance(value, (pd.Series, pa.ChunkedArray))
    is_known = isinstance(value, pd.DataFrame) or any(hasattr(value, way) for way in ways)
    return (is_known and not is_series) or are_records(value)


@contextmanager
def _stored(frame: Any, name: str | None) -> Iterator[Path]:
    """Write a frame to a temporary file for the block; yield its path.

    name : of the data set in lists of runs; None: made from the hash of the content.
    """
    content = BytesIO()
    pq.write_table(as_arrow(frame), content)
    name = name or f"frame_{hashlib.sha256(content.getbuffer()).hexdigest()[:SHORT_HASH]}"
    with TemporaryDirectory(prefix="tabproof_") as folder:
        path = Path(folder) / f"{name}.parquet"
        path.write_bytes(content.getbuffer())
        yield path
