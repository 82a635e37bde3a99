"""What a table holds, as hashes: of all, and of each column, so that a change can be named."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.data.table import Table


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256, in hexadecimal; columns' shortened to 16 digits."""

    sha256: str
    columns: dict[str, str]


def fingerprint(table: Table) -> Fingerprint:
    """Hash names, types, values and order of a table, its target and what divides its rows."""
    columns = {str(name): _column_hash(table.X[name]) for name in table.X.columns}
    columns[table.target] = _hash(table.y.tobytes(), *_texts(table.labels))
    for name in table.aside.columns:
        columns[str(name)] = _column_hash(table.aside[name].astype(str).astype("category"))
    whole = _hash(*_texts(columns), *_texts(columns.values()))
    row_ids = table.X.index.to_numpy(np.int64).tobytes()
    return Fingerprint(
        _hash(whole.encode(), row_ids), {name: digest[:16] for name, digest in columns.items()}
    )


def _column_hash(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy("<i4").tobytes()
        return _hash(b"category", codes, *_texts(column.cat.categories))
    values = column.to_numpy("<f8", copy=True)
    values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
    return _hash(b"number", values.tobytes())


def _texts(values: Iterable[object]) -> list[bytes]:
    return [str(value).encode() for value in values]


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
