"""Bytes that threads of Arrow hold for longer than the call that reads them."""

from threading import Timer
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from tabproof.reading import lending
from tabproof.reading.lending import read_lent
from tests.reading.making import codes, read


def test_what_was_read_is_returned_when_no_thread_holds_the_bytes() -> None:
    held, given_back = list[pa.BufferReader](), list[bool]()

    def give_back() -> None:
        given_back.append(True)
        held.clear()

    def read(file: pa.BufferReader) -> bytes:
        held.append(file)
        Timer(0.05, give_back).start()
        return bytes(file.read())

    assert read_lent(read, b"a,b\n1,2\n", 4) == b"1,2\n"
    assert given_back


def test_bytes_that_are_never_given_back_do_not_stop_a_run(monkeypatch) -> None:
    monkeypatch.setattr(lending, "MAX_STEPS", 2)
    file = read_lent(lambda file: file, b"abc")
    assert file.read() == b"abc"


def test_threads_call_nothing_of_python(monkeypatch) -> None:
    read_csv, n_calls = pa_csv.read_csv, 0

    def spy(file: pa.BufferReader, *, parse_options, read_options, **others: Any) -> pa.Table:
        nonlocal n_calls
        n_calls += 1
        assert not (read_options.use_threads and parse_options.invalid_row_handler)
        options = {"parse_options": parse_options, "read_options": read_options}
        return read_csv(file, **options, **others)

    monkeypatch.setattr(pa_csv, "read_csv", spy)
    assert codes(read("a,b\n" + "1,2\n" * 20 + "3\n")) == ["bad_rows"]
    assert n_calls == 2
