"""A log in a bucket is merged without a lock: two commands at once keep each row, once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from tabproof.monitoring import log_places
from tabproof.monitoring.compact import Merged, merge_log
from tabproof.monitoring.log_files import _copy, opened_log
from tabproof.monitoring.log_places import BucketPlace
from tabproof.monitoring.merged import Sources
from tabproof.prediction_log import layout
from tests.conftest import typed_in
from tests.monitoring.small_logs import (
    BEFORE,
    PARTITION,
    Rows,
    name_of,
    rows_in,
    rows_of,
    segment,
    small_log,
    write,
)

memory = pytest.importorskip("obstore.store")
PREFIX = "a/log/"


class Bucket:
    """A bucket in memory, with the rows that are read of it."""

    def __init__(self, root: Path) -> None:
        self.store = memory.MemoryStore()
        self._root, self._n_copies = root, 0
        for path in root.rglob("*.parquet"):
            self.put(path.relative_to(root).as_posix(), path.read_bytes())

    def put(self, name: str, content: bytes) -> None:
        self.store.put(PREFIX + name, content)

    def merged(self) -> Merged:
        return merge_log(BucketPlace(self.store, PREFIX), BEFORE)

    def names(self) -> list[str]:
        found = (each["path"] for page in self.store.list(PREFIX) for each in page)
        return sorted(each.removeprefix(PREFIX) for each in found)

    def rows(self) -> Rows:
        """Return the rows that count in a copy of what is there now."""
        self._n_copies += 1
        folder = self._root.parent / f"copy-{self._n_copies}"
        folder.mkdir()
        assert _copy(self.store, PREFIX, folder, None, None)
        return rows_of(folder)


def made(root: Path) -> Bucket:
    """Return one partition of five files, of which two are merged."""
    for number in range(2):
        write(root, PARTITION, number)
    found = Bucket(root)
    found.merged()
    for number in range(2, 5):
        found.put(f"{PARTITION}/{name_of(number)}", segment(number))
    return found


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return made(tmp_path / "first")


class Interrupted(BucketPlace):
    """Call a function before one of the steps of a place."""

    def __init__(self, store: Any, at: int, call: Callable[[], None]) -> None:
        super().__init__(store, PREFIX)
        self.n_steps, self._at, self._call = 0, at, call

    def _step(self) -> None:
        self.n_steps += 1
        if self.n_steps == self._at:
            self._call()

    def files(self, partition: str) -> dict[str, int]:
        self._step()
        return super().files(partition)

    def contents(self, partition: str, names: Sequence[str]) -> Iterator[bytes | OSError]:
        for content in super().contents(partition, names):
            self._step()
            yield content

    def sources(self, partition: str, name: str, size: int) -> Sources:
        self._step()
        return super().sources(partition, name, size)

    @contextmanager
    def _new_file(self, partition: str, name: str) -> Iterator[IO[bytes]]:
        with super().new_file(partition, name) as file:
            yield file
            self._step()

    def new_file(self, partition: str, name: str) -> AbstractContextManager[IO[bytes]]:
        return self._new_file(partition, name)

    def remove(self, partition: str, names: Any) -> None:
        self._step()
        # One by one: another command may come in between.
        for name in sorted(names):
            super().remove(partition, [name])
            self._step()


class Killed(BaseException):
    """The process is gone."""


def others(bucket: Bucket, kind: str) -> Callable[[], None]:
    """Return what happens at a step of a command."""

    def killed() -> None:
        raise Killed

    def happen() -> None:
        if kind == "killed":
            raise Killed
        if kind == "late":
            # The other command merges a file that the first one has not seen.
            bucket.put(f"{PARTITION}/{name_of(52)}", segment(52))
        bucket.merged()
        if kind == "twice":
            # The number of the merged file that the first command is about to write is gone.
            bucket.put(f"{PARTITION}/{name_of(50)}", segment(50))
            bucket.merged()
        if kind == "half":
            bucket.put(f"{PARTITION}/{name_of(51)}", segment(51))
            with suppress(Killed):
                merge_log(Interrupted(bucket.store, 7, killed), BEFORE)
        if kind == "again":
            bucket.put(f"{PARTITION}/{name_of(2)}", segment(2))

    return happen


@pytest.mark.parametrize("kind", ["killed", "once", "late", "twice", "half", "again"])
def test_whatever_happens_at_a_step_each_row_counts_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that is fetched ahead is read before what happens at a step.
    monkeypatch.setattr(log_places, "N_AT_ONCE", 1)
    n_late = {"twice": 50, "half": 51, "late": 52}.get(kind)
    undisturbed = Interrupted(made(tmp_path / "0" / "first").store, 0, list)
    merge_log(undisturbed, BEFORE)
    assert undisturbed.n_steps >= 15
    for at in range(1, undisturbed.n_steps + 1):
        root = tmp_path / str(at) / "first"
        bucket = made(root)
        before = bucket.rows()
        with suppress(Killed):
            merge_log(Interrupted(bucket.store, at, others(bucket, kind)), BEFORE)
        if n_late is not None:
            for row in rows_in(PARTITION, write(root, PARTITION, n_late)):
                before[row] += 1
        assert bucket.rows() == before, at
        bucket.merged()
        assert bucket.rows() == before, at
        (name,) = bucket.names()
        assert layout.merged_number(Path(name).name)


def test_a_reader_whose_files_are_merged_reads_the_merged_one(
    bucket: Bucket, tmp_path: Path
) -> None:
    before = bucket.rows()

    class Slow:
        """A store of which a file is removed after it was listed."""

        def __init__(self) -> None:
            self.n_gets = 0

        def list(self, prefix: str | None) -> Any:
            return bucket.store.list(prefix)

        def get(self, path: str) -> Any:
            self.n_gets += 1
            if self.n_gets == 2:
                bucket.merged()
            return bucket.store.get(path)

    folder = tmp_path / "copy"
    folder.mkdir()
    store = Slow()
    assert not _copy(store, PREFIX, folder, None, None)
    assert _copy(store, PREFIX, folder, None, None)
    assert rows_of(folder) == before


def test_names_that_are_no_files_of_a_partition_are_left_alone(bucket: Bucket) -> None:
    strange = [
        f"{PARTITION}/.hidden.parquet",
        f"{PARTITION}/deeper/1.parquet",
        f"{PARTITION}/notes.txt",
        "predictions/date=2026-11-02/1.parquet",
        "predictions/date=today/model=adult/1.parquet",
        "notes/date=2026-11-02/1.parquet",
    ]
    for name in strange:
        bucket.put(name, b"")
    assert bucket.merged().n_partitions == 1
    assert bucket.names() == sorted([*strange, f"{PARTITION}/merged-000002.parquet"])


def test_the_command_merges_what_is_in_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    root = small_log(tmp_path / "log")
    before = rows_of(root)
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
        # moto keeps the buckets of other tests of the process.
        client.create_bucket(Bucket="compacted")
        for path in root.rglob("*.parquet"):
            key = f"a/log/{path.relative_to(root)}"
            client.put_object(Bucket="compacted", Key=key, Body=path.read_bytes())
        words = ("compact", "--log", "s3://compacted/a/log/")
        done = typed_in("monitor", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("20 files of 5 partitions are 5 files now; ")
        found = client.list_objects_v2(Bucket="compacted")["Contents"]
        assert {Path(each["Key"]).name for each in found} == {layout.merged_name(1)}
        with opened_log("s3://compacted/a/log") as place:
            assert rows_of(place) == before
        # A source that comes back is removed, and the name of the next merged file is a new one.
        for number in (1, 9):
            key = f"a/log/{PARTITION}/{name_of(number)}"
            client.put_object(Bucket="compacted", Key=key, Body=segment(number))
        done = typed_in("monitor", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("2 files of 1 partition are 1 file now; ")
        write(root, PARTITION, 9)
        with opened_log("s3://compacted/a/log") as place:
            assert rows_of(place) == rows_of(root)
        done = typed_in("monitor", "compact", "--log", "s3://nowhere/log")
        assert (done.returncode, done.stdout) == (2, "")
        assert "the log s3://nowhere/log cannot be merged: " in done.stderr
    finally:
        server.stop()
