"""Buckets of S3, Google and Azure as fsspec sees them, by obstore.

obstore has a file system for fsspec too, which is asynchronous: a process that ends right after a
write is aborted now and then. This one waits for each answer, and adds conditional writes.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import obstore
from obstore.store import from_url


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
