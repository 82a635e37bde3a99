"""Changed runs: none of them is read."""

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.endurance.world import CheckFailedError, World, in_words, require
from tabproof.artifacts import read_verified
from tabproof.errors import UserError

SEED = 0
MANIFEST = "manifest.json"

# A function that changes a run, and returns the changed file.
Tampering = Callable[[Path, random.Random], Path]


def files_of(run: Path) -> list[Path]:
    """List all files of a run, its manifest too."""
    return sorted(path for path in run.rglob("*") if path.is_file())


def flip_bit(run: Path, chance: random.Random) -> Path:
    """Flip one bit of one file."""
    file = chance.choice(files_of(run))
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)
    return file


def flip_bit_of_run_id(run: Path, chance: random.Random) -> Path:
    """Flip one bit of the manifest so that the run id may still be one."""
    manifest = run / MANIFEST
    content = manifest.read_text(encoding="utf-8")
    run_id = str(json.loads(content)["run_id"])
    flipped = [
        run_id[:place] + chr(ord(letter) ^ (1 << bit)) + run_id[place + 1 :]
        for place, letter in enumerate(run_id)
        for bit in range(7)
    ]
    likely = [other for other in flipped if other.isalnum()]
    manifest.write_text(content.replace(run_id, chance.choice(likely)), encoding="utf-8")
    return manifest


def truncate(run: Path, chance: random.Random) -> Path:
    """Truncate one file."""
    file = chance.choice(files_of(run))
    os.truncate(file, chance.randrange(file.stat().st_size))
    return file


def remove(run: Path, chance: random.Random) -> Path:
    """Remove one file."""
    file = chance.choice(files_of(run))
    file.unlink()
    return file


def add(run: Path, chance: random.Random) -> Path:
    """Add a copy of a file, an empty file, or a link to it."""
    file = chance.choice(files_of(run))
    new = file.with_name(f"{file.name}.{chance.randrange(10)}")
    match chance.randrange(3):
        case 0:
            shutil.copy(file, new)
        case 1:
            new.touch()
        case _:
            new.symlink_to(file.name)
    return new


# A flipped bit is the most likely accident.
TAMPERINGS: tuple[Tampering, ...] = (
    flip_bit,
    flip_bit,
    flip_bit,
    flip_bit_of_run_id,
    truncate,
    remove,
    add,
)


def check_flips(world: World) -> str:
    """Change a run in many ways; verification refuses each."""
    chance = random.Random(SEED)  # noqa: S311 - which bit, not which key
    read_verified(world.first, lambda _: True)
    read: list[str] = []
    counts: Counter[str] = Counter()
    for number in range(world.sizes.flips):
        copy = world.copy_of(world.first, "tampered")
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        name = f"{tamper.__name__} in {tamper(copy, chance).relative_to(copy)}"
        counts[tamper.__name__] += 1
        try:
            read_verified(copy, lambda _: True)
            read.append(name)
        except UserError:
            continue
        except Exception as error:
            raise CheckFailedError(f"{name}: {type(error).__name__}: {error}") from error
    require(not read, f"of {counts.total()}, read all the same: {in_words(read)}")
    return "refused " + ", ".join(f"{count} x {name}" for name, count in counts.items())
