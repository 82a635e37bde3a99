"""The story of a push and a pull: which model, which store, who signed, what to say."""

import os
from collections.abc import Mapping
from pathlib import Path

from src.errors import StoreNotNamedError
from src.runs import Registry
from src.runs.store.address import Address, address_of

STORE, KEY = "MODEL_STORE", "MODEL_SIGNATURE_KEY"


def push(name: str, *, store: str | None, sign: Path | None, replace: bool, models: Path) -> str:
    """Bring the current version of a model into the store, and switch its pointer."""
    address = _address(store, os.environ)
    from src.runs.store.place import place_at
    from src.runs.store.pushing import push as push_model

    done = push_model(place_at(address), Registry(models), name, sign_by=sign, replace=replace)
    what = f"{name} {done.version}"
    lines = [
        f"pushed    {what} to {address}" if done.moved else f"{what} is current there already",
        f"files     {done.n_files}, {done.n_bytes:,} bytes; {done.n_sent} sent, all read back",
        f"signed    {'yes' if done.signed else 'no'}",
        f"serve it  MODEL_STORE={address}",
    ]
    return "\n".join(lines)


def pull(name: str, *, store: str | None, overwrite: bool, models: Path) -> str:
    """Bring what the store's pointer names into the registry, and switch the pointer there."""
    address = _address(store, os.environ)
    from src.runs.store.place import place_at
    from src.runs.store.pulling import pull as pull_model

    keys = None
    if text := os.environ.get(KEY):
        from src.runs.store.signature import read_keys

        keys = read_keys(text)
    done = pull_model(place_at(address), Registry(models), name, keys=keys, overwrite=overwrite)
    what = f"{name} {done.version}"
    lines = [
        f"pulled    {what} from {address}" if done.moved else f"{what} is current already",
        f"files     {done.n_files}; {done.n_fetched} fetched, each as it was sealed",
        f"look      python -m src.runs history {name}",
    ]
    return "\n".join(lines)


def _address(said: str | None, environment: Mapping[str, str]) -> Address:
    text = environment.get(STORE, "") if said is None else said
    if not text:
        raise StoreNotNamedError
    return address_of(text)
