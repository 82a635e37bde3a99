"""Files of these tests need not survive a power cut."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out fsync, which takes most of the time on a busy disk; the calls are still made."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
