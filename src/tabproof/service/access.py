"""Access by secrets in the headers of a request, compared in constant time."""

from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from hmac import compare_digest

from tabproof.service.answers import RefusedError


def knows_secret(secret: str, authorization: bytes, key: bytes = b"") -> bool:
    """Return whether a client sent the secret as its key, or as a bearer token (RFC 9110)."""
    scheme, _, token = authorization.partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    # Both are compared, so that the duration does not reveal which one was given.
    return compare_digest(key, secret.encode()) | compare_digest(bearer, secret.encode())


def check_reader(secrets: Sequence[str], authorization: bytes, key: bytes) -> None:
    """Raise RefusedError for a client that sends none of the secrets, if there are any.

    A secret may also be the password of HTTP Basic, the scheme for which browsers have a dialog.
    """
    password = password_of(authorization)
    # All are compared, as above.
    known = [
        knows_secret(secret, authorization, key) | knows_secret(secret, b"", password)
        for secret in secrets
    ]
    if secrets and not any(known):
        reason = "the pages of runs need API_KEY or API_ADMIN_TOKEN, as the password of any user"
        challenge = 'Basic realm="runs", charset="UTF-8"'
        raise RefusedError(401, reason, headers={"WWW-Authenticate": challenge})


def password_of(authorization: bytes) -> bytes:
    """Return the password of HTTP Basic (RFC 7617), whoever the user is; empty without one."""
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() == b"basic":
        with suppress(ValueError):
            return b64decode(encoded.strip(), validate=True).partition(b":")[2]
    return b""
