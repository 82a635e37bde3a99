"""Stores on loopback: an S3 server, and a proxy that is slow or breaks connections."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

from tabproof.artifacts import Registry
from tabproof.artifacts.remote.signature import SignatureKeys
from tabproof.artifacts.remote.store import Store, open_store
from tabproof.artifacts.remote.transfer import Transfer
from tabproof.artifacts.remote.transfer import pull as pull_model
from tabproof.artifacts.remote.transfer import push as push_model

REGION = "eu-west-1"
REQUEST = re.compile(rb"(GET|PUT|HEAD|POST|DELETE) (\S+) HTTP/1\.1\r\n")
Decide = Callable[[str, str], str]


class Bucket:
    """A bucket of moto's server, accessed without the code under test."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.name, self.address = name, f"s3://{name}/models"
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - nobody checks it
        )
        place = {"LocationConstraint": REGION}
        self._client.create_bucket(Bucket=name, CreateBucketConfiguration=place)

    def names(self) -> list[str]:
        found = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"].removeprefix("models/") for entry in found]

    def read(self, key: str) -> bytes:
        body = self._client.get_object(Bucket=self.name, Key=f"models/{key}")["Body"]
        content: bytes = body.read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=f"models/{key}", Body=content)

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=f"models/{key}")


class Folder:
    """A directory as a store, accessed without the code under test."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)

    def names(self) -> list[str]:
        return list(content_of(self.path))

    def read(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_bytes(content)

    def remove(self, key: str) -> None:
        (self.path / key).unlink()


Stored = Bucket | Folder


class Between:
    """Forwards to a server, as decide(method, path) says of each request.

    "pass"; "cut": the connection ends before the request is forwarded; "stall": nothing comes
    back; "drip": a byte at a time comes back.
    """

    def __init__(self, port: int, decide: Decide = lambda _, __: "pass") -> None:
        self.decide, self.requests = decide, list[tuple[str, str]]()
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = list[socket.socket]()
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        # A test may have closed it.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # A connection that was accepted meanwhile must be closed too.
        self._accepting.join()
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open.append(server)
                how = ["pass"]
                for act in (self._forward, self._back):
                    threading.Thread(target=act, args=(client, server, how), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, how: list[str]) -> None:
        with suppress(OSError):
            while content := client.recv(1 << 20):
                if request := REQUEST.match(content):
                    method, path = request[1].decode(), request[2].decode()
                    self.requests.append((method, path))
                    how[0] = self.decide(method, path)
                if how[0] == "cut":
                    break
                server.sendall(content)
        self._end(client, server)

    def _back(self, client: socket.socket, server: socket.socket, how: list[str]) -> None:
        with suppress(OSError):
            while content := server.recv(1 << 16):
                if how[0] == "drip":
                    for byte in content:
                        client.sendall(bytes([byte]))
                        time.sleep(0.05)
                elif how[0] == "pass":
                    client.sendall(content)
        if how[0] != "stall":
            self._end(client, server)

    def _end(self, *both: socket.socket) -> None:
        for each in both:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """Answer every request with one error; yield the endpoint."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_HEAD = do_GET  # noqa: N815 - the server calls them so

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def place(address: str, seconds: float | None = None) -> Store:
    return open_store(address, seconds)


def push(
    address: str,
    models: Path,
    *,
    name: str = "wine",
    sign_by: Path | None = None,
    replace: bool = False,
) -> Transfer:
    registry = Registry(models)
    return push_model(place(address), registry, name, sign_by=sign_by, replace=replace)


def pull(
    address: str,
    models: Path,
    *,
    name: str = "wine",
    keys: SignatureKeys | None = None,
    overwrite: bool = False,
    seconds: float | None = None,
) -> Transfer:
    where = place(address, seconds)
    return pull_model(where, Registry(models), name, keys=keys, overwrite=overwrite)


def content_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a directory, without locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
