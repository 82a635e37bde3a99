"""Tensors as bytes: what numpy writes is read, and nothing else is."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.service.answers import RefusedError
from tabproof.service.inference_protocol import NUMBERS, cells_of, divided


@pytest.mark.parametrize(("datatype", "dtype"), NUMBERS.items())
def test_numbers_are_read_as_numpy_writes_them(datatype: str, dtype: str) -> None:
    values = np.array([0, 1, 1], dtype)
    assert cells_of("x", datatype, values.tobytes(), 3) == values.tolist()


def test_a_nan_is_a_missing_cell() -> None:
    values = np.array([1.5, np.nan])
    assert cells_of("x", "FP64", values.tobytes(), 2) == [1.5, None]


@given(st.lists(st.text()))
def test_texts_come_back(texts: list[str]) -> None:
    encoded = [text.encode() for text in texts]
    content = b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
    assert cells_of("x", "BYTES", content, len(texts)) == texts


@given(st.binary(), st.sampled_from([*NUMBERS, "BYTES"]), st.integers(0, 9))
def test_any_bytes_are_cells_or_refused(content: bytes, datatype: str, n_cells: int) -> None:
    with suppress(RefusedError):
        cells_of("x", datatype, content, n_cells)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_body_is_divided_or_refused(content: bytes, header: bytes) -> None:
    with suppress(RefusedError):
        head, tail = divided(content, header)
        assert head + tail == content
        assert len(head) == int(header)


@pytest.mark.parametrize("header", [b"", b"-1", b"1.0", b"4", b"9" * 5000, "１".encode()])
def test_a_length_that_is_none_is_refused(header: bytes) -> None:
    with pytest.raises(RefusedError, match="Content-Length") as refused:
        divided(b"{} ", header)
    assert refused.value.status == 400
