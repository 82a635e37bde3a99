"""The address of a model store: a URL or a directory."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tabproof.artifacts.errors import StoreAddressError

# Object stores with conditional writes.
OBJECT_STORES = frozenset({"s3", "gs", "az", "abfs", "abfss"})


@dataclass(frozen=True)
class Address:
    """protocol: as fsspec names it. root: bucket and prefix, or a path, without a final '/'."""

    protocol: str
    root: str

    def __str__(self) -> str:
        return self.root if self.protocol == "file" else f"{self.protocol}://{self.root}"

    @property
    def bucket(self) -> str:
        """The part before the first '/'."""
        return self.root.partition("/")[0]

    @property
    def prefix(self) -> str:
        """The part after the first '/'; empty where there is none."""
        return self.root.partition("/")[2]


def parse_address(text: str) -> Address:
    """Parse the value of MODEL_STORE or --store; raise StoreAddressError."""
    protocol, mark, rest = text.partition("://")
    if not mark:
        if not text or text.split(":")[0] in OBJECT_STORES:
            raise StoreAddressError(text=text)
        return Address("file", str(Path(text).expanduser().resolve()))
    parts = [part for part in rest.split("/") if part]
    if not protocol.isalnum() or not parts or {".", ".."} & set(parts):
        raise StoreAddressError(text=text)
    # Messages must not show a password.
    if "@" in urlsplit(text).netloc and not protocol.startswith("abfs"):
        raise StoreAddressError(text=f"{protocol}://…")
    if protocol in OBJECT_STORES and (rest.startswith("/") or {"?", "#"} & set(rest)):
        raise StoreAddressError(text=text)
    if protocol == "file":
        return Address("file", str(Path("/", *parts)))
    return Address(protocol, "/".join(parts))
