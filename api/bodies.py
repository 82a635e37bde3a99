"""Bodies of requests: decoded strictly, and where they cannot be, told which field is wrong."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from api.refusals import RefusedError
from api.rows import Cell


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """One row."""

    features: dict[str, Cell]


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    """Many rows."""

    rows: list[dict[str, Cell]]


Body = TypeVar("Body")

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


def decode_batch(content: bytes) -> BatchBody:
    """Decode the body of /predict_batch."""
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "no valid UTF-8"
        raise RefusedError(400, f"the body is no JSON: {reason}; a body is {form}") from None


def _where(content: bytes, error: msgspec.ValidationError) -> str:
    """Name the field, which msgspec writes as `[...]` where it is a key of the client's."""
    message = str(error)
    if "[...]" not in message:
        return message
    for path, value in _cells(content):
        if isinstance(value, (list, dict)):
            found = "an array" if isinstance(value, list) else "an object"
            return f"{path} takes a number, a text or null, and got {found}"
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            return f"{path} holds a number beyond what 64 bits can"
    return message


def _cells(content: bytes) -> list[tuple[str, Any]]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return []
    rows = body.get("rows") if isinstance(body, dict) else None
    named = [("features", body.get("features"))] if isinstance(body, dict) else []
    if isinstance(rows, list):
        named = [(f"rows[{place}]", row) for place, row in enumerate(rows)]
    return [
        (f"{name}.{key}", value)
        for name, row in named
        if isinstance(row, dict)
        for key, value in row.items()
    ]


def _refuse_duplicates(content: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RefusedError(400, f"the key '{_short(twice)}' stands there twice in one object")
        return found

    # Whatever else is wrong with it, the decoder has found before.
    json.loads(content, object_pairs_hook=unique, parse_int=float)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
