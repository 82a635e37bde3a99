"""A run is exactly what its manifest says, byte for byte, or it is refused."""

import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tabproof.artifacts import manifest, read_verified
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import NewerFormatError
from tests.artifacts.making import RUN_ID, make_recorded_run, make_run, names_in, needs_proc


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", files={"scorer/deep/er/file": b"deep", "empty": b""})


def test_only_the_matching_files_are_returned(small_run: Path) -> None:
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
    "added": (lambda run: (run / "stranger").touch(), "stranger is not in the manifest"),
    "added inside": (lambda run: (run / "scorer/x").touch(), "scorer/x is not in the manifest"),
    "added folder": (lambda run: (run / "folder").mkdir(), "folder is not in the manifest"),
    "added link": (lambda run: (run / "x").symlink_to("empty"), "x is not in the manifest"),
    "added pipe": (lambda run: os.mkfifo(run / "pipe"), "pipe is not in the manifest"),
    "unprintable name": (lambda run: (run / "a\nb").touch(), r"a\\nb is not in the manifest"),
    "name in no encoding": (
        lambda run: open(os.fsencode(run) + b"/\xff", "w").close(),  # noqa: PTH123
        "is not in the manifest",
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
        r"manifest\.json is missing: the run is not complete",
    ),
    "gone": (shutil.rmtree, "the directory cannot be read: No such file"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_every_difference_from_the_manifest_is_refused_and_named(
    damage: tuple[Callable[[Path], object], str], small_run: Path
) -> None:
    inflict, words = damage
    inflict(small_run)
    for is_wanted in (True, False):
        with pytest.raises(UnverifiedRunError, match=words) as caught:
            read_verified(small_run, lambda _, is_wanted=is_wanted: is_wanted)  # type: ignore[misc]
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


def test_a_file_that_grew_is_refused_without_reading_it_all(small_run: Path) -> None:
    with (small_run / "summary.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnverifiedRunError, match="is larger"):
        read_verified(small_run, lambda _: True)


def test_more_than_fits_into_memory_is_refused_before_it_is_read(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_WANTED", 999)
    assert read_verified(small_run, lambda name: name == "summary.json")
    with pytest.raises(UnverifiedRunError, match="too large for memory"):
        read_verified(small_run, lambda name: name == "scorer/arrays")


def test_no_file_is_opened_twice(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    plain_open = os.open

    def noting(path: str, *rest: int, **options: int) -> int:
        opened.append(str(path))
        return plain_open(path, *rest, **options)

    monkeypatch.setattr(os, "open", noting)
    read_verified(small_run, lambda _: True)
    assert len(opened) == len(set(opened))


@needs_proc
def test_no_descriptor_stays_open(small_run: Path) -> None:
    before = len(names_in(Path("/proc/self/fd")))
    read_verified(small_run, lambda _: True)
    (small_run / "scorer/deep/er/file").write_bytes(b"damaged")
    with pytest.raises(UnverifiedRunError):
        read_verified(small_run, lambda _: True)
    assert len(names_in(Path("/proc/self/fd"))) == before


N_FLIPS = 160
HEAD = b'{\n  "format": 1,\n  "run_id": "aaaa0000"'


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "run", "aaaa0000")
    files = [path for path in sorted(run.rglob("*")) if path.is_file()]
    assert "manifest.json" in {path.name for path in files}
    rng = random.Random(0)  # noqa: S311 - no secret
    # Each file in turn: the large ones must not take all the flips.
    turns = [files[number % len(files)] for number in range(N_FLIPS)]
    flips = [(path, rng.randrange(path.stat().st_size * 8)) for path in turns]
    # Every bit of the format and the run id: the format is in no hash.
    flips += [(run / "manifest.json", place) for place in range(8 * len(HEAD))]
    assert (run / "manifest.json").read_bytes().startswith(HEAD)
    for path, place in flips:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises((UnverifiedRunError, NewerFormatError)):
            read_verified(run, lambda _: False)
        path.write_bytes(whole)
    assert read_verified(run, lambda _: False).n_files == len(files) - 1
