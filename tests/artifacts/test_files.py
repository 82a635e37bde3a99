"""Files appear whole or not at all; a lock has one holder."""

from itertools import pairwise
from pathlib import Path

import pytest

from tabproof.artifacts.files import (
    atomic_file,
    is_locked,
    locked,
    point_to,
    read_limited,
    read_yaml,
    write_atomically,
    write_new,
)


def test_a_failed_write_keeps_the_old_content_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_stays_relative(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        point_to(tmp_path / "latest", tmp_path / name)
    assert (tmp_path / "latest").readlink() == Path("b")


def test_a_file_is_not_visible_before_it_is_whole(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "file", tmp_path / "scratch") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "file").exists()
        file.write(b", whole")
    assert (tmp_path / "file").read_bytes() == b"half, whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    write_new(tmp_path / "a/b/file", [b"1", b"2"])
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a/b/file", [b"3"])
    assert (tmp_path / "a/b/file").read_bytes() == b"12"


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 1000])
def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    if size > 10:
        with pytest.raises(ValueError, match="is larger than 10 bytes"):
            read_limited(path, 10)
    else:
        assert read_limited(path, 10) == path.read_bytes()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no file of unknown size here")
def test_a_file_of_unknown_size_is_read_whole_up_to_the_limit() -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert b"ctxt_switches" in read_limited(path, 1 << 20)
    with pytest.raises(ValueError, match="is larger than 100 bytes"):
        read_limited(path, 100)


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "folder/lock"
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
        with pytest.raises(BlockingIOError), locked(path):
            pass
    assert not is_locked(path)


def test_a_lock_on_a_removed_file_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path):
        path.unlink()
        # Another process does not see the file that is held, so it makes and holds its own.
        with locked(path):
            assert is_locked(path)


def test_a_link_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in pairwise("abcdefghijk")
)


@pytest.mark.parametrize("text", ["- " * 10_000 + "1", "[" * 900 + "]" * 900, LAUGHS, "&a [*a]"])
def test_yaml_that_would_fill_the_stack_or_the_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deeply|holds an alias"):
        read_yaml(text)
    assert read_yaml("{a: [1, {b: x}]}") == {"a": [1, {"b": "x"}]}
