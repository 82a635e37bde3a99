"""Check that a deployed service is alive and predicts: `python -m deploy.smoke URL`.

Needs only the standard library. It does not evaluate the model: its example row is made up.
"""

import argparse
import json
import math
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from tabproof.errors import UserError
from tabproof.runtime import console

KEY_VARIABLE = "API_KEY"
REQUEST_SECONDS = 10.0
PAUSE_SECONDS = 2.0
# Statuses of a service that is starting, or of a load balancer without a target.
PASSING = {408, 425, 429, 500, 502, 503, 504}


class SmokeError(UserError):
    """A service that does not work; passing: it may work later."""

    exit_code = 1

    def __init__(self, what: str, found: str, *, passing: bool = False) -> None:
        super().__init__(f"{what}: {found}")
        self.passing = passing


class Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: the key is only for the address that was given."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None: the redirection itself is the response."""


OPENER = urllib.request.build_opener(Stay)


@dataclass(frozen=True)
class Service:
    """A service at an address; key: sent with predictions, empty for none."""

    url: str
    key: str = ""

    def get(self, path: str) -> Any:
        """Return the JSON of a response; raise SmokeError."""
        return self._answer(urllib.request.Request(self.url + path))  # noqa: S310 - see address()

    def post(self, path: str, content: object) -> Any:
        """Send JSON with the key; return the JSON of the response; raise SmokeError."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["X-API-Key"] = self.key
        body = json.dumps(content).encode()
        return self._answer(urllib.request.Request(self.url + path, body, headers))  # noqa: S310

    def _answer(self, request: urllib.request.Request) -> Any:
        what = f"{request.get_method()} {request.full_url}"
        try:
            with OPENER.open(request, timeout=REQUEST_SECONDS) as reply:
                content = reply.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                found = f"status {refusal.code}{_detail(refusal)}"
            raise SmokeError(what, found, passing=refusal.code in PASSING) from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise SmokeError(what, _reason(error), passing=True) from None
        try:
            return json.loads(content)
        except ValueError:
            raise SmokeError(what, "status 200, but not JSON") from None


def check(service: Service, predictions: int) -> str:
    """Check the health, then predict the example row several times; raise SmokeError."""
    health = service.get("/health")
    if not _field(health, "models"):
        why = _field(health, "detail") or "no model"
        raise SmokeError(f"{service.url} lives but serves no model", str(why), passing=True)
    row = _field(service.get("/schema"), "example")
    began = time.perf_counter()
    # Several requests reach several tasks behind a load balancer.
    answers = [service.post("/predict", {"features": row}) for _ in range(predictions)]
    milliseconds = 1000 * (time.perf_counter() - began) / predictions
    for answer in answers:
        _check_prediction(service, answer)
    served = sorted({f"{_field(answer, 'model')} {_field(answer, 'run_id')}" for answer in answers})
    if len(served) > 1:
        raise SmokeError(
            f"{service.url} predicts by {' and by '.join(served)}", "tasks differ", passing=True
        )
    return f"{service.url} lives and predicts by {served[0]} ({milliseconds:.0f} ms each)"


def check_patiently(service: Service, predictions: int, seconds: float) -> str:
    """Repeat the check while a failure may pass, up to a time limit; raise SmokeError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check(service, predictions)
        except SmokeError as error:
            if not error.passing or time.monotonic() + PAUSE_SECONDS > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def _check_prediction(service: Service, answer: Any) -> None:
    shares = _field(answer, "probabilities")
    usable = isinstance(shares, dict) and all(
        isinstance(share, float | int) and 0 <= share <= 1 for share in shares.values()
    )
    if not usable or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise SmokeError(f"POST {service.url}/predict", f"no probabilities: {shares!r:.200}")
    if _field(answer, "label") not in shares:
        raise SmokeError(f"POST {service.url}/predict", "a label that has no probability")


def _field(answer: Any, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else None


def _detail(refusal: urllib.error.HTTPError) -> str:
    """Return the detail of an error; that of a load balancer is HTML and is left out."""
    if elsewhere := refusal.headers.get("Location"):
        return f" (it points to {elsewhere:.200})"
    try:
        detail = _field(json.loads(refusal.read()), "detail")
    except (OSError, HTTPException, ValueError):
        return ""
    return f" ({' '.join(str(detail).split())[:300]})" if detail else ""


def _reason(error: Exception) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return f"no answer within {REQUEST_SECONDS:g} s"
    return " ".join(str(inner).split()) or type(inner).__name__


def address(text: str) -> str:
    """Return an HTTP address without a query; raise ArgumentTypeError."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or set(text) & set("?#@ \t\r\n"):
        raise argparse.ArgumentTypeError(f"'{text}' is no address like https://models.example.org")
    return text.rstrip("/")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return int(text)


def _key() -> str:
    """Return the key. urllib would print an invalid one in its error, so it is checked first."""
    key = os.environ.get(KEY_VARIABLE, "")
    if not (key.isascii() and key.isprintable()):
        raise SmokeError(KEY_VARIABLE, "it has characters that are invalid in a header")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.smoke",
        description="check that a deployed service is alive and predicts",
    )
    parser.add_argument("url", type=address, help="of the load balancer")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="time limit of all attempts (default: 120)"
    )
    parser.add_argument(
        "--predictions", type=_at_least_one, default=20, help="number of predictions (default: 20)"
    )
    parser.epilog = (
        f"{KEY_VARIABLE}: the environment variable with the key, if predictions need one"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run the check; exit code 1 for a service that fails, 2 for a bad address."""
    options = _parser().parse_args(arguments)
    try:
        service = Service(options.url, _key())
        console.say(check_patiently(service, options.predictions, options.seconds))
    except SmokeError as error:
        console.complain(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
