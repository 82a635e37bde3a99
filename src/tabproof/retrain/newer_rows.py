"""The table that a model is trained on again: a file, old rows and a file, or rows of a log.

Columns are read as those of the promoted version, so that its clients can go on. What is put
together is written into a file of its own, from which the new run replays.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof import config as conf
from tabproof import data
from tabproof.artifacts import files
from tabproof.batch.frames import as_arrow
from tabproof.config.data_schema import (
    ColumnType,
    CvConfig,
    FileDatasetConfig,
    NewestCvConfig,
    OrderedCvConfig,
)
from tabproof.errors import listed
from tabproof.forms import NumberForm
from tabproof.reading import AUTO, ReadOptions, read_table
from tabproof.reading.source import is_address
from tabproof.retrain.logged_rows import LabelledRows
from tabproof.retrain.promoted import NotRetrainableError, Promoted
from tabproof.retrain.unseen import count_known
from tabproof.runtime import console
from tabproof.schema import DateColumn, NumberColumn

# Below outputs/: tables that were put together, by date and time.
TABLES = "retraining"
# What leaves a column out by itself, as treatments name it.
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class NewerRows:
    """A table to train on. config : of the run. folder : that was made for it, if one was.

    time : the column with the time of each row, of a log.
    """

    config: conf.TrainConfig
    folder: Path | None = None
    time: str | None = None


def of_file(path: str, promoted: Promoted, config: conf.TrainConfig, least: int) -> NewerRows:
    """Return a file as the new table.

    config : of the promoted version. Raises NotRetrainableError where it has fewer than `least`
    rows, or lacks a column or the target, or has columns that the promoted version does not know.
    """
    if not is_address(path) and not Path(path).expanduser().exists():
        raise NotRetrainableError(f"--data={path}: there is no such file (from {Path.cwd()})")
    old = config.dataset
    kept = old if isinstance(old, FileDatasetConfig) else _dataset(promoted, old.pos_label)
    # How cells are written is what clients have learned, and stays; how a file is cut into cells
    # is found again.
    dataset = replace(kept, path=path, separator=AUTO, encoding=AUTO)
    options = ReadOptions(AUTO, AUTO, dataset.sheet, dataset.bad_rows)
    raw = read_table(path, options).table
    names = raw.column_names
    dividing = _dividing(config.cv)
    _check_names(path, names, [*promoted.columns, promoted.schema.target, *dividing])
    if raw.num_rows < least:
        raise NotRetrainableError(_too_few(path, raw.num_rows, least))
    used = {*promoted.columns, promoted.schema.target, *dividing}
    others = [name for name in names if name not in used]
    known = {*dataset.drop_columns} | {
        column
        for treatment in promoted.schema.treatments
        if treatment.code.startswith(LEFT_OUT)
        for column in treatment.columns
    }
    if added := [name for name in others if name not in known]:
        raise NotRetrainableError(
            f"{path} has columns that version {promoted.version} does not: {listed(added)}; leave"
            " them out of the file, or train and promote a run with them: python -m src.train"
        )
    kinds = {name: kind for name, kind in dataset.column_types.items() if name in dividing}
    dataset = replace(dataset, drop_columns=others, **_pinned(promoted, kinds))
    return NewerRows(replace(config, dataset=dataset))


def of_old_and_file(
    old: data.Division, path: str, promoted: Promoted, config: conf.TrainConfig, place: Path
) -> NewerRows:
    """Return the rows of a file behind those that the promoted version was made of.

    place : the directory below which the table is written. Raises as `of_file`.
    """
    _refuse_forms(promoted, "--append")
    newer = of_file(path, promoted, config, 1).config
    columns = _dividing(config.cv)
    table: data.Table = conf.make(
        "dataset", newer.dataset, config.allow, non_feature_columns=columns
    )
    n_known = count_known(old.table, table)
    if n_known > len(table.y) / 2:
        console.say(
            f"note      {n_known:,} of {len(table.y):,} rows of {path} equal rows of the table that"
            " they are added to; give a file that holds both with --data, and without --append"
        )
    frames = [_frame(each, promoted) for each in (old.table, table)]
    rows = as_arrow(pd.concat(frames, ignore_index=True))
    folder, file = _written(rows, promoted, place)
    dataset = replace(
        _dataset(promoted, config.dataset.pos_label),
        path=str(file),
        **_pinned(promoted),
    )
    return NewerRows(replace(config, dataset=dataset), folder)


def of_log(
    found: LabelledRows, promoted: Promoted, config: conf.TrainConfig, least: int, place: Path
) -> NewerRows:
    """Return rows of a log as the new table, of which the newest are held out.

    The folds are those of the promoted version, except that groups are not in a log. place : the
    directory below which the table is written.
    """
    _refuse_forms(promoted, "--log")
    if found.rows.num_rows < least:
        raise NotRetrainableError(_too_few("the log", found.rows.num_rows, least))
    folder, file = _written(found.rows, promoted, place)
    dataset = replace(
        _dataset(promoted, config.dataset.pos_label), path=str(file), **_pinned(promoted)
    )
    kind = OrderedCvConfig if isinstance(config.cv, OrderedCvConfig) else NewestCvConfig
    cv = kind(test_size=config.cv.test_size, time_column=found.time)
    return NewerRows(replace(config, dataset=dataset, cv=cv), folder, found.time)


def discard(newer: NewerRows) -> None:
    """Remove the table that was put together, after a run that was refused or failed."""
    if newer.folder is not None:
        files.remove(newer.folder)


def _too_few(what: str, found: int, least: int) -> str:
    return (
        f"{what} has {found:,} rows with a label, and {least:,} are needed to train and to compare"
        " (--min-rows)"
    )


def _check_names(path: str, names: Sequence[str], needed: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in names]:
        raise NotRetrainableError(f"{path} lacks the columns {listed(missing)}")


def _dividing(cv: CvConfig) -> list[str]:
    """Return the columns by which a configuration divides rows."""
    names = (getattr(cv, key, None) for key in ("group_column", "time_column"))
    return [name for name in names if name is not None]


def _dataset(promoted: Promoted, pos_label: str | None) -> FileDatasetConfig:
    """Return the dataset of a table that was no file."""
    # A label is never one of the words that mean missing.
    words = [word for word in promoted.schema.na_values if word not in promoted.schema.labels]
    return FileDatasetConfig(
        path="",
        target=promoted.schema.target,
        pos_label=pos_label,
        na_values=words or None,
        min_class_rows=1,
    )


def _pinned(promoted: Promoted, others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the keys that make every column what it is in the promoted version.

    others : kinds of columns that are no features.
    """
    kinds = {column.name: ColumnType[column.kind] for column in promoted.schema.columns}
    return {"column_types": {**(others or {}), **kinds}, "keep": promoted.columns}


