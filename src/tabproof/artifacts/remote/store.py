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
from pathlib import Path
from typing import Any

from tabproof.artifacts.errors import NotInStoreError, StoreAddressError, StoreError
from tabproof.artifacts.files import atomic_file, locked, write_atomically
from tabproof.artifacts.remote.address import OBJECT_STORES, Address
from tabproof.errors import PackageMissingError

try:
    import fsspec
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError
    from obstore.store import from_url
except ImportError as error:
    raise PackageMissingError("a model store", error.name or "fsspec", "store") from error

# Bytes of one request: a slow connection transfers that much in a third of the time limit.
PART = 8 << 20
# Seconds of one step where no limit is set: a person waits longer than a service that starts.
TIMEOUT = 120.0
# Files are small: waiting for answers takes longer than the transfer.
N_PARALLEL = 8
LOCK = ".lock"


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
    """

    def __init__(self, address: Address, seconds: float | None = None) -> None:
        self.address = address
        self._end = None if seconds is None else time.monotonic() + seconds
        # Twice as many as run at once: calls that were given up may still block a thread.
        self._pool = ThreadPoolExecutor(2 * N_PARALLEL, "store")
        self._client = self._make_client(seconds or TIMEOUT)

    def _make_client(self, _: float) -> Any:
        try:
            return fsspec.filesystem(self.address.protocol)
        except (ValueError, ImportError) as error:
            raise StoreAddressError(text=str(self.address)) from error

    def location(self, name: str) -> str:
        """Return where a file is, for messages."""
        return f"{self.address}/{name}" if name else str(self.address)

    def names(self) -> list[str]:
        """Return the directories directly below the address."""
        try:
            found = self._call("", self._client.ls, self._path(""), detail=True)
        except NotInStoreError:
            return []
        folders = [entry["name"] for entry in found if entry["type"] == "directory"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of all files below a directory, by their names in it."""
        try:
            found = self._call(folder, self._client.find, self._path(folder), detail=True)
        except NotInStoreError:
            return {}
        above = len(self._path(folder).strip("/")) + 1
        return {name.strip("/")[above:]: int(entry["size"]) for name, entry in found.items()}

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
            raise self._too_large(name, limit)
        return Content(content, content)

    def upload(self, name: str, path: Path) -> None:
        """Write a file, whatever is there."""
        self._call(name, self._client.pipe_file, self._path(name), path.read_bytes())

    def write(self, name: str, content: bytes, before: Content | None) -> None:
        """Write if the file is as it was read; raise ChangedMeanwhileError otherwise."""
        expected = None if before is None else before.content
        try:
            found = b"".join(self.parts(name, len(expected or b"") + 1))
        except NotInStoreError:
            found = None
        if found != expected:
            raise ChangedMeanwhileError
        self._call(name, self._client.pipe_file, self._path(name), content)

    def _read_range(self, name: str, start: int, end: int) -> bytes:
        return bytes(self._call(name, self._client.cat_file, self._path(name), start, end))

    def _too_large(self, name: str, limit: int) -> StoreError:
        return StoreError(self.location(name), f"it is larger than {limit:,} bytes")

    def _path(self, name: str) -> str:
        root = f"/{self.address.root}" if self.address.protocol == "memory" else self.address.root
        return f"{root}/{name}" if name else root

    def _call(
        self, name: str, function: Callable[..., Any], *arguments: Any, **options: Any
    ) -> Any:
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

    def _make_client(self, seconds: float) -> Any:
        with self._failures_of(""):
            url = f"{self.address.protocol}://{self.address.bucket}"
            return from_url(url, **_client_options(self.address.protocol, seconds))

    def names(self) -> list[str]:
        """Return the directories directly below the address."""
        prefix = self._path("") or None
        found = self._call("", obstore.list_with_delimiter, self._client, prefix=prefix)
        return sorted(folder.rpartition("/")[2] for folder in found["common_prefixes"])

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of all files below a directory, by their names in it."""
        prefix = self._path(folder)

        def all_files() -> dict[str, int]:
            pages = obstore.list(self._client, prefix=prefix)
            return {
                file["path"][len(prefix) + 1 :]: file["size"] for page in pages for file in page
            }

        found: dict[str, int] = self._call(folder, all_files)
        return found

    def read(self, name: str, limit: int) -> Content | None:
        """Read a file of at most `limit` bytes; return None where it is missing."""

        def content() -> Content | None:
            found = obstore.get(self._client, self._path(name))
            # A file that is too large is not transferred.
            is_larger = found.meta["size"] > limit
            return None if is_larger else Content(bytes(found.bytes()), found.meta["e_tag"] or "")

        try:
            found: Content | None = self._call(name, content)
        except NotInStoreError:
            return None
        if found is None:
            raise self._too_large(name, limit)
        return found

    def upload(self, name: str, path: Path) -> None:
        """Write a file, whatever is there, without holding it in memory."""
        self._call(name, obstore.put, self._client, self._path(name), path)

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

    def _path(self, name: str) -> str:
        return "/".join(part for part in (self.address.prefix, name) if part)


class Directory(Store):
    """A directory, which several machines may share."""

    def upload(self, name: str, path: Path) -> None:
        """Copy a file, which appears whole or not at all."""
        target = Path(self._path(name))
        with self._failures_of(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, atomic_file(target) as copy:
                shutil.copyfileobj(source, copy)

    def write(self, name: str, content: bytes, before: Content | None) -> None:
        """Write if the file is as it was read; raise ChangedMeanwhileError otherwise."""
        target = Path(self._path(name))
        with self._failures_of(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(Path(self._path(name.partition("/")[0]), LOCK), wait=True):
                found = target.read_bytes() if target.exists() else None
                if found != (before.content if before else None):
                    raise ChangedMeanwhileError
                write_atomically(target, content)

    def _path(self, name: str) -> str:
        path = Path(self.address.root)
        for part in name.split("/") if name else []:
            path /= part
            if path.is_symlink():
                raise StoreError(self.location(name), f"{path} is a symbolic link")
        return str(path)


def open_store(address: Address, seconds: float | None = None) -> Store:
    """Open the store at an address; seconds: the limit for all calls together."""
    if address.protocol in OBJECT_STORES:
        return Bucket(address, seconds)
    kind = Directory if address.protocol == "file" else Store
    return kind(address, seconds)


def _client_options(protocol: str, seconds: float) -> dict[str, Any]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "") if protocol == "s3" else ""
    options: dict[str, Any] = {
        "client_options": {
            "connect_timeout": timedelta(seconds=min(5.0, seconds / 3)),
            # A third, so that there is time for another try when a connection dies.
            "timeout": timedelta(seconds=seconds / 3),
        },
        "retry_config": {"max_retries": 10, "retry_timeout": timedelta(seconds=seconds * 2 / 3)},
    }
    if endpoint.startswith("http://"):
        # An endpoint without encryption is only ever set on purpose.
        options["client_options"]["allow_http"] = True
    if protocol == "s3":
        # The store then refuses content that was damaged on the way.
        options["config"] = {"checksum_algorithm": "SHA256"}
    return options


# --- The reason of a failure in one line: the texts of stores are pages long.

REASONS = {
    "RequestTimeTooSkewed": "this machine's clock is wrong, so that the store refuses its"
    " signatures; set the clock",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set AWS_REGION",
}
BAD_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "TokenRefreshRequired",
}
# The addresses at which clouds provide a machine with credentials.
METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
MAX_REASON = 160


def failure_reason(error: BaseException) -> str:
    """Return why a store refused or failed, in a few words."""
    text = str(error)
    code = _group(r"<Code>(\w{1,60})</Code>", text)
    status = _group(r"status code: (\d{3}[ \w]{0,40})", text)
    if isinstance(error, TimeoutError) or "kind: Timeout" in text:
        return "it does not answer in time"
    if code in REASONS:
        return REASONS[code]
    if code in BAD_CREDENTIALS:
        return f"it does not accept these credentials ({code})"
    if "Received redirect without LOCATION" in text:
        return REASONS["PermanentRedirect"]
    if any(each in text for each in METADATA) or re.search(r"Missing \w*(Key|Credential)", text):
        return (
            "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those"
            " of your cloud, or give this machine a role"
        )
    if status and (isinstance(error, PermissionError) or status[:3] in ("401", "403")):
        return f"these credentials may not do that, or it is not there ({code or status})"
    if "kind: Connect" in text:
        return "it cannot be reached"
    if "HTTP error" in text:
        return "the connection broke"
    if status:
        return f"it answers {status}{f' ({code})' if code else ''}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return line[:MAX_REASON]


def _group(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1].strip() if match else ""
