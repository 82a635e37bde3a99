"""Any bytes are a valid manifest or an error that names the fault."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.artifacts import read_manifest, read_verified
from tabproof.artifacts.errors import ManifestError
from tabproof.artifacts.manifest import MAX_SIZE, Manifest, parse
from tabproof.errors import NewerFormatError, UserError
from tests.artifacts.making import make_run

HASH = "0" * 64
PLAIN: dict[str, Any] = {
    "format": 1,
    "run_id": "abc",
    "files": {"a/b": {"sha256": HASH, "size": 1}},
    "sha256": hashlib.sha256(f"abc\n{HASH} 1 a/b".encode()).hexdigest(),
}


def changed(**changes: Any) -> str:
    return json.dumps({**PLAIN, **changes})


def with_file(name: str = "a", **changes: Any) -> str:
    return changed(files={name: {"sha256": HASH, "size": 1, **changes}})


MALFORMED = {
    "empty": "",
    "no object": "[1]",
    "null": "null",
    "cut": changed()[:-2],
    "nested": "[" * 100_000,
    "nested inside": '{"format": 1, "run_id": ' + '{"a":' * 100_000,
    "no format": json.dumps({"run_id": "abc", "files": {}}),
    "format of text": changed(format="1"),
    "format true": changed(format=True),
    "run id of number": changed(run_id=7),
    "run id with a way out": changed(run_id="../x"),
    "run id with a line break": changed(run_id="abc\n"),
    "run id of nothing": changed(run_id=""),
    "files as list": changed(files=[]),
    "entry as list": changed(files={"a": []}),
    "size as text": with_file(size="1"),
    "size as fraction": with_file(size=1.5),
    "size true": with_file(size=True),
    "size negative": with_file(size=-1),
    "size with too many digits": '{"format": 1, "run_id": "abc", "files": {"a": {"sha256": "'
    + HASH
    + '", "size": '
    + "9" * 5000
    + "}}}",
    "hash too short": with_file(sha256="0"),
    "hash in capitals": with_file(sha256="A" * 64),
    "hash with a line break": with_file(sha256=HASH + "\n"),
    "a key twice": '{"format": 1, "run_id": "abc", "files": {}, "files": {}}',
    "a file twice": changed().replace('"size": 1', '"size": 1, "size": 2'),
    "another run id": changed(run_id="abd"),
    "another size": changed(files={"a/b": {"sha256": HASH, "size": 2}}),
    "another name": changed(files={"a/c": {"sha256": HASH, "size": 1}}),
    "no hash of its own": json.dumps({key: PLAIN[key] for key in ("format", "run_id", "files")}),
}
NAMES = ["", "/etc/passwd", "..", "a/../b", "../a", "a//b", "a/", "./a", "a\\b", "a\0b"]
NAMES += ["manifest.json", "a" * 513, "/".join("a" * 17)]


def damaged(tmp_path: Path, content: bytes) -> Path:
    run = make_run(tmp_path / "run")
    (run / "manifest.json").write_bytes(content)
    return run


def test_a_valid_manifest_is_parsed() -> None:
    assert parse(changed().encode()).files["a/b"].size == 1


def test_a_malformed_manifest_is_refused_in_one_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for fault, text in MALFORMED.items():
        (run / "manifest.json").write_text(text)
        with pytest.raises(ManifestError, match=r"manifest\.json is damaged \(") as caught:
            read_manifest(run)
        assert len(str(caught.value)) < 500, fault
        with pytest.raises(UserError, match=r"cannot be trusted: manifest\.json"):
            read_verified(run, lambda _: True)


def test_a_file_name_that_leads_out_of_the_run_is_refused() -> None:
    for name in NAMES:
        with pytest.raises(ValueError, match="has a file name that is"):
            parse(with_file(name).encode())


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_manifest_or_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="has the wrong form"):
        parse(content)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["format", "run_id", "files"]), values), st.data())
def test_any_value_of_a_field_is_accepted_or_refused(
    changes: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.text() | st.sampled_from(NAMES))
    entry = {"sha256": HASH, "size": 1, **data.draw(st.dictionaries(st.sampled_from("ab"), values))}
    content = {**PLAIN, "files": {name: entry}, **changes}
    with suppress(ValueError, NewerFormatError):
        assert isinstance(parse(json.dumps(content).encode()), Manifest)


def test_a_newer_format_is_not_damage(tmp_path: Path) -> None:
    with pytest.raises(NewerFormatError, match="format 2"):
        read_manifest(damaged(tmp_path, changed(format=2, files=None).encode()))


def test_a_manifest_that_is_large_or_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    run = damaged(tmp_path, b" " * (MAX_SIZE + 1))
    with pytest.raises(ManifestError, match="is larger than"):
        read_manifest(run)
    (run / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")
    with pytest.raises(ManifestError, match="is not a regular file"):
        read_manifest(run)
    (run / "manifest.json").unlink()
    (run / "manifest.json").symlink_to(run / "summary.json")
    with pytest.raises(ManifestError, match="is a symbolic link"):
        read_manifest(run)
