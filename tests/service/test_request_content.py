"""Bodies are read as their headers say: media type, compression and character set."""

import codecs
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.service.answers import RefusedError
from tabproof.service.request_content import BodyDecoder, as_utf8, check_content_type
from tests.service.conftest import ROWS
from tests.service.serving import Server

BODY = json.dumps({"features": ROWS[0]}).encode()
LIMIT = 8 * 2**20


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


COMPRESS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize(
    "content_type",
    [
        b"", b"application/json", b"Application/JSON; charset=utf-8", b"application/problem+json",
    ],
)  # fmt: skip
def test_json_is_declared_or_assumed(content_type: bytes) -> None:
    check_content_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "text/plain;charset=UTF-8", "text/csv", "application/xml", "é",
    ],
)  # fmt: skip
def test_other_media_type_is_refused_by_name(content_type: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_content_type(content_type.encode("latin-1"))
    assert refused.value.status == 415
    assert f"Content-Type is '{content_type.partition(';')[0]}'" in refused.value.detail


def test_body_without_content_type_is_json(server: Server) -> None:
    # As tritonclient with binary_data=False and KServe's REST client send it.
    tensors = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [41]}]}
    bodies = {"/predict": BODY, "/v2/models/table/infer": json.dumps(tensors).encode()}
    for path, body in bodies.items():
        plain = server.request("POST", path, body)
        assert (plain.status, plain.json) == (200, server.post(path, body).json)


@pytest.mark.parametrize("encoding", [*COMPRESS, "GZIP", "identity"])
def test_compressed_body_is_read(server: Server, encoding: str) -> None:
    body = COMPRESS.get(encoding.lower(), bytes)(BODY)
    answer = server.post("/predict", body, **{"Content-Encoding": encoding})
    assert (answer.status, answer.json) == (200, server.post("/predict", BODY).json)


@given(content=st.binary(max_size=300), size=st.integers(1, 50))
def test_body_in_pieces_is_the_whole(content: bytes, size: int) -> None:
    for name, compress in (("gzip", gzip.compress), ("deflate", zlib.compress),
                           ("deflate", raw_deflate)):  # fmt: skip
        sent, decoder = compress(content), BodyDecoder(name.encode())
        pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
        assert b"".join(decoder.decode(piece, LIMIT) for piece in pieces) == content
        decoder.finish()


DAMAGED = {
    "not compressed": (BODY, "cannot be decompressed"),
    "empty": (b"", "truncated"),
    "cut": (gzip.compress(BODY)[:-1], "truncated"),
    "followed by more": (gzip.compress(BODY) + b"x", "bytes follow its end"),
}


@pytest.mark.parametrize(("body", "words"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_compressed_body_is_refused(server: Server, body: bytes, words: str) -> None:
    answer = server.post("/predict", body, **{"Content-Encoding": "gzip"})
    assert (answer.status, words in answer.json["detail"]) == (400, True), answer.json
    assert "Content-Encoding" in answer.json["detail"]


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip, gzip", "zstd, gzip"])
def test_other_compression_is_refused_with_those_that_work(server: Server, encoding: str) -> None:
    answer = server.post("/predict", BODY, **{"Content-Encoding": encoding})
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert f"Content-Encoding '{encoding}'" in answer.json["detail"]


def test_decompressed_body_is_limited(server: Server) -> None:
    within = b" " * (LIMIT - len(BODY)) + BODY
    for encoding, compress in COMPRESS.items():
        header = {"Content-Encoding": encoding}
        assert server.post("/predict", compress(within), **header).status == 200
        answer = server.post("/predict", compress(b" " + within), **header)
        assert (answer.status, "8,388,608 bytes" in answer.json["detail"]) == (413, True)


def test_bomb_is_not_decompressed_beyond_the_limit() -> None:
    # A gigabyte in a megabyte.
    bomb = gzip.compress(b" " * 2**30, 1)
    assert len(BodyDecoder(b"gzip").decode(bomb, LIMIT + 1)) == LIMIT + 1


def test_byte_order_mark_is_removed_and_utf_16_is_refused(server: Server) -> None:
    assert server.post("/predict", codecs.BOM_UTF8 + BODY).status == 200
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        answer = server.post("/predict", BODY.decode().encode(encoding))
        assert (answer.status, "send JSON in UTF-8" in answer.json["detail"]) == (400, True)


@given(st.text(max_size=9))
def test_json_in_utf_8_is_unchanged(text: str) -> None:
    content = json.dumps(text, ensure_ascii=False).encode()
    assert as_utf8(content) == content
