"""Score a Parquet file in chunks with scikit-learn alone, for `benchmarks.batch_scoring`.

The work of `python -m src.score` as a careful user's script: little memory, the right types, one
probability per row; no checks, no report.
"""

import argparse
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabproof.schema import CategoryColumn, Schema

CHUNK_ROWS = 50_000


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Score with plain scikit-learn.")
    parser.add_argument("--run", type=Path, required=True, help="a run directory")
    parser.add_argument("--input", type=Path, required=True, help="a Parquet file")
    parser.add_argument("--output", type=Path, required=True, help="where answers are written")
    return parser.parse_args()


def main() -> None:
    """Write a probability per label for each row."""
    arguments = parse_arguments()
    schema = Schema.from_json((arguments.run / "schema.json").read_text(encoding="utf-8"))
    types = {
        column.name: pd.CategoricalDtype(list(column.categories))
        if isinstance(column, CategoryColumn)
        else "float64"
        for column in schema.columns
    }
    names = [f"proba_{label}" for label in schema.labels]
    pipeline = joblib.load(arguments.run / "estimator.joblib").pipeline
    with pq.ParquetWriter(
        arguments.output, pa.schema([(name, pa.float64()) for name in names])
    ) as writer:
        for batch in pq.ParquetFile(arguments.input).iter_batches(CHUNK_ROWS, columns=list(types)):
            proba = pipeline.predict_proba(batch.to_pandas().astype(types))
            writer.write_table(pa.table(dict(zip(names, proba.T, strict=True))))


if __name__ == "__main__":
    main()
