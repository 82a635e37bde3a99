"""The page of all runs as its script reads it."""

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.artifacts.making import DAY
from tests.conftest import typed_in

Json = dict[str, Any]
OUTPUTS, MODELS = Path("outputs"), Path("models")
DATE = OUTPUTS / DAY


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mine 私の"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def written(*words: str) -> dict[str, Any]:
    """Write the page as a person does; return what its script reads."""
    done = typed_in("runs", "page", *words, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("page outputs/index.html: ")
    return content_of(OUTPUTS)


def by_id(content: dict[str, Any]) -> dict[str, Any]:
    return {run["id"]: run for run in content["runs"]}


def island(page: str, name: str) -> str:
    """Return the text of a data element."""
    found = re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.S)
    assert found is not None, name
    return found[1]


def content_of(outputs: Path) -> Json:
    page = (outputs / "index.html").read_text(encoding="utf-8")
    content = json.loads(island(page, "runs"))
    assert isinstance(content, dict)
    return content


def facts_of(content: Json, run: Json) -> dict[str, Any]:
    """Return the keys and values of a run, from the common ones and those in which it differs."""
    facts = dict(map(tuple, content["common"])) | dict(map(tuple, run["differs"]))
    return {
        content["keys"][key]: content["values"][value]
        for key, value in facts.items()
        if value != -1
    }


class Bytes:
    """Reads arrays one after the other, each from a multiple of 8 bytes on."""

    def __init__(self, content: bytes) -> None:
        self._content, self.offset = content, 0

    def read(self, kind: str, count: int) -> NDArray[Any]:
        array = np.frombuffer(self._content, kind, count, self.offset)
        self.offset += -(-array.nbytes // 8) * 8
        return array


def read_curve(content: Bytes, n_rows: int, n_labels: int) -> Json:
    curve: Json = {"codes": content.read("u1", n_rows)}
    if n_labels == 2:
        curve["ranks"] = content.read("<u2", n_rows)
    n_bins = int(content.read("<u4", 1)[0])
    curve["bins"] = content.read("<f8", 3 * n_bins).reshape(n_bins, 3)
    if n_labels == 2:
        curve["histogram"] = content.read("<u4", 80).reshape(2, 40)
    return curve


def curves_of(outputs: Path) -> list[Json]:
    """Return by group the true labels and the curves."""
    page = (outputs / "index.html").read_text(encoding="utf-8")
    blob = gzip.decompress(b64decode(island(page, "curves")))
    groups = []
    for group in content_of(outputs)["groups"]:
        offset, length = group["bytes"]
        assert offset % 8 == 0
        content = Bytes(blob[offset : offset + length])
        n_rows, n_labels = group["n_rows"], len(group["labels"])
        truth = content.read("u1", n_rows)
        curves = [read_curve(content, n_rows, n_labels) for _ in range(group["n_curves"])]
        assert content.offset == length
        groups.append({"truth": truth, "curves": curves})
    return groups
