"""Labels that come later: what was true of rows that the service has predicted."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from tabproof.errors import printable
from tabproof.scorer import as_category
from tabproof.service.access import knows_secret
from tabproof.service.answers import Headers, RefusedError
from tabproof.service.rows import decode_body, refuse_duplicates
from tabproof.service.settings import Settings

if TYPE_CHECKING:
    from tabproof.prediction_log.segments import LabelEntry
    from tabproof.prediction_log.writer import PredictionLog

FORM = '{"labels": [{"request_id": …, "row": 0, "label": …, "at": "2026-11-30T12:00:00Z"}, …]}'
OFF = (
    "labels are switched off: start the service with API_PREDICTION_LOG, and with API_LABELS_TOKEN"
    " or API_ADMIN_TOKEN, to allow them"
)
WANTED = "labels need the header 'Authorization: Bearer <API_LABELS_TOKEN>'"
# Bytes of a body above which it is decoded in a thread.
LARGE_BODY = 2**16
# Of a text, and of the number of a row in its request.
MAX_LABEL, MAX_ROW = 1000, 2**31 - 1


class LabelIn(msgspec.Struct, forbid_unknown_fields=True):
    """What was true of a row of a request; at: when it was known, with a time zone."""

    request_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL)] | int | float | bool
    row: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROW)] = 0
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class LabelsIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /labels."""

    labels: list[LabelIn]


_decode = msgspec.json.Decoder(LabelsIn).decode


class Labels:
    """Accept labels, and write them before the answer is sent.

    Requests that come while others are written share the next file.
    """

    def __init__(self, settings: Settings, log: "PredictionLog | None") -> None:
        self._settings, self._log = settings, log
        self._secrets = [each for each in (settings.labels_token, settings.admin_token) if each]
        self._waiting: list[tuple[Sequence[LabelEntry], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def check(self, headers: Headers) -> None:
        """Refuse a client that may not send labels."""
        if self._log is None or not self._secrets:
            raise RefusedError(403, OFF)
        sent = headers.get(b"authorization", b"")
        # All are compared, so that the duration does not reveal which one is known.
        known = [knows_secret(secret, sent) for secret in self._secrets]
        if not any(known):
            raise RefusedError(401, WANTED, headers={"WWW-Authenticate": "Bearer"})

    async def accept(self, content: bytes) -> int:
        """Write the labels of a body; return how many they are. Raise RefusedError."""
        is_large = len(content) > LARGE_BODY
        entries = await asyncio.to_thread(self._read, content) if is_large else self._read(content)
        if not entries:
            return 0
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(self._settings.batch_timeout_seconds):
                await written
        except TimeoutError:
            raise _not_written("it takes too long") from None
        return len(entries)

    def _read(self, content: bytes) -> "list[LabelEntry]":
        from tabproof.prediction_log.segments import LabelEntry

        limit = self._settings.max_rows
        too_many = RefusedError(413, f"there are more than {limit:,} labels; send them in parts")
        # A small body can hold millions of empty entries, and each of them takes memory.
        if content.count(b"{") > 10 * (limit + 1):
            raise too_many
        labels = decode_body(_decode, content, FORM).labels
        refuse_duplicates(content)
        if len(labels) > limit:
            raise too_many
        return [LabelEntry(e.request_id, e.row, as_category(e.label), e.at) for e in labels]

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            entries = [entry for each, _ in group for entry in each]
            failure: RefusedError | None = None
            try:
                assert self._log is not None  # noqa: S101 - `check` has refused
                await asyncio.to_thread(self._log.write_labels, entries)
            except asyncio.CancelledError:
                self._writing = None
                raise
            except BaseException as error:  # a panic of arro3 is no Exception
                from tabproof.prediction_log.delivery import reason_of

                failure = _not_written(reason_of(error))
            for _, written in group:
                # A client that no longer waits has cancelled it.
                with suppress(asyncio.InvalidStateError):
                    if failure is None:
                        written.set_result(None)
                    else:
                        written.set_exception(failure)
        self._writing = None


def _not_written(reason: str) -> RefusedError:
    detail = f"the labels could not be written ({printable(reason, 200)}); send them again"
    return RefusedError(503, detail, headers={"Retry-After": "5"})
