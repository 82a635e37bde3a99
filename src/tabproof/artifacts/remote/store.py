"""One place that holds a store, through fsspec; buckets by obstore, which fsspec then speaks to.

Every call ends in time, and what fails is a StoreError. A condition on a write (nothing there
yet, or still what was read) is held by the store itself where it is S3, Google's or Azure's, by a
lock in a directory, and elsewhere by looking first.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
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

# --- Buckets of S3, Google and Azure as fsspec sees them, by obstore.


class BucketFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """One bucket; paths begin with its name. seconds: of a step, with all that is tried again."""

    cachable = False

    def __init__(self, protocol: str, bucket: str, seconds: float) -> None:
        super().__init__()
        self._store = from_url(f"{protocol}://{bucket}", **_options(protocol, seconds))

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Read a range."""
        if start is None or end is None:
            return bytes(obstore.get(self._store, _key(path)).bytes())
        return bytes(obstore.get_range(self._store, _key(path), start=start, end=end))

    def cat_marked(self, path: str, limit: int) -> tuple[bytes, str]:
        """Read it all with the store's tag of it; more than limit bytes are cut to one more."""
        found = obstore.get(self._store, _key(path))
        tag = found.meta["e_tag"] or ""
        if found.meta["size"] > limit:
            return bytes(limit + 1), tag
        return bytes(found.bytes()), tag

    def pipe_file(self, path: str, value: bytes, mode: Any = "overwrite", **_: Any) -> None:
        """Write it all at once. mode: "create", or what is there has a tag: {"e_tag": …}."""
        obstore.put(self._store, _key(path), value, mode=mode, use_multipart=False)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Write from a file, large ones in several parts that appear as one."""
        obstore.put(self._store, _key(rpath), Path(lpath))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List what lies directly below."""
        found = obstore.list_with_delimiter(self._store, prefix=_key(path) or None)
        bucket = path.partition("/")[0]
        entries = [
            {"name": f"{bucket}/{folder}", "size": 0, "type": "directory"}
            for folder in found["common_prefixes"]
        ]
        entries += [_entry(bucket, meta) for meta in found["objects"]]
        return entries if detail else [entry["name"] for entry in entries]

    def find(self, path: str, detail: bool = False, **_: Any) -> Any:
        """List all files below."""
        bucket = path.partition("/")[0]
        entries = [_entry(bucket, meta) for meta in self._below(_key(path))]
        named = {entry["name"]: entry for entry in entries}
        return named if detail else sorted(named)

    def _below(self, key: str) -> Iterator[Any]:
        for some in obstore.list(self._store, prefix=key or None):
            yield from some


def _options(protocol: str, seconds: float) -> dict[str, Any]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "") if protocol == "s3" else ""
    options: dict[str, Any] = {
        "client_options": {
            "connect_timeout": timedelta(seconds=min(5.0, seconds / 3)),
            # A connection that died is not the end: there is time to try again.
            "timeout": timedelta(seconds=seconds / 3),
        },
        "retry_config": {"max_retries": 10, "retry_timeout": timedelta(seconds=seconds * 2 / 3)},
    }
    if endpoint.startswith("http://"):
        # Whoever names an endpoint without encryption means it.
        options["client_options"]["allow_http"] = True
    if protocol == "s3":
        # The store then refuses what was damaged on the way.
        options["config"] = {"checksum_algorithm": "SHA256"}
    return options


def _key(path: str) -> str:
    return path.partition("/")[2]


def _entry(bucket: str, meta: Any) -> dict[str, Any]:
    return {"name": f"{bucket}/{meta['path']}", "size": meta["size"], "type": "file"}


# --- What a store answered, in words: its own texts are pages long.

CODES = {
    "RequestTimeTooSkewed": "this machine's clock is off, so that the store refuses what it signs;"
    " set the clock",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket lies in another region; set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket lies in another region; set AWS_REGION",
}
CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "TokenRefreshRequired",
}
# Where clouds tell a machine its role.
ROLE = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
MOST_LETTERS = 160


