"""Cross-origin requests: which pages of other origins may call the service."""

from tabproof.service.answers import Headers, RawHeaders

METHODS = b"GET, HEAD, POST"
REQUEST_HEADERS = (
    b"Authorization, Content-Encoding, Content-Type, Inference-Header-Content-Length, X-API-Key,"
    b" X-Request-ID"
)
RESPONSE_HEADERS = b"Retry-After, X-Request-ID"
# Seconds for which a browser keeps the answer of a preflight.
MAX_AGE = b"600"


class Cors:
    """The headers for pages of the origins in API_CORS_ORIGINS; `*` is every origin."""

    def __init__(self, origins: str) -> None:
        self._origins = {origin.strip().lower().encode() for origin in origins.split(",")}
        self._is_open = self._origins == {b"*"}

    def allows(self, headers: Headers) -> bool:
        """Return whether the origin of a request is allowed."""
        return self._is_open or headers.get(b"origin", b"").lower() in self._origins

    def preflight_headers(self, headers: Headers) -> RawHeaders:
        """Return the headers that answer a preflight."""
        return [
            *self.response_headers(headers),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", MAX_AGE),
        ]

    def response_headers(self, headers: Headers) -> RawHeaders:
        """Return the headers of a response."""
        if self._is_open:
            origin = b"*"
        elif self.allows(headers):
            origin = headers[b"origin"]
        else:
            return [(b"vary", b"Origin")]
        allowed = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", RESPONSE_HEADERS),
        ]
        return allowed if self._is_open else [*allowed, (b"vary", b"Origin")]
