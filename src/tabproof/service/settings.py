"""Settings of the service, from environment variables; checked at start-up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from tabproof.artifacts.registry import NAME
from tabproof.errors import UserError, printable
from tabproof.text import is_printable

# Settings that the service, `push` and `pull` share; their variables begin with MODEL_.
SHARED = ("store", "cache", "store_timeout_seconds", "signature_key")
# Seconds between attempts when a store is configured.
STORE_WATCH_SECONDS = 60.0
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
PAGES = ("off", "front", "all")
MIN_SECRET = 16
SECRETS = ("admin_token", "key", "labels_token", "prediction_log_hash_key")
COLUMN_LISTS = ("prediction_log_exclude", "prediction_log_hash")
ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]{1,5}")
_ORIGIN = r"https?://[\w.-]+(?::\d+)?|https?://\[[\da-fA-F:]+\](?::\d+)?"
ORIGINS = re.compile(rf"(?:\*|(?:{_ORIGIN})(?: *, *(?:{_ORIGIN}))*)?", re.ASCII)


class SettingError(UserError):
    """An environment variable of the service has an invalid value."""

    template = "{variable}={found} is not valid; it takes {valid} (docs/service.md)"


def setting(doc: str, default: Any, least: float | None = None) -> Any:
    """Declare a setting; least: the smallest valid number."""
    return field(default=default, metadata={"doc": doc, "least": least})


@dataclass(frozen=True)
class Settings:
    """The settings; the variable of `max_rows` is API_MAX_ROWS."""

    models: Path = setting("the registry: promoted models", Path("models"))
    outputs: Path = setting("runs; the newest is served if none is promoted", Path("outputs"))
    default_model: str = setting("that of `/predict`; empty: the only or last promoted one", "")
    require: str = setting(
        "names, as in `adult,churn`; `/ready` returns 503 until all of them are served", ""
    )
    admin_token: str = setting(
        "the token for `/reload` and `/labels`; empty: reloading is switched off", ""
    )
    key: str = setting("the key for predictions; empty: no key is needed", "")
    docs: bool = setting("whether `/docs` and `/openapi.json` exist", True)
    pages: str = setting(
        "pages for people: `front` is the page at `/`; `all` (or `true`) adds the"
        " [pages of runs](#pages); `off` (or `false`): none",
        "front",
    )
    cors_origins: str = setting(
        "origins whose pages may call the service, with commas between them; `*`: all; empty: none",
        "",
    )
    allow_empty: bool = setting(
        "whether a row without any column of the model is predicted; if not, it gets a 422", False
    )
    max_body_bytes: int = setting("maximum bytes of a body", 8 * 2**20, 1024)
    max_rows: int = setting("maximum rows of a request", 10_000, 1)
    max_bytes_in_flight: int = setting(
        "maximum bytes of all bodies in flight; more get a 503", 128 * 2**20, 1024
    )
    max_in_flight: int = setting("maximum requests with a body in flight; more get a 503", 512, 1)
    request_timeout_seconds: float = setting("maximum time for a body to arrive", 10.0, 0.1)
    batch_timeout_seconds: float = setting(
        "maximum time for a large body to wait and be processed", 60.0, 0.1
    )
    drain_seconds: float = setting(
        "after SIGTERM, how long `/ready` returns 503 while requests are still served", 2.0, 0.0
    )
    watch_seconds: float = setting("seconds between checks for promotions; 0: never", 0.0, 0.0)
    canary_max_error_share: float = setting(
        "share of failed requests above which a [canary](monitoring.md#champion-and-challenger)"
        " answers no longer",
        0.02,
        0.0,
    )
    canary_max_slowdown: float = setting(
        "the same, of its mean time per row over that of the champion", 3.0, 0.1
    )
    canary_drift_level: float = setting(
        "probability that a canary whose rows are as in training is taken back for drift; 0: never",
        0.001,
        0.0,
    )
    grpc: str = setting(
        "address of the Open Inference Protocol by gRPC, such as `0.0.0.0:9000`; empty: none", ""
    )
    log: str = setting("file of the request log; `-` is standard output", "-")
    prediction_log: str = setting(
        "directory of the [prediction log](monitoring.md#the-prediction-log), or `s3://bucket/prefix`;"
        " empty: none",
        "",
    )
    prediction_log_exclude: str = setting(
        "columns that it leaves out, with commas between them, or a JSON list", ""
    )
    prediction_log_hash: str = setting("columns that it has as hashes, in the same form", "")
    prediction_log_hash_key: str = setting("the secret key of these hashes", "")
    prediction_log_share: float = setting(
        "share of the requests that it has, from 0 to 1", 1.0, 0.0
    )
    prediction_log_days: int = setting(
        "days after which the partitions of a directory are removed; 0: never", 0, 0
    )
    prediction_log_flush_seconds: float = setting(
        "seconds between files; a killed process loses as much", 5.0, 0.1
    )
    prediction_log_max_bytes: int = setting(
        "maximum bytes that wait to be written; more rows are dropped and counted",
        16 * 2**20,
        2**20,
    )
    labels_token: str = setting("a token for `/labels` beside `API_ADMIN_TOKEN`; empty: none", "")
    store: str = setting(
        "a [model store](registry.md#the-model-store), `s3://bucket/prefix`, whose promoted"
        " models are served instead of `API_MODELS` and `API_OUTPUTS`",
        "",
    )
    cache: Path = setting("copies of its models, used if it is unreachable", Path("model_cache"))
    store_timeout_seconds: float = setting("maximum total time for the store", 20.0, 1.0)
    signature_key: str = setting(
        "public keys (PEM text or a file); promoted models without a signature by one are refused",
        "",
    )

    @property
    def required(self) -> tuple[str, ...]:
        """The names in `require`."""
        return names_in(self.require)

    @property
    def takes_labels(self) -> bool:
        """Whether `/labels` is switched on."""
        return bool(self.prediction_log and (self.labels_token or self.admin_token))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check the variables; raise SettingError for an invalid one."""
        chosen = {
            setting.name: _parsed(variable, setting, environment[variable])
            for variable, setting in VARIABLES.items()
            if variable in environment
        }
        if chosen.get("store"):
            chosen.setdefault("watch_seconds", STORE_WATCH_SECONDS)
        if chosen.get("prediction_log_hash") and not chosen.get("prediction_log_hash_key"):
            raise SettingError(
                variable="API_PREDICTION_LOG_HASH_KEY",
                found="",
                valid=f"a secret of {MIN_SECRET} characters or more, for the columns to hash",
            )
        return cls(**chosen)