def reason(error: BaseException) -> str:
    """Say why a store did not do what it was asked."""
    text = str(error)
    code = _found(r"<Code>(\w{1,60})</Code>", text)
    status = _found(r"status code: (\d{3}[ \w]{0,40})", text)
    if isinstance(error, TimeoutError) or "kind: Timeout" in text:
        return "it does not answer in time"
    if code in CODES:
        return CODES[code]
    if code in CREDENTIALS:
        return f"it does not take these credentials ({code})"
    if "Received redirect without LOCATION" in text:
        return CODES["PermanentRedirect"]
    if any(place in text for place in ROLE) or re.search(r"Missing \w*(Key|Credential)", text):
        return (
            "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what"
            " your cloud calls them, or give this machine a role"
        )
    if status and (isinstance(error, PermissionError) or status[:3] in ("401", "403")):
        return f"these credentials may not do that, or it is not there ({code or status})"
    if "kind: Connect" in text:
        return "it cannot be reached"
    if "HTTP error" in text:
        return "the connection to it breaks off"
    if status:
        return f"it answers {status}{f' ({code})' if code else ''}"
    return _plain(error, text)


def _plain(error: BaseException, text: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return line[:MOST_LETTERS]


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1].strip() if match else ""


# Bytes of one request: a slow line gets so much through in a third of the time limit.
PART = 8 << 20
# Seconds of one step where no limit is set: a person waits longer than a service that starts.
PATIENCE = 120.0
# Files are small: waiting for answers takes longer than the bytes.
AT_ONCE = 8
LOCK = ".lock"


class ChangedMeanwhileError(Exception):
    """Somebody else has written what a write depends on."""


@dataclass(frozen=True)
class Content:
    """What was read, and the store's mark of it; None: nothing is there."""

    content: bytes
    mark: Any


