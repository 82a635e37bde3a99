"""What is read of a run is what its manifest says, byte for byte, or nothing is read."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.artifacts import read_verified, verify
from tabproof.artifacts.errors import UnverifiedRunError
from tests.artifacts.making import RUN_ID, make_run, names_in, needs_proc


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", files={"scorer/deep/er/file": b"deep", "empty": b""})


def test_the_bytes_are_those_on_disk_and_only_those_wanted(small_run: Path) -> None:
    found = read_verified(small_run, lambda name: name.startswith("scorer/"))
    assert found.path == small_run
    assert found.run_id == RUN_ID
    assert found.files == {
        "scorer/scorer.json": b"{}",
        "scorer/arrays": bytes(1000),
        "scorer/deep/er/file": b"deep",
    }
    assert found.n_files == 7


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's name is short; the temporary directory's may not be.
        here = Path.cwd()
        os.chdir(path.parent)
        listener.bind(path.name)
        os.chdir(here)


def link_folder(run: Path) -> None:
    shutil.move(run / "plots", run.parent / "elsewhere")
    (run / "plots").symlink_to(run.parent / "elsewhere")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda run: (run / "summary.json").unlink(), r"summary\.json is missing"),
    "missing folder": (lambda run: shutil.rmtree(run / "plots"), r"plots/roc\.svg is missing"),
    "changed": (
        lambda run: (run / "plots/roc.svg").write_bytes(b"a pictura"),
        r"plots/roc\.svg was changed",
    ),
    "shorter": (
        lambda run: (run / "plots/roc.svg").write_bytes(b"a pic"),
        r"plots/roc\.svg is shorter than the 9 bytes",
    ),
    "longer": (
        lambda run: (run / "plots/roc.svg").write_bytes(b"a picture!"),
        r"plots/roc\.svg is larger than the 9 bytes",
    ),
    "added": (lambda run: (run / "stranger").touch(), "stranger was not there"),
    "added inside": (lambda run: (run / "scorer/x").touch(), "scorer/x was not there"),
    "added folder": (lambda run: (run / "folder").mkdir(), "folder was not there"),
    "added link": (lambda run: (run / "x").symlink_to("empty"), "x was not there"),
    "added pipe": (lambda run: os.mkfifo(run / "pipe"), "pipe was not there"),
    "unprintable name": (lambda run: (run / "a\nb").touch(), r"a\\nb was not there"),
    "name in no encoding": (
        lambda run: open(os.fsencode(run) + b"/\xff", "w").close(),  # noqa: PTH123
        "was not there",
    ),
    "a link to a device": (
        lambda run: replace(run / "empty", lambda p: p.symlink_to("/dev/null")),
        "empty is a symbolic link",
    ),
    "a link to the same bytes": (
        lambda run: (
            shutil.copy(run / "summary.json", run.parent / "same"),
            replace(run / "summary.json", lambda p: p.symlink_to(run.parent / "same")),
        ),
        r"summary\.json is a symbolic link",
    ),
    "a linked folder": (link_folder, "plots is not a directory, or is a symbolic link"),
    "a pipe": (
        lambda run: replace(run / "summary.json", os.mkfifo),
        r"summary\.json is not a regular file",
    ),
    "a socket": (
        lambda run: replace(run / "summary.json", a_socket),
        r"summary\.json is not a regular file",
    ),
    "a folder for a file": (
        lambda run: replace(run / "summary.json", Path.mkdir),
        r"summary\.json is not a regular file",
    ),
    "a file for a folder": (
        lambda run: (shutil.rmtree(run / "plots"), (run / "plots").touch()),
        "plots is not a directory",
    ),
    "no manifest": (
        lambda run: (run / "manifest.json").unlink(),
        r"manifest\.json is missing, so it is no complete run",
    ),
    "gone": (shutil.rmtree, "the directory cannot be read: No such file"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("is_wanted", [True, False])
def test_whatever_is_not_as_it_was_sealed_is_refused_by_name(
    damage: tuple[Callable[[Path], object], str], is_wanted: bool, small_run: Path
) -> None:
    inflict, words = damage
    inflict(small_run)
    with pytest.raises(UnverifiedRunError, match=words) as caught:
        read_verified(small_run, lambda _: is_wanted)
    assert str(caught.value).isprintable()


def test_a_device_is_refused(small_run: Path) -> None:
    try:
        replace(small_run / "empty", lambda path: os.mknod(path, 0o20644, os.makedev(1, 5)))
    except PermissionError:
        pytest.skip("only root makes devices")
    with pytest.raises(UnverifiedRunError, match="empty"):
        read_verified(small_run, lambda _: True)


def test_a_link_in_place_of_the_run_is_refused(small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(small_run)
    with pytest.raises(UnverifiedRunError, match="symbolic link"):
        read_verified(tmp_path / "link", lambda _: True)


def test_a_file_that_grows_without_end_is_not_followed(small_run: Path) -> None:
    with (small_run / "summary.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnverifiedRunError, match="is larger"):
        read_verified(small_run, lambda _: True)


def test_more_than_memory_should_hold_is_refused_before_it_is_read(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MAX_WANTED", 999)
    assert read_verified(small_run, lambda name: name == "summary.json")
    with pytest.raises(UnverifiedRunError, match="too large for memory"):
        read_verified(small_run, lambda name: name == "scorer/arrays")


def test_no_file_is_opened_twice_and_what_is_swapped_afterwards_is_not_seen(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    plain_open = os.open

    def noting(path: str, *rest: int, **options: int) -> int:
        opened.append(str(path))
        return plain_open(path, *rest, **options)

    monkeypatch.setattr(os, "open", noting)
    read_verified(small_run, lambda _: True)
    assert len(opened) == len(set(opened))


@needs_proc
def test_nothing_stays_open(small_run: Path) -> None:
    before = len(names_in(Path("/proc/self/fd")))
    read_verified(small_run, lambda _: True)
    (small_run / "scorer/deep/er/file").write_bytes(b"damaged")
    with pytest.raises(UnverifiedRunError):
        read_verified(small_run, lambda _: True)
    assert len(names_in(Path("/proc/self/fd"))) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_single_bit_that_flips_is_found(data: st.DataObject, small_run: Path) -> None:
    names = ["summary.json", "scorer/arrays", "scorer/deep/er/file", "predictions.parquet"]
    path = small_run / data.draw(st.sampled_from(names))
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        with pytest.raises(UnverifiedRunError, match="was changed"):
            read_verified(small_run, lambda _: False)
    finally:
        path.write_bytes(whole)
    assert read_verified(small_run, lambda _: False).run_id == RUN_ID
