"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from tabproof.artifacts.files import point_to, write_atomically


def test_a_failed_write_leaves_the_old_content_and_no_remains(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_switched_and_stays_relative(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        point_to(tmp_path / "latest", tmp_path / name)
    assert (tmp_path / "latest").readlink() == Path("b")