class Place:
    """Reads and writes by name below an address. seconds: for all of it together; None: as long
    as each step goes on.
    """

    def __init__(self, address: Address, seconds: float | None = None) -> None:
        self.address = address
        self._end = None if seconds is None else time.monotonic() + seconds
        # As many as may be under way, and as many again that nobody waits for any more.
        self._steps = ThreadPoolExecutor(2 * AT_ONCE, "store")
        self._fs = self._filesystem(seconds or PATIENCE)

    def read(self, name: str, limit: int) -> bytes:
        """Read at most limit bytes; raises NotInStoreError, or StoreError."""
        content = b"".join(self.parts(name, limit + 1))
        if len(content) > limit:
            raise StoreError(self.shown(name), f"it is larger than {limit:,} bytes")
        return content

    def parts(self, name: str, most: int) -> Iterator[bytes]:
        """Give the content up to most bytes, part by part."""
        start = 0
        while start < most:
            end = min(start + PART, most)
            part = self._range(name, start, end)
            yield part
            start += len(part)
            if start < end:
                return

    def names(self) -> list[str]:
        """List the directories directly below the address."""
        try:
            found = self._do("", "ls", self._path(""), detail=True)
        except NotInStoreError:
            return []
        folders = [entry["name"] for entry in found if entry["type"] == "directory"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)

    def sizes(self, folder: str) -> dict[str, int]:
        """Give all files below a directory by their names in it, with their bytes."""
        try:
            found = self._do(folder, "find", self._path(folder), detail=True)
        except NotInStoreError:
            return {}
        above = len(self._path(folder).strip("/")) + 1
        return {name.strip("/")[above:]: int(entry["size"]) for name, entry in found.items()}

    def upload(self, name: str, path: Path) -> None:
        """Write a file, whatever is there."""
        self._do(name, "pipe_file", self._path(name), path.read_bytes())

    def read_marked(self, name: str, limit: int) -> Content | None:
        """Read with a mark to write by."""
        try:
            content = self.read(name, limit)
        except NotInStoreError:
            return None
        return Content(content, content)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write if what is there is still what was read; raises ChangedMeanwhileError."""
        before = None if instead is None else instead.content
        try:
            there = b"".join(self.parts(name, len(before or b"") + 1))
        except NotInStoreError:
            there = None
        if there != before:
            raise ChangedMeanwhileError
        self._do(name, "pipe_file", self._path(name), content)

    def shown(self, name: str) -> str:
        """Say where something lies."""
        return f"{self.address}/{name}" if name else str(self.address)

    def _range(self, name: str, start: int, end: int) -> bytes:
        try:
            part = self._do(name, "cat_file", self._path(name), start=start, end=end)
        except StoreError as error:
            # Of what is empty, or ends where the range begins, there is no range.
            if "status code: 416" in str(error.__cause__):
                return b""
            raise
        return bytes(part)

    def _filesystem(self, _: float) -> Any:
        try:
            return fsspec.filesystem(self.address.protocol)
        except (ValueError, ImportError) as error:
            raise StoreAddressError(str(self.address)) from error

    def _path(self, name: str) -> str:
        root = f"/{self.address.root}" if self.address.protocol == "memory" else self.address.root
        return f"{root}/{name}" if name else root

    def _do(self, name: str, method: str, *arguments: Any, **options: Any) -> Any:
        step = partial(getattr(self._fs, method), *arguments, **options)
        with self._telling(name):
            if self._end is None:
                return step()
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # What does not come back in time is left to itself, and its own limit ends it.
            return self._steps.submit(step).result(timeout=left)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, ChangedMeanwhileError):
            raise
        except (AlreadyExistsError, PreconditionError) as error:
            raise ChangedMeanwhileError from error
        except Exception as error:
            why = reason(error)
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise NotInStoreError(self.shown(name), "it is not there") from error
            raise StoreError(self.shown(name), why) from error


class Bucket(Place):
    """A bucket of S3, Google or Azure."""

    def upload(self, name: str, path: Path) -> None:
        """Write a file, without holding it in memory."""
        self._do(name, "put_file", str(path), self._path(name))

    def read_marked(self, name: str, limit: int) -> Content | None:
        """Read with the store's own tag."""
        try:
            content, tag = self._do(name, "cat_marked", self._path(name), limit)
        except NotInStoreError:
            return None
        if len(content) > limit:
            raise StoreError(self.shown(name), f"it is larger than {limit:,} bytes")
        return Content(content, tag)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write on a condition that the store checks; raises ChangedMeanwhileError."""
        mode: Any = "create" if instead is None else {"e_tag": instead.mark}
        self._do(name, "pipe_file", self._path(name), content, mode=mode)

    def _filesystem(self, seconds: float) -> Any:
        with self._telling(""):
            return BucketFileSystem(self.address.protocol, self.address.bucket, seconds)


class Directory(Place):
    """A directory, which several machines may share."""

    def upload(self, name: str, path: Path) -> None:
        """Copy a file: whole, or not there."""
        target = Path(self._path(name))
        with self._telling(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, atomic_file(target) as copy:
                shutil.copyfileobj(source, copy)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write while nobody else can; raises ChangedMeanwhileError."""
        target = Path(self._path(name))
        with self._telling(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(Path(self._path(name.partition("/")[0]), LOCK), wait=True):
                there = target.read_bytes() if target.exists() else None
                if there != (instead.content if instead else None):
                    raise ChangedMeanwhileError
                write_atomically(target, content)

    def _path(self, name: str) -> str:
        path = Path(self.address.root)
        for part in name.split("/") if name else []:
            path /= part
            if path.is_symlink():
                raise StoreError(self.shown(name), f"{path} is a symbolic link")
        return str(path)


def place_at(address: Address, seconds: float | None = None) -> Place:
    """Open the place of an address."""
    if address.protocol in OBJECT_STORES:
        return Bucket(address, seconds)
    kind = Directory if address.protocol == "file" else Place
    return kind(address, seconds)
