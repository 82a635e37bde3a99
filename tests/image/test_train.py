"""The training image: `trained` is what its own command made, on a root that is read-only."""

import sys
from pathlib import Path

import pytest

from tests.image.building import Image
from tests.image.conftest import REVISION, Trained

pytestmark = [pytest.mark.image, pytest.mark.slow]


def test_a_job_trains_and_its_model_is_promoted(trained: Trained) -> None:
    assert (trained.models / "breast_cancer" / "pointer.json").is_file()
    assert 0 < trained.probability < 1


def test_its_size_is_reported(
    train: Image, base: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked, packed = train.sizes_above(base, tmp_path)
    with capsys.disabled():
        words = f"{unpacked / 1e6:.0f} MB on disk, {packed / 1e6:.0f} MB to pull"
        sys.stdout.write(f"\n  train, above the base: {words}\n")
    assert train.config["User"] == "10001:10001"
    assert train.config["Labels"]["org.opencontainers.image.revision"] == REVISION
