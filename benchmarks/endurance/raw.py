"""HTTP as bytes on a socket, for requests that no HTTP client sends."""

import socket
from http.client import HTTPResponse

# The methods with a body.
PATHS = ("/predict", "/predict_batch")
HEAD = "{method} {path} HTTP/1.1\r\nHost: localhost\r\n"


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return a whole request."""
    return head("POST", path, length=len(body), content_type=content_type) + body


def head(
    method: str, path: str, *, length: int | None = None, content_type: str = "application/json"
) -> bytes:
    """Return the lines before a body."""
    lines = HEAD.format(method=method, path=path)
    if length is not None:
        lines += f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n"
    return f"{lines}\r\n".encode()


def receive(connection: socket.socket) -> tuple[HTTPResponse, bytes]:
    """Read one answer. Raises RemoteDisconnected where the stream ends before it begins."""
    response = HTTPResponse(connection)
    try:
        response.begin()
        return response, response.read()
    finally:
        response.close()
