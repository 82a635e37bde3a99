"""Score a table in memory, as a file with the same cells is scored."""

from pathlib import Path

import pyarrow as pa

from tabproof.batch.cells import CellReader, refuse_similar_columns, select_columns
from tabproof.batch.parquet_file import Slice
from tabproof.batch.score_files import read_model
from tabproof.batch.scoring import Part, output_schema, score


class TableScorer:
    """The model of a run, for tables in memory.

    labels : in the order of the probabilities. columns : what the model was trained on. target :
    the column that it predicts.
    """

    def __init__(self, run: Path, *, explain: bool) -> None:
        self.run_id, self._model, self.target = read_model(run, explain=explain)
        self.labels = self._model.labels
        self.columns = tuple(column.name for column in self._model.columns)

    def score(self, table: pa.Table) -> Part:
        """Score the rows; those with a bad cell are left out, and are in the part's faults.

        The columns of the answer are those of batch scoring. Columns that are absent count as
        missing cells. Raises ColumnsDifferError where no column is there, one cannot be read, or
        one differs from the model's only by spaces or case.
        """
        names = table.column_names
        lacks = [name for name in self.columns if name not in names]
        refuse_similar_columns("the table", lacks, {*names} - {*self.columns, self.target})
        rows = Slice(select_columns(table, self._model.columns), table.num_rows)
        reader = CellReader(self._model.columns)
        schema = output_schema(self._model, {})
        return score(self._model, reader, Slice.rows, schema, 0, rows)