# The settings by their environment variables.
VARIABLES = {
    f"{'MODEL' if setting.name in SHARED else 'API'}_{setting.name.upper()}": setting
    for setting in fields(Settings)
}


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Return unknown variables with our prefix, and the variable that was probably meant."""
    unknown = [name for name in environment if name.startswith(("API_", "MODEL_"))]
    nearest = {name: get_close_matches(name, VARIABLES, n=1, cutoff=0.8) for name in unknown}
    return {name: found[0] for name, found in nearest.items() if found and found != [name]}


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def columns_in(text: str) -> tuple[str, ...]:
    """Return the columns in a list with commas, or in a list of JSON; raise ValueError."""
    if not text.lstrip().startswith("["):
        return names_in(text)
    try:
        return tuple(msgspec.json.decode(text, type=list[str]))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise ValueError("is not a list of texts") from error


def _are_columns(text: str) -> bool:
    try:
        return bool(columns_in(text)) or not text
    except ValueError:
        return False


def _parsed(variable: str, setting: Any, text: str) -> Any:
    kind, shown = type(setting.default), text
    value: Any
    if kind is bool:
        valid = "true or false"
        value = text.lower() in TRUE if text.lower() in TRUE + FALSE else None
    elif kind in (int, float):
        least = setting.metadata["least"]
        valid = f"a{' whole' if kind is int else ''} number of {least:g} or more"
        try:
            value = kind(text) if least <= kind(text) < inf else None
        except ValueError:
            value = None
        if setting.name == "canary_drift_level":
            valid = "a number of 0 or more, below 1"
            value = value if value is not None and value < 1 else None
        if setting.name == "prediction_log_share":
            valid = "a number above 0, up to 1"
            value = value if value is not None and 0 < value <= 1 else None
    elif issubclass(kind, Path):
        valid, value = "a directory", Path(text) if text and not Path(text).is_file() else None
    else:
        # Perhaps a secret.
        shown = "…"
        valid, value = "ASCII characters", text if text.isascii() else None
        if setting.name == "cors_origins":
            shown, value = text, text if ORIGINS.fullmatch(text) else None
            valid = "* or origins such as https://a.example, with commas between them"
        if setting.name == "pages":
            shown, valid = printable(text), f"one of {', '.join(PAGES)}"
            # Switches of other services are true or false.
            words = dict.fromkeys(TRUE, "all") | dict.fromkeys(FALSE, "off")
            value = words.get(text.lower(), text.lower())
            value = value if value in PAGES else None
        if setting.name == "grpc" and text:
            shown, value = printable(text), text if ADDRESS.fullmatch(text) else None
            valid = "host:port, such as 0.0.0.0:9000"
        if setting.name == "require" and not all(map(NAME.fullmatch, names_in(text))):
            shown, valid, value = printable(text), "names of models, separated by commas", None
        if setting.name in COLUMN_LISTS:
            shown, value = printable(text), text if _are_columns(text) else None
            valid = "names of columns, separated by commas, or a JSON list of them"
        if setting.name == "prediction_log":
            shown, value = printable(text), text if is_printable(text) else None
            valid = "a directory or an address such as s3://bucket/prefix"
        if setting.name in SECRETS and 0 < len(text) < MIN_SECRET:
            valid, value = f"a secret of {MIN_SECRET} characters or more", None
    if value is None:
        raise SettingError(variable=variable, found=shown, valid=valid)
    return value
