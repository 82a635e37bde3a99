"""No bit of a run flips without being found."""

import random
from pathlib import Path

import pytest

from tabproof.artifacts import read_verified
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import NewerFormatError
from tests.artifacts.telling import make_told_run

N_FLIPS = 1000
HEAD = b'{\n  "format": 1,\n  "run_id": "aaaa0000"'


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    run = make_told_run(tmp_path / "run", "aaaa0000")
    files = [path for path in sorted(run.rglob("*")) if path.is_file()]
    assert "manifest.json" in {path.name for path in files}
    chance = random.Random(0)  # noqa: S311 - no secret
    # Each file in turn: the large ones must not take all the flips.
    turns = [files[number % len(files)] for number in range(N_FLIPS)]
    flips = [(path, chance.randrange(path.stat().st_size * 8)) for path in turns]
    # Its format and its run id, bit by bit: what is not hashed must be refused otherwise.
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
