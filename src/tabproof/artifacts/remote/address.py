"""Where a store lies: a URL or a directory."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tabproof.artifacts.errors import StoreAddressError

# Object stores that know conditional writes.
OBJECT_STORES = frozenset({"s3", "gs", "az", "abfs", "abfss"})


@dataclass(frozen=True)
class Address:
    """protocol: as fsspec names it. root: bucket and prefix, or a path; no '/' at its end."""

    protocol: str
    root: str

    def __str__(self) -> str:
        return self.root if self.protocol == "file" else f"{self.protocol}://{self.root}"

    @property
    def bucket(self) -> str:
        """Give the part before the first '/'."""
        return self.root.partition("/")[0]

    @property
    def prefix(self) -> str:
        """Give the part after it; empty where there is none."""
        return self.root.partition("/")[2]


def address_of(text: str) -> Address:
    """Read what MODEL_STORE or --store says; raises StoreAddressError."""
    protocol, mark, rest = text.partition("://")
    if not mark:
        if not text or text.split(":")[0] in OBJECT_STORES:
            raise StoreAddressError(text)
        return Address("file", str(Path(text).expanduser().resolve()))
    parts = [part for part in rest.split("/") if part]
    if not protocol.isalnum() or not parts or {".", ".."} & set(parts):
        raise StoreAddressError(text)
    # A password in it would be shown in every message.
    if "@" in urlsplit(text).netloc and not protocol.startswith("abfs"):
        raise StoreAddressError(f"{protocol}://…")
    if protocol in OBJECT_STORES and (rest.startswith("/") or {"?", "#"} & set(rest)):
        raise StoreAddressError(text)
    if protocol == "file":
        return Address("file", str(Path("/", *parts)))
    return Address(protocol, "/".join(parts))