def _refuse_forms(promoted: Promoted, option: str) -> None:
    """Refuse columns whose texts clients write in a form that values do not show."""
    unusual = [
        column.name
        for column in promoted.schema.columns
        if (isinstance(column, NumberColumn) and column.form != NumberForm())
        or (
            isinstance(column, DateColumn)
            and (column.form.pattern != "iso" or column.form.offset is not None)
        )
    ]
    if unusual:
        raise NotRetrainableError(
            f"columns {listed(unusual)} are written in a form of their own, which {option} would"
            " lose; give all rows in one file, written that way: --data"
        )


def _frame(table: data.Table, promoted: Promoted) -> pd.DataFrame:
    """Return features, target and what divides rows, with words for categories."""
    X = table.X[promoted.columns]
    categories = X.select_dtypes("category").columns
    labels = [table.labels[code] for code in table.y]
    dividing = {name: table.non_features[name] for name in table.non_features}
    columns = {**X.assign(**{name: X[name].astype("object") for name in categories}), **dividing}
    return pd.DataFrame({**columns, promoted.schema.target: labels}, index=X.index)


def _written(rows: pa.Table, promoted: Promoted, place: Path) -> tuple[Path, Path]:
    """Write a table into a directory of its own; return both paths."""
    now = datetime.now().astimezone()
    folder = place / TABLES / f"{now:%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    # Runs of it are listed under the name of the model.
    file = folder / f"{promoted.name}.parquet"
    pq.write_table(rows, file)
    return folder, file
