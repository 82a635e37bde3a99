"""Bodies of requests: decoded strictly, and where they cannot be, told which field is wrong."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from math import isinf
from typing import Any, TypeVar

import msgspec

from tabproof.service.answers import RefusedError
from tabproof.service.rows import Cell


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """One row."""

    features: dict[str, Cell]


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    """Many rows."""

    rows: list[dict[str, Cell]]


Body = TypeVar("Body")

# A row has one; others stand in texts, if anywhere.
BRACES_OF_ROW = 10

_predict = msgspec.json.Decoder(PredictBody)
_batch = msgspec.json.Decoder(BatchBody)


def decode_predict(content: bytes) -> PredictBody:
    """Decode the body of /predict."""
    body = _decode(_predict.decode, content, '{"features": {column: value, …}}')
    # A colon per key: fewer keys than colons may mean that a key stood there twice, of which
    # the decoder keeps the last. Colons inside texts only bring us here more often.
    if content.count(b":") != 1 + len(body.features):
        _refuse_duplicates(content)
    return body


def decode_batch(content: bytes, max_rows: int) -> BatchBody:
    """Decode the body of /predict_batch."""
    # Millions of empty rows fit into a body that is not large, and each takes memory.
    if content.count(b"{") > BRACES_OF_ROW * (max_rows + 1):
        raise RefusedError(413, f"there are more than {max_rows:,} rows; send them in parts")
    body = _decode(_batch.decode, content, '{"rows": [{column: value, …}, …]}')
    if content.count(b":") != 1 + sum(map(len, body.rows)):
        _refuse_duplicates(content)
    return body


def decode_as(kind: type[Body], content: bytes, form: str) -> Body:
    """Decode a body that is not in a hurry."""
    body = _decode(msgspec.json.Decoder(kind).decode, content, form)
    _refuse_duplicates(content)
    return body


def _decode(decode: Callable[[bytes], Body], content: bytes, form: str) -> Body:
    try:
        return decode(content)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"{_where(content, error)}; a body is {form}") from None
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "no valid UTF-8"
        raise RefusedError(400, f"the body is no JSON: {reason}; a body is {form}") from None


def _too_deep() -> RefusedError:
    return RefusedError(400, "the body is nested too deep")


def _where(content: bytes, error: msgspec.ValidationError) -> str:
    """Name the field, which msgspec writes as `[...]` where it is a key of the client's."""
    message = str(error)
    if "[...]" not in message:
        return message
    for row, key, value in _cells(content):
        if isinstance(value, (list, dict)):
            found = "an array" if isinstance(value, list) else "an object"
            return f"{row}.{_short(key)} takes a number, a text or null, and got {found}"
        if isinstance(value, float) and isinf(value):
            return f"{row}.{_short(key)} holds a number beyond what 64 bits can"
    return message


def _cells(content: bytes) -> Iterator[tuple[str, str, Any]]:
    """Give row, key and cell, one after the other: mostly the first ones tell."""
    try:
        body = json.loads(content, parse_int=float)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    rows = body.get("rows")
    for place, row in enumerate(rows if isinstance(rows, list) else [body.get("features")]):
        if isinstance(row, dict):
            name = f"rows[{place}]" if isinstance(rows, list) else "features"
            for key, value in row.items():
                yield name, key, value


def _refuse_duplicates(content: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise RefusedError(400, f"the key '{_short(twice)}' stands there twice in one object")
        return found

    # Whatever else is wrong with it, the decoder has found before; it only goes a little deeper.
    try:
        json.loads(content, object_pairs_hook=unique, parse_int=float)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # The decoder does not look into fields that nobody asked for.
        raise RefusedError(400, "the body is no valid UTF-8") from None


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
