"""Whatever a client asks for, it gets a directory truly under a root, or a refusal."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.service.errors import OutsideRootsError
from tabproof.service.model_store import beneath

OUTPUTS, MODELS = Path("outputs"), Path("models")
ROOTS = [OUTPUTS, MODELS]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ("outputs/day/run", "models/wine/versions/abc", "secret/run", "outputs-old/run"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "outputs/latest").symlink_to("day/run")
    (tmp_path / "outputs/way_out").symlink_to(tmp_path / "secret")
    (tmp_path / "outputs/file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_named_from_here_or_absolutely(here: Path) -> None:
    assert beneath("outputs/day/run", ROOTS) == Path("outputs/day/run")
    assert beneath("models/wine/versions/abc", ROOTS) == Path("models/wine/versions/abc")
    assert beneath(f"{here}/outputs/day/run", ROOTS) == Path("outputs/day/run")
    assert beneath(f"{here}/outputs/day/run", [here / "outputs"]) == here / "outputs/day/run"


def test_a_root_may_be_a_link_or_lie_above(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "linked").symlink_to("outputs")
    assert beneath("linked/day/run", [Path("linked")]) == Path("linked/day/run")
    monkeypatch.chdir(here / "secret")
    above = Path("../outputs")
    assert beneath(f"{here}/outputs/day/run", [above]) == above / "day/run"
    with pytest.raises(OutsideRootsError):
        beneath("../outputs/day/run", [above])


HOSTILE = [
    "",
    "/",
    "outputs",
    "outputs/",
    "outputs/day/run/",
    "outputs//day/run",
    "//outputs/day/run",
    "./outputs/day/run",
    "outputs/./day/run",
    "outputs/day/../day/run",
    "outputs/../secret/run",
    "../secret/run",
    "secret/run",
    "outputs-old/run",
    "output",
    "/etc",
    "/proc/self/cwd/etc",
    "outputs/latest",
    "outputs/way_out",
    "outputs/way_out/run",
    "outputs/file",
    "outputs/file/run",
    "outputs/nothing",
    "outputs\\day\\run",
    "outputs/day/run\0",
    "outputs/day/run\n",
    "outputs/day/\u202erun",
    "outputs/day/\ud800",
    "outputs/%2e%2e/secret/run",
    "~/outputs/day/run",
    "outputs/~/run",
    "file://outputs/day/run",
    "s3://bucket/run",
    "outputs/" + "a" * 300,
    "outputs/" + "a/" * 600 + "a",
    "outputs/" + "a" * 5000,
    "OUTPUTS/day/run",
    " outputs/day/run",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_anything_else_is_refused_and_the_server_keeps_to_itself(text: str, here: Path) -> None:
    for roots in (ROOTS, [here / "outputs", here / "models"]):
        with pytest.raises(OutsideRootsError) as caught:
            beneath(text, roots)
        message = str(caught.value)
        assert str(here) not in message
        assert message.isprintable()
        assert len(message) < 500
        assert "outputs or models" in message


PARTS = ["outputs", "day", "run", "..", ".", "", "way_out", "latest", "secret", "~", "\\", "\0"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=6).map("/".join)
    | st.lists(st.sampled_from(PARTS), max_size=6).map(lambda parts: "outputs/" + "/".join(parts))
)
def test_what_is_given_is_real_and_under_the_root(here: Path, text: str) -> None:
    try:
        path = beneath(text, ROOTS)
    except OutsideRootsError:
        return
    assert path.resolve() == Path(os.path.abspath(path))  # noqa: PTH100 - resolves no link
    assert (here / "outputs") in path.resolve().parents or (
        here / "models"
    ) in path.resolve().parents
