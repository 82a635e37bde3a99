"""However a CSV is cut into blocks, its records stay whole and in order."""

import io

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.batch import csv_file
from tabproof.batch.csv_file import Block, blocks
from tabproof.batch.plan import BatchInputError


def cut(content: bytes, size: int, start: int = 0) -> list[Block]:
    stream = io.BytesIO(content)
    stream.seek(start)
    return list(blocks(stream.read, start, size, ",", "a.csv"))


def rows(content: bytes) -> list[dict[str, str]]:
    """Read two columns; rows of any other number of fields are passed over."""
    if not content.strip(b"\r\n"):
        return []
    table = pa_csv.read_csv(
        pa.BufferReader(content),
        pa_csv.ReadOptions(column_names=["a", "b"], block_size=len(content) + 1),
        pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        pa_csv.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()}),
    )
    found: list[dict[str, str]] = table.to_pylist()
    return found


cells = st.text(alphabet='ab,"\n', max_size=6)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@given(
    st.lists(st.tuples(cells, cells), max_size=12),
    st.integers(1, 40),
    st.sampled_from(["\n", "\r\n"]),
)
def test_blocks_hold_the_rows_of_the_whole(
    table: list[tuple[str, str]], size: int, line_end: str
) -> None:
    content = "".join(quoted(a) + "," + quoted(b) + line_end for a, b in table).encode()
    found = cut(content, size)
    assert b"".join(block.content for block in found) == content
    assert [row for block in found for row in rows(block.content)] == [
        {"a": a, "b": b} for a, b in table
    ]
    assert not any(block.unclosed for block in found)


@given(st.text(alphabet='ab,"\n', max_size=60), st.integers(1, 40))
def test_stray_quotes_mean_what_they_mean_to_arrow(text: str, size: int) -> None:
    content = text.encode()
    found = cut(content, size)
    whole = b"".join(block.content for block in found)
    assert content.startswith(whole)
    assert (whole == content) or found[-1].unclosed
    assert [row for block in found for row in rows(block.content)] == rows(whole)


@given(st.text(alphabet='ab,"\n', max_size=60), st.integers(1, 40))
def test_a_block_can_be_the_first_to_be_read_again(text: str, size: int) -> None:
    found = cut(text.encode(), size)
    for i, block in enumerate(found):
        assert cut(text.encode(), size, start=block.end) == found[i + 1 :]


def test_a_pipe_that_delivers_little_at_a_time_changes_nothing() -> None:
    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    content = b'1,2\n3,"4\n4"\n5,6\n' * 5
    assert list(blocks(Pipe(content).read, 0, 20, ",", "a.csv")) == cut(content, 20)


def test_carriage_returns_alone_end_records_too() -> None:
    assert [block.content for block in cut(b"1,2\r3,4\r5,6\r", 6)] == [b"1,2\r", b"3,4\r", b"5,6\r"]


def test_an_open_quote_is_reported_and_left_out() -> None:
    (block,) = cut(b'1,2\n3,"4\n5,6\n', 100)
    assert block.content == b"1,2\n"
    assert block.unclosed


def test_a_record_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MAX_RECORD_BYTES", 100)
    with pytest.raises(BatchInputError, match=r"at byte 4 does not end within 100 bytes"):
        cut(b'1,2\n3,"' + b"4\n" * 200, 20)
