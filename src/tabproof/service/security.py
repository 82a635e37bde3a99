"""Authorization, and the security headers of every response."""

import hmac
from collections.abc import Mapping

from tabproof.service.answers import RefusedError

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


def response_headers(
    request_id: bytes, content: bytes | None = None, *, closes: bool = False
) -> list[tuple[bytes, bytes]]:
    """Return the headers of every response, and those of its JSON if content is given."""
    headers = [(b"x-request-id", request_id), *HEADERS]
    if content is not None:
        length = str(len(content)).encode()
        headers += [(b"content-type", b"application/json"), (b"content-length", length)]
    if closes:
        headers.append((b"connection", b"close"))
    return headers


def check_admin(token: str, authorization: str | None) -> None:
    """Check the administration token; 403 if none is configured, 401 if it is wrong."""
    if not token:
        raise RefusedError(
            403,
            "administration is switched off: start the service with API_ADMIN_TOKEN to allow it",
        )
    if not _is(_bearer(authorization or ""), token):
        raise RefusedError(
            401,
            "administration needs the header 'Authorization: Bearer <API_ADMIN_TOKEN>'",
            headers={"WWW-Authenticate": "Bearer"},
        )


def check_key(key: str, headers: Mapping[bytes, bytes]) -> None:
    """Check the key of a client, in X-API-Key or as a bearer token."""
    if not key:
        return
    given = headers.get(b"x-api-key", b"").decode("latin-1")
    bearer = _bearer(headers.get(b"authorization", b"").decode("latin-1"))
    # Both are compared, so that the duration does not reveal which one was given.
    if not _is(given, key) | _is(bearer, key):
        raise RefusedError(
            401, "predictions need the header X-API-Key", headers={"WWW-Authenticate": "Bearer"}
        )


def _bearer(authorization: str) -> str:
    """Return the bearer token; the scheme is case-insensitive (RFC 9110)."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())
