"""Request bodies are decoded strictly; errors name the field."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.service.answers import RefusedError
from tabproof.service.inference_protocol import decode
from tabproof.service.rows import decode_row, decode_rows

CELLS = st.none() | st.booleans() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.dictionaries(st.text(), CELLS, max_size=6)
HUGE = b"1" + b"0" * 5000


decode_batch = partial(decode_rows, max_rows=10_000)


def refusal(content: bytes, decoder: object = decode_row) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        decoder(content)  # type: ignore[operator]
    return caught.value


@given(ROWS)
def test_row_round_trips(row: dict[str, object]) -> None:
    assert decode_row(json.dumps({"features": row}).encode()) == row


@given(st.lists(ROWS, max_size=4))
def test_rows_round_trip(rows: list[dict[str, object]]) -> None:
    assert decode_batch(json.dumps({"rows": rows}, ensure_ascii=False).encode()) == rows


@given(st.text(min_size=1, max_size=5), st.dictionaries(st.text(), CELLS, max_size=3))
def test_duplicate_key_is_refused(key: str, others: dict[str, object]) -> None:
    pairs = [(key, 1), *others.items(), (key, 2)]
    cells = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
    for text, decoder in (
        (f'{{"features":{{{cells}}}}}', decode_row),
        (f'{{"rows":[{{}},{{{cells}}}]}}', decode_batch),
    ):
        assert refusal(text.encode(), decoder).status == 400


@pytest.mark.parametrize(
    "content",
    [
        b'{"features": {"age": 1, "\\u0061ge": 2}}',
        b'{"features": {"age": 1}, "features": {"age": 1}}',
        b'{"features": {}, "feature\\u0073": {}}',
        b'{"features": {"a:b": "c:d", "a\\u003ab": 1}}',
    ],
)
def test_duplicate_keys_are_found_behind_escapes(content: bytes) -> None:
    assert "twice" in refusal(content).detail


def test_duplicate_key_is_found_in_linear_time() -> None:
    # A quadratic algorithm would take a minute.
    cells = b",".join(b'"c%d":1' % i for i in range(100_000))
    assert "'c99999'" in refusal(b'{"features": {' + cells + b',"c99999": 2}}').detail


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not valid JSON"),
        (b"\xef\xbb\xbf{}", 400, "not valid JSON"),
        ('{"features": {}}'.encode("utf-16"), 400, "not valid JSON"),
        (b'{"features": {"a": "\xff"}}', 400, "invalid UTF-8"),
        (b'{"features": {"a": "\\ud800"}}', 400, "not valid JSON"),
        (b'{"features": {"a": NaN}}', 400, "a missing number is null"),
        (b'{"features": {"a": -Infinity}}', 400, "a missing number is null"),
        (b'{"features": {}} {}', 400, "not valid JSON"),
        (b'{"features": {"a": 1e400}}', 422, "features.a"),
        (b'{"features": {"b": 1, "a": %b}}' % HUGE, 422, "features.a"),
        (b'{"features": {"a": []}}', 422, "features.a"),
        (b'{"features": {"a": {"b": 1}}}', 422, "features.a"),
        (b'{"features": {"a": ' + b"[" * 100_000, 422, "features"),
        (b'{"features": []}', 422, "features"),
        (b'{"features": {}, "more": 1}', 422, "more"),
        (b"{}", 422, "features"),
        (b"null", 422, "object"),
        (b"[" * 100_000, 422, "object"),
    ],
)
def test_invalid_row_is_refused_with_the_field(content: bytes, status: int, words: str) -> None:
    found = refusal(content)
    assert (found.status, words in found.detail) == (status, True), found.detail


def test_error_in_a_batch_names_the_row() -> None:
    assert "rows[2].a" in refusal(b'{"rows": [{}, {}, {"a": []}]}', decode_batch).detail
    assert "rows[1]" in refusal(b'{"rows": [{}, null]}', decode_batch).detail


def test_deep_nesting_is_refused_by_every_decoder() -> None:
    # Near the limit, only one of the two decoders gives up.
    for depth in [*range(900, 1010), 100_000]:
        nested = b"[" * depth + b"]" * depth
        content = b'{"inputs": [], "parameters": {"deep": ' + nested + b"}}"
        try:
            decode(content, None, 10_000)
        except RefusedError as found:
            assert (found.status, "too deep" in found.detail) == (400, True)  # noqa: PT017
        else:
            # From Python 3.12 on, decoders written in C go deeper than sys.getrecursionlimit().
            assert depth < 100_000


def test_too_many_empty_rows_are_refused_before_decoding() -> None:
    found = refusal(b'{"rows":[' + b",".join([b"{}"] * 200_000) + b"]}", decode_batch)
    assert found.status == 413
    # Braces in texts are not rows.
    assert decode_batch(json.dumps({"rows": [{"a": "{" * 50_000}]}).encode())
