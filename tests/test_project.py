"""The project's own files: what a stranger's machine needs, and what must not stand in them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_versions_with_hashes_and_holds_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][\w.-]*==", text, flags=re.MULTILINE)
    entries = re.findall(
        r"^[a-z0-9][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}[ \\]*\n)+",
        text + "\n",
        flags=re.MULTILINE,
    )
    assert len(pins) == len(entries) > 10
    assert "://" not in text


def test_the_locks_agree_with_each_other() -> None:
    pins = [
        set(re.findall(r"^([\w.-]+==[\w.]+)", lock.read_text(), flags=re.MULTILINE))
        for lock in LOCKS
    ]
    names = [{pin.split("==")[0] for pin in some} for some in pins]
    for i, some in enumerate(pins):
        for j, others in enumerate(pins):
            common = names[i] & names[j]
            assert {p for p in some if p.split("==")[0] in common} == {
                p for p in others if p.split("==")[0] in common
            }


def test_every_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE))
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    explained = set(re.findall(r"^  ([a-z-]+)  +\S", done.stdout, flags=re.MULTILINE))
    assert explained == targets
