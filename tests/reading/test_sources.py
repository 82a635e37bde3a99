"""Where bytes come from, and what compressed them."""

import gzip
import io
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tabproof.errors import FileMissingError
from tabproof.reading import FileUnreadableError, read_table, source
from tests.reading.making import COMPRESSED, ROWS, TABLE, read, rows_of, zipped


@pytest.mark.parametrize("name", ["table.CSV", "TABLE.TXT", "table", "table.gz", "table.parquet"])
@pytest.mark.parametrize("compression", sorted(COMPRESSED))
def test_compression_is_told_by_content(name, compression) -> None:
    assert rows_of(read(COMPRESSED[compression](TABLE.encode()), name=name)) == ROWS


def test_an_archive_in_an_archive_is_opened_too() -> None:
    assert rows_of(read(zipped(gzip.compress(TABLE.encode()), "t.csv.gz"))) == ROWS


def test_parts_of_gzip_one_after_the_other_are_one_file() -> None:
    head, rest = TABLE[:100].encode(), TABLE[100:].encode()
    assert rows_of(read(gzip.compress(head) + gzip.compress(rest))) == ROWS


@pytest.mark.parametrize("compression", sorted(set(COMPRESSED) - {"none"}))
def test_a_damaged_archive_is_refused_in_one_line(compression) -> None:
    content = COMPRESSED[compression](TABLE.encode())
    with pytest.raises(FileUnreadableError) as raised:
        read(content[: len(content) // 2])
    assert "\n" not in str(raised.value)


def test_an_archive_of_several_files_is_refused_with_their_names() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", TABLE)
        archive.writestr("b.csv", TABLE)
    with pytest.raises(FileUnreadableError, match=r"2 files \('a.csv', 'b.csv'\); unpack it"):
        read(file.getvalue())


@pytest.mark.parametrize("compression", sorted(set(COMPRESSED) - {"none"}))
def test_what_would_fill_the_memory_is_refused(compression, monkeypatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 10_000)
    assert rows_of(read(COMPRESSED[compression](TABLE.encode()))) == ROWS
    with pytest.raises(FileUnreadableError, match="holds more than 10,000 bytes"):
        read(COMPRESSED[compression](b"0" * 1_000_000))


def test_a_missing_file_is_told_with_the_directory_it_is_looked_for_in(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileMissingError, match=r"gone\.csv: there is nothing"):
        read_table("gone.csv")


def test_standard_input_is_read(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TABLE.encode()))))
    assert rows_of(read_table("-")) == ROWS


def test_other_addresses_are_refused() -> None:
    with pytest.raises(FileUnreadableError, match=r"addresses begin with .*https://.*s3://"):
        read_table("memory://tables/t.csv")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_an_address_of_the_web_is_read(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            assert rows_of(read_table(f"{address}/t.csv.gz?raw=1")) == ROWS
            with pytest.raises(FileUnreadableError, match=r"cannot be fetched"):
                read_table(f"{address}/gone.csv")
        finally:
            server.shutdown()


def test_a_file_in_a_bucket_is_read(monkeypatch) -> None:
    """Through the same clients as model stores, with their environment."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
        ):
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="tables")
        client.put_object(Bucket="tables", Key="a b/t.csv.gz", Body=gzip.compress(TABLE.encode()))
        assert rows_of(read_table("s3://tables/a b/t.csv.gz")) == ROWS
        with pytest.raises(FileUnreadableError, match=r"s3://tables/gone\.csv cannot be fetched"):
            read_table("s3://tables/gone.csv")
    finally:
        server.stop()
