"""Read and write a model store: a bucket through obstore, or a directory through fsspec.

Every call ends within the time limit, and every failure is a StoreError. A conditional write (the
file must be missing, or still have the content that was read) is enforced by S3, Google or Azure
itself, by a lock in a directory, and for other protocols by reading first.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from tabproof.artifacts.errors import NotInStoreError, StoreAddressError, StoreError
from tabproof.artifacts.files import atomic_file, locked, opened_file
from tabproof.errors import PackageMissingError, first_line

try:
    import fsspec
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError
    from obstore.store import from_url
except ImportError as error:
    raise PackageMissingError("a model store", error.name or "fsspec", "store") from error

# Object stores with conditional writes.
OBJECT_STORES = frozenset({"s3", "gs", "az", "abfs", "abfss"})
# Bytes of one request: a slow connection transfers that much in a third of the time limit.
PART = 8 << 20
# Seconds of one step where no limit is set: a person waits longer than a service that starts.
TIMEOUT = 120.0
# Files are small: waiting for answers takes longer than the transfer.
N_PARALLEL = 8
LOCK = ".lock"
# Bytes of a file that is written conditionally: a pointer is the largest.
MAX_REPLACED = 64 << 20

T = TypeVar("T")


class ChangedMeanwhileError(Exception):
    """Another process has written the file that a conditional write depends on."""


@dataclass(frozen=True)
class Content:
    """The content of a file, and the tag by which a conditional write recognizes it."""

    content: bytes
    tag: Any


class Store:
    """Reads and writes files by name below an address, through fsspec.

    seconds: the limit for all calls together; without it each step has one of its own.
    step_seconds: that one, about.
    """

    def __init__(
        self,
        protocol: str,
        root: str,
        seconds: float | None = None,
        step_seconds: float = TIMEOUT,
    ) -> None:
        self.address = root if protocol == "file" else f"{protocol}://{root}"
        self._root = root
        self._end = None if seconds is None else time.monotonic() + seconds
        # Twice as many as run at once: calls that were given up may still block a thread.
        self._pool = ThreadPoolExecutor(2 * N_PARALLEL, "store")
        self._client = self._connect(protocol, seconds or step_seconds)

    def _connect(self, protocol: str, _: float) -> Any:
        if protocol == "memory":
            self._root = f"/{self._root}"
        try:
            return fsspec.filesystem(protocol)
        except (ValueError, ImportError) as error:
            raise StoreAddressError(text=self.address) from error

    def location(self, name: str) -> str:
        """Return where a file is, for messages."""
        return f"{self.address}/{name}" if name else self.address

    def names(self) -> list[str]:
        """Return the directories directly below the address."""
        try:
            found = self._call("", self._client.ls, self._path(""), detail=True)
        except NotInStoreError:
            return []
        folders = [entry["name"] for entry in found if entry["type"] == "directory"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)

    def parts(self, name: str, limit: int) -> Iterator[bytes]:
        """Yield the content of a file in parts, up to `limit` bytes; raise NotInStoreError."""
        start = 0
        while start < limit:
            end = min(start + PART, limit)
            part = self._read_range(name, start, end)
            yield part
            start += len(part)
            if start < end:
                return

    def read(self, name: str, limit: int) -> Content | None:
        """Read a file of at most `limit` bytes; return None where it is missing."""
        try:
            content = b"".join(self.parts(name, limit + 1))
        except NotInStoreError:
            return None
        if len(content) > limit:
            raise StoreError(self.location(name), f"it is larger than {limit:,} bytes")
        return Content(content, content)

    def upload(self, name: str, content: bytes | Path) -> None:
        """Write a file, whatever is there; content: its bytes, or a file to copy."""
        content = content if isinstance(content, bytes) else content.read_bytes()
        self._call(name, self._client.pipe_file, self._path(name), content)

    def write(self, name: str, content: bytes, before: Content | None) -> None:
        """Write if the file is as it was read; raise ChangedMeanwhileError otherwise."""
        if self.read(name, MAX_REPLACED) != before:
            raise ChangedMeanwhileError
        self.upload(name, content)

    def _read_range(self, name: str, start: int, end: int) -> bytes:
        return bytes(self._call(name, self._client.cat_file, self._path(name), start, end))

    def _path(self, name: str) -> str:
        return "/".join(part for part in (self._root, name) if part)

    def _call(self, name: str, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        step = partial(function, *arguments, **options)
        with self._failures_of(name):
            if self._end is None:
                return step()
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # A call that does not return in time is given up; its own time limit ends it.
            return self._pool.submit(step).result(timeout=left)

    @contextmanager
    def _failures_of(self, name: str) -> Iterator[None]:
        """Turn whatever a client raises into a StoreError that names the file."""
        try:
            yield
        except (StoreError, ChangedMeanwhileError):
            raise
        except (AlreadyExistsError, PreconditionError) as error:
            raise ChangedMeanwhileError from error
        except Exception as error:
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise NotInStoreError(self.location(name), "it is not there") from error
            raise StoreError(self.location(name), failure_reason(error)) from error


class Bucket(Store):
    """A bucket of S3, Google or Azure, through obstore."""

    def _connect(self, protocol: str, seconds: float) -> Any:
        bucket, _, self._root = self._root.partition("/")
        client: dict[str, Any] = {
            "connect_timeout": timedelta(seconds=min(5.0, seconds / 3)),
            # A third, so that there is time for another try when a connection dies.
            "timeout": timedelta(seconds=seconds / 3),
        }
        if protocol == "s3" and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            # An endpoint without encryption is only ever set on purpose.
            client["allow_http"] = True
        # The last pause ends before the time does: its error explains more than "no answer".
        pauses = {
            "init_backoff": timedelta(seconds=0.1),
            "max_backoff": timedelta(seconds=seconds / 6),
            "base": 2,
        }
        retries = {
            "max_retries": 10,
            "retry_timeout": timedelta(seconds=seconds * 2 / 3),
            "backoff": pauses,
        }
        options: dict[str, Any] = {"client_options": client, "retry_config": retries}
        if protocol == "s3":
            # The store then refuses content that was damaged on the way.
            options["config"] = {"checksum_algorithm": "SHA256"}
        with self._failures_of(""):
            return from_url(f"{protocol}://{bucket}", **options)

    def names(self) -> list[str]:
        """Return the directories directly below the address."""
        prefix = self._path("") or None
        found = self._call("", obstore.list_with_delimiter, self._client, prefix=prefix)
        return sorted(folder.rpartition("/")[2] for folder in found["common_prefixes"])

    def read(self, name: str, limit: int) -> Content | None:
        """Read a file of at most `limit` bytes; return None where it is missing."""
        try:
            found = self._call(name, obstore.get, self._client, self._path(name))
        except NotInStoreError:
            return None
        if found.meta["size"] > limit:  # it is not transferred
            raise StoreError(self.location(name), f"it is larger than {limit:,} bytes")
        return Content(bytes(self._call(name, found.bytes)), found.meta["e_tag"] or "")

    def upload(self, name: str, content: bytes | Path) -> None:
        """Write a file, whatever is there, without holding it in memory."""
        self._call(name, obstore.put, self._client, self._path(name), content)

    def write(self, name: str, content: bytes, before: Content | None) -> None:
        """Write if the file is as it was read; raise ChangedMeanwhileError otherwise."""
        mode: Any = "create" if before is None else {"e_tag": before.tag}
        put = partial(obstore.put, mode=mode, use_multipart=False)
        self._call(name, put, self._client, self._path(name), content)

    def _read_range(self, name: str, start: int, end: int) -> bytes:
        get = partial(obstore.get_range, start=start, end=end)
        try:
            return bytes(self._call(name, get, self._client, self._path(name)))
        except StoreError as error:
            # An empty file, or one that ends where the range begins, has no such range.
            if "status code: 416" in str(error.__cause__):
                return b""
            raise


class Directory(Store):
    """A directory, which several machines may share."""

    def upload(self, name: str, content: bytes | Path) -> None:
        """Write a file, which appears whole or not at all, whatever is there."""
        with self._failures_of(name):
            target = Path(self._path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            source = BytesIO(content) if isinstance(content, bytes) else content.open("rb")
            with source, atomic_file(target) as copy:
                shutil.copyfileobj(source, copy)

    def write(self, name: str, content: bytes, before: Content | None) -> None:
        """Write if the file is as it was read; raise ChangedMeanwhileError otherwise."""
        lock = Path(self._path(name.partition("/")[0]), LOCK)
        with self._failures_of(name), locked(lock, wait=True):
            super().write(name, content, before)

    def _read_range(self, name: str, start: int, end: int) -> bytes:
        path = self._path(name)

        def read() -> bytes:
            # fsspec would wait at a named pipe for a writer.
            try:
                with opened_file(path) as file:
                    file.seek(start)
                    return file.read(end - start)
            except ValueError as error:
                raise StoreError(self.location(name), f"it {error}") from error

        return self._call(name, read)

    def _path(self, name: str) -> str:
        path = Path(self._root)
        for part in name.split("/") if name else []:
            path /= part
            if path.is_symlink():
                raise StoreError(self.location(name), f"{path} is a symbolic link")
        return str(path)


def open_store(
    address: str, seconds: float | None = None, *, step_seconds: float = TIMEOUT
) -> Store:
    """Open the store at an address: MODEL_STORE or --store, a URL or a directory.

    seconds: the limit for all calls together. step_seconds: without it, that of each call.
    Raises StoreAddressError.
    """
    protocol, mark, rest = address.partition("://")
    if not mark and address and address.split(":")[0] not in OBJECT_STORES:
        return Directory("file", str(Path(address).expanduser().resolve()), seconds)
    # Messages must not show a password.
    if "@" in re.split("[/?#]", rest)[0] and not protocol.startswith("abfs"):
        raise StoreAddressError(text=f"{protocol}://…")
    is_bucket = protocol in OBJECT_STORES
    parts = [part for part in rest.split("/") if part]
    is_named = protocol.isalnum() and bool(parts) and not {".", ".."} & set(parts)
    if not is_named or (is_bucket and (rest.startswith("/") or {"?", "#"} & set(rest))):
        raise StoreAddressError(text=address)
    if protocol == "file":
        return Directory(protocol, str(Path("/", *parts)), seconds)
    kind = Bucket if is_bucket else Store
    return kind(protocol, "/".join(parts), seconds, step_seconds)


# --- The reason of a failure in one line: the texts of stores are pages long.

# A pattern, and what it means; the first that is found counts.
REASONS = (
    ("TimeoutError|kind: Timeout", "it does not answer in time"),
    (
        "<Code>RequestTimeTooSkewed<",
        "this machine's clock is wrong, so that the store refuses its signatures; set the clock",
    ),
    ("<Code>NoSuchBucket<", "there is no such bucket"),
    (
        "<Code>(PermanentRedirect|AuthorizationHeaderMalformed)<|redirect without LOCATION",
        "the bucket is in another region; set AWS_REGION",
    ),
    (
        "<Code>(InvalidAccessKeyId|SignatureDoesNotMatch|Expired(Token|TokenException)"
        "|InvalidToken|TokenRefreshRequired)<",
        "it does not accept these credentials ({code})",
    ),
    (
        # The addresses at which clouds provide a machine with credentials.
        r"169\.254\.169\.254|169\.254\.170\.2|metadata\.google\.internal"
        r"|Missing \w*(Key|Credential)",
        "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of"
        " your cloud, or give this machine a role",
    ),
    (
        "status code: 40[13]",
        "these credentials may not do that, or it is not there ({code_or_status})",
    ),
    ("kind: Connect", "it cannot be reached"),
    ("HTTP error", "the connection broke"),
    (r"status code: \d{3}.*<Code>", "it answers {status} ({code})"),
    (r"status code: \d{3}", "it answers {status}"),
)
MAX_REASON = 160


def failure_reason(error: BaseException) -> str:
    """Return why a store refused or failed, in a few words."""
    text = "TimeoutError" if isinstance(error, TimeoutError) else str(error)
    code, status = (
        match[1].strip() if (match := re.search(pattern, text)) else ""
        for pattern in (r"<Code>(\w{1,60})</Code>", r"status code: (\d{3}[ \w]{0,40})")
    )
    for pattern, reason in REASONS:
        if re.search(pattern, text, re.DOTALL):
            return reason.format(code=code, status=status, code_or_status=code or status)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)[:MAX_REASON]
