"""Settings of the service, by environment variables; checked when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tabproof.service.errors import SettingError

PREFIX = "API_"
# What concerns the models themselves is said alike to the service, to `push` and to `pull`.
OF_MODELS = "MODEL_"
# A store that could not be reached when the service started is asked again.
STORE_WATCH_SECONDS = 60.0
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
LEAST_SECRET = 16


def setting(doc: str, default: Any, least: float | None = None, prefix: str = PREFIX) -> Any:
    """Declare a setting; least: the smallest number that can work."""
    return field(default=default, metadata={"doc": doc, "least": least, "prefix": prefix})


@dataclass(frozen=True)
class Settings:
    """What an operator may choose. The variable of `max_rows` is API_MAX_ROWS."""

    models: Path = setting("the registry: promoted models", Path("models"))
    outputs: Path = setting(
        "run directories; the newest is served where nothing is promoted", Path("outputs")
    )
    default_model: str = setting(
        "the model of `/predict`; empty: the only one, or the one promoted last", ""
    )
    admin_token: str = setting("what `/reload` asks for; empty: nobody may reload", "")
    key: str = setting("what predictions ask for; empty: anybody may predict", "")
    docs: bool = setting("whether `/docs` and `/openapi.json` are there", True)
    max_body_bytes: int = setting("the largest body, declared or not", 8 * 2**20, 1024)
    max_rows: int = setting("the most rows of a request", 10_000, 1)
    max_bytes_in_flight: int = setting(
        "bytes of all bodies at one time; more get a 503", 128 * 2**20, 1024
    )
    max_in_flight: int = setting("requests with a body at one time; more get a 503", 512, 1)
    request_timeout_seconds: float = setting("how long a body may take to arrive", 10.0, 0.1)
    batch_timeout_seconds: float = setting(
        "how long a large body may wait for its turn and be worked on", 60.0, 0.1
    )
    drain_seconds: float = setting(
        "after SIGTERM, how long `/ready` says 503 while all else goes on", 2.0, 0.0
    )
    watch_seconds: float = setting("how often promoted models are looked at; 0: never", 0.0, 0.0)
    log: str = setting("where a line per request goes: `-` is standard output", "-")
    store: str = setting(
        "a [model store](registry.md#the-model-store), `s3://bucket/prefix`: what it promotes is"
        " served, and `API_MODELS` and `API_OUTPUTS` are not",
        "",
        prefix=OF_MODELS,
    )
    cache: Path = setting(
        "where models of the store are kept, to start from when it can't be reached",
        Path("model_cache"),
        prefix=OF_MODELS,
    )
    store_timeout_seconds: float = setting(
        "how long the store may take, all together", 20.0, 1.0, prefix=OF_MODELS
    )
    signature_key: str = setting(
        "public keys, PEM, or their file: promoted models signed by none of them are refused",
        "",
        prefix=OF_MODELS,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check; raises SettingError."""
        chosen = {
            setting.name: _parsed(variable_of(setting.name), setting, text)
            for setting in fields(cls)
            if (text := environment.get(variable_of(setting.name))) is not None
        }
        if chosen.get("store"):
            chosen.setdefault("watch_seconds", STORE_WATCH_SECONDS)
        return cls(**chosen)

    @property
    def registry(self) -> Path:
        """Give the directory of promoted models: those that were pulled, where there is a store."""
        return self.cache if self.store else self.models


def variable_of(name: str) -> str:
    """Name the environment variable of a setting."""
    prefixes = {setting.name: setting.metadata["prefix"] for setting in fields(Settings)}
    return str(prefixes[name]) + name.upper()


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Find variables that look like one of ours, with the one that may be meant."""
    known = [variable_of(setting.name) for setting in fields(Settings)]
    ours = (PREFIX, OF_MODELS)
    unknown = [name for name in environment if name.startswith(ours) and name not in known]
    nearest = {name: get_close_matches(name, known, n=1, cutoff=0.8) for name in unknown}
    return {name: found[0] for name, found in nearest.items() if found}


def _parsed(variable: str, setting: Any, text: str) -> Any:
    kind = type(setting.default)
    if kind is bool:
        if text.lower() not in TRUE | FALSE:
            raise SettingError(variable, text, "true or false")
        return text.lower() in TRUE
    if kind in (int, float):
        return _number(variable, kind, text, setting.metadata["least"])
    if setting.name in ("admin_token", "key") and 0 < len(text) < LEAST_SECRET:
        raise SettingError(variable, "…", f"a secret of {LEAST_SECRET} letters or more")
    if isinstance(setting.default, Path) and (not text or Path(text).is_file()):
        raise SettingError(variable, text, "a directory")
    if kind is str and not text.isascii():
        raise SettingError(variable, "…", "ASCII letters")
    return kind(text)


def _number(variable: str, kind: type[int] | type[float], text: str, least: float) -> float:
    words = f"a{' whole' if kind is int else ''} number of {least:g} or more"
    try:
        number = kind(text)
    except ValueError:
        raise SettingError(variable, text, words) from None
    if not least <= number < float("inf"):
        raise SettingError(variable, text, words)
    return number
