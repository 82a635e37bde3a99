"""Decode request bodies strictly; errors name the field that is wrong."""

import json
from collections import Counter
from collections.abc import Callable
from math import isinf
from typing import Any, TypeVar

import msgspec

from tabproof.errors import printable
from tabproof.service.answers import RefusedError
from tabproof.service.rows import Cell


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """One row."""

    features: dict[str, Cell]


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    """Many rows."""

    rows: list[dict[str, Cell]]


Body = TypeVar("Body")

# Maximum braces per row: a row has one, others can only be inside texts.
BRACES_OF_ROW = 10
TOO_DEEP = "the body is nested too deeply"

_predict = msgspec.json.Decoder(PredictBody)
_batch = msgspec.json.Decoder(BatchBody)


def decode_predict(content: bytes) -> PredictBody:
    """Decode the body of /predict."""
    body = _decode(_predict.decode, content, '{"features": {column: value, …}}')
    # Each key has a colon. Fewer keys than colons may mean a duplicate key, of which the decoder
    # keeps the last. Colons inside texts only make this check run more often.
    if content.count(b":") != 1 + len(body.features):
        _refuse_duplicates(content)
    return body


def decode_batch(content: bytes, max_rows: int) -> BatchBody:
    """Decode the body of /predict_batch."""
    # A small body can hold millions of empty rows, and each of them takes memory.
    if content.count(b"{") > BRACES_OF_ROW * (max_rows + 1):
        raise RefusedError(413, f"there are more than {max_rows:,} rows; send them in parts")
    body = _decode(_batch.decode, content, '{"rows": [{column: value, …}, …]}')
    if content.count(b":") != 1 + sum(map(len, body.rows)):
        _refuse_duplicates(content)
    return body


def decode_as(kind: type[Body], content: bytes, form: str) -> Body:
    """Decode any other body."""
    body = _decode(msgspec.json.Decoder(kind).decode, content, form)
    _refuse_duplicates(content)
    return body


def _decode(decode: Callable[[bytes], Body], content: bytes, form: str) -> Body:
    try:
        return decode(content)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"{_with_field(str(error), content)}; a body is {form}") from None
    except RecursionError:
        raise RefusedError(400, TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "invalid UTF-8"
        raise RefusedError(400, f"the body is not valid JSON: {reason}; a body is {form}") from None


def _with_field(message: str, content: bytes) -> str:
    """Return the message with the field's name, which msgspec writes as `[...]`."""
    if "[...]" not in message:
        return message
    try:
        body = json.loads(content, parse_int=float)
    except (ValueError, RecursionError):
        return message
    if not isinstance(body, dict):
        return message
    rows = {"features": body.get("features")}
    if isinstance(body.get("rows"), list):
        rows = {f"rows[{place}]": row for place, row in enumerate(body["rows"])}
    for place, row in rows.items():
        for key, value in row.items() if isinstance(row, dict) else ():
            field = f"{place}.{printable(key, 60)}"
            if isinstance(value, (list, dict)):
                found = "an array" if isinstance(value, list) else "an object"
                return f"{field} takes a number, a text or null, not {found}"
            if isinstance(value, float) and isinf(value):
                return f"{field} has a number that does not fit into 64 bits"
    return message


def _refuse_duplicates(content: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            key = printable(twice, 60)
            raise RefusedError(400, f"the key '{key}' appears twice in one object")
        return found

    # The decoder has found all other errors before; json.loads only allows less nesting.
    try:
        json.loads(content, object_pairs_hook=unique, parse_int=float)
    except RecursionError:
        raise RefusedError(400, TOO_DEEP) from None
    except ValueError:
        # The decoder does not check fields that are not in the struct.
        raise RefusedError(400, "the body is not valid UTF-8") from None
