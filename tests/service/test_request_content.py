"""Bodies are read as their headers say: media type, compression and character set."""

import codecs
import gzip
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.service import request_content
from tabproof.service.answers import RefusedError
from tabproof.service.request_content import (
    MAX_FRAMES,
    BodyDecoder,
    as_utf8,
    check_content_type,
    decoder_of,
)
from tests.conftest import ROOT
from tests.service.conftest import ROWS
from tests.service.serving import Server

BODY = json.dumps({"features": ROWS[0]}).encode()
LIMIT = 8 * 2**20


def raw_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


COMPRESS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
try:
    from backports import zstd
except ImportError:  # the extra `api` is not installed whole
    zstd = None
else:
    COMPRESS["zstd"] = zstd.compress
needs_zstd = pytest.mark.skipif(zstd is None, reason="backports.zstd is not installed")
KNOWN = "gzip, deflate" if zstd is None else "gzip, deflate, zstd"


def decoder_for(name: str) -> BodyDecoder:
    decoder = decoder_of({b"content-encoding": name.encode()})
    assert decoder is not None
    return decoder


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
    for name, compress in (*COMPRESS.items(), ("deflate", raw_deflate)):
        sent, decoder = compress(content), decoder_for(name)
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


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd, gzip"])
def test_other_compression_is_refused_with_those_that_work(server: Server, encoding: str) -> None:
    answer = server.post("/predict", BODY, **{"Content-Encoding": encoding})
    assert (answer.status, answer.headers["accept-encoding"]) == (415, KNOWN)
    assert f"Content-Encoding '{encoding}'" in answer.json["detail"]


def test_decompressed_body_is_limited(server: Server) -> None:
    within = b" " * (LIMIT - len(BODY)) + BODY
    for encoding, compress in COMPRESS.items():
        header = {"Content-Encoding": encoding}
        assert server.post("/predict", compress(within), **header).status == 200
        answer = server.post("/predict", compress(b" " + within), **header)
        assert (answer.status, "8,388,608 bytes" in answer.json["detail"]) == (413, True)


@pytest.mark.parametrize("name", ["gzip", pytest.param("zstd", marks=needs_zstd)])
def test_bomb_is_not_decompressed_beyond_the_limit(name: str) -> None:
    # A gigabyte in a megabyte, with zstd in 32 kilobytes.
    bomb = COMPRESS[name](b" " * 2**30, 1)
    tracemalloc.start()
    try:
        assert len(decoder_for(name).decode(bomb, LIMIT + 1)) == LIMIT + 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * LIMIT


# --- zstd


def skippable(content: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def with_window(content: bytes, log: int) -> bytes:
    """Compress as a stream, so that the frame has a window instead of the content's size."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return bytes(compressor.compress(content) + compressor.flush())


@needs_zstd
@given(contents=st.lists(st.binary(max_size=99), max_size=9), size=st.integers(1, 50))
def test_frames_of_zstd_are_one_body_in_any_pieces(contents: list[bytes], size: int) -> None:
    frames = [skippable(b"x"), *map(zstd.compress, contents), skippable(b"")]
    sent, decoder = b"".join(frames), decoder_for("zstd")
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert b"".join(decoder.decode(piece, LIMIT) for piece in pieces) == b"".join(contents)
    decoder.finish()


@needs_zstd
@given(cut=st.integers(1, 60), contents=st.lists(st.binary(min_size=30, max_size=99), min_size=1))
def test_truncated_zstd_is_refused_wherever_it_ends(cut: int, contents: list[bytes]) -> None:
    frames = list(map(zstd.compress, contents))
    end = sum(map(len, frames)) - min(cut, len(frames[-1]) - 1)
    decoder = decoder_for("zstd")
    decoder.decode(b"".join(frames)[:end], LIMIT)
    with pytest.raises(RefusedError, match=r"not valid zstd .*truncated"):
        decoder.finish()


@needs_zstd
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BODY, "cannot be decompressed"),
        (lambda: b"", "truncated"),
        (lambda: zstd.compress(BODY)[:3], "truncated"),
        (lambda: zstd.compress(BODY) + b"garbage", "cannot be decompressed"),
        (lambda: zstd.compress(BODY) + b"\x28", "truncated"),
        (lambda: with_window(BODY, 24), "window is larger than 8,388,608 bytes"),
        (lambda: b"\x28\xb5\x2f\xfd\x00\xff" + bytes(20), "window is larger"),
        (lambda: zstd.compress(b"") * (MAX_FRAMES + 1), "more than 1,000 frames"),
    ],
)
def test_damaged_zstd_is_refused(server: Server, make: Callable[[], bytes], words: str) -> None:
    answer = server.post("/predict", make(), **{"Content-Encoding": "zstd"})
    assert (answer.status, words in answer.json["detail"]) == (400, True), answer.json
    assert "Content-Encoding" in answer.json["detail"]


@needs_zstd
def test_zstd_with_the_largest_window_and_without_a_size_is_read(server: Server) -> None:
    for body in (
        with_window(BODY, 23),
        zstd.compress(b"") * (MAX_FRAMES - 1) + zstd.compress(BODY),
    ):
        answer = server.post("/predict", body, **{"Content-Encoding": "zstd"})
        assert (answer.status, answer.json) == (200, server.post("/predict", BODY).json)


@needs_zstd
@pytest.mark.parametrize("level", [1, 3, 19])
def test_zstd_in_pieces_is_bounded_where_the_limit_is_reached(level: int) -> None:
    sent, decoder, found = zstd.compress(b"ab" * 2**20, level) * 9, decoder_for("zstd"), 0
    for start in range(0, len(sent), 64):
        found += len(decoder.decode(sent[start : start + 64], LIMIT + 1 - found))
        if found > LIMIT:
            break
    assert found == LIMIT + 1


def test_without_its_package_zstd_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports", None)
    request_content._zstd.cache_clear()
    try:
        with pytest.raises(RefusedError) as refused:
            decoder_for("zstd")
    finally:
        request_content._zstd.cache_clear()
    assert refused.value.status == 415
    assert "send gzip, deflate or no compression" in refused.value.detail


def test_zstd_is_imported_with_the_first_body_of_it() -> None:
    script = "import sys, tabproof.service.app; sys.exit('backports.zstd' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


# --- Character sets


def test_byte_order_mark_is_removed_and_utf_16_is_refused(server: Server) -> None:
    assert server.post("/predict", codecs.BOM_UTF8 + BODY).status == 200
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        answer = server.post("/predict", BODY.decode().encode(encoding))
        assert (answer.status, "send JSON in UTF-8" in answer.json["detail"]) == (400, True)


@given(st.text(max_size=9))
def test_json_in_utf_8_is_unchanged(text: str) -> None:
    content = json.dumps(text, ensure_ascii=False).encode()
    assert as_utf8(content) == content
