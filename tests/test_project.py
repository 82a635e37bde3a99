"""The project's own files: what a stranger's machine needs, and what must not stand in them."""

import re
import subprocess

from tests.conftest import ROOT


def test_every_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE))
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    explained = set(re.findall(r"^  ([a-z-]+)  +\S", done.stdout, flags=re.MULTILINE))
    assert explained == targets
