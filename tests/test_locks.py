"""Each lock is complete, so `pip install --no-deps` of it is safe and works on any later day."""

import json
import re
import tomllib
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements.write_closure import (
    CLOSURE,
    ENVIRONMENTS,
    applies,
    normalized,
    read_lock,
    read_pins,
)
from tests.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
REQUIRES: dict[str, list[str]] = json.loads(CLOSURE.read_text(encoding="utf-8"))
# What is installed into environments of its own.
(APART,) = re.findall(r"^APART := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


parse = cache(Requirement)


def asked_of(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks of a lock; an extra's lock holds the base as well."""
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    if lock in groups:
        return [Requirement(line) for line in groups[lock]]
    extra = [] if lock == "base" else project["optional-dependencies"][lock]
    return [Requirement(line) for line in [*project["dependencies"], *extra]]


def missing(asked: list[Requirement], entries: list[Requirement]) -> set[str]:
    """Return what is asked, or required by what is locked, and is not locked."""
    lacking = set()
    for number, environment in enumerate(ENVIRONMENTS):
        here = [entry for entry in entries if applies(entry, environment)]
        locked = {entry.name: entry for entry in here}
        assert len(locked) == len(here), "a name is locked twice"
        needed = [("pyproject.toml", each) for each in asked if applies(each, environment)]
        for entry in here:
            lines = tuple(REQUIRES[f"{entry.name}{entry.specifier}"])
            required = required_on(number, lines, tuple(entry.extras))
            needed += [(entry.name, each) for each in required]
        for source, each in needed:
            found = locked.get(canonicalize_name(each.name))
            if found is None or not (
                each.specifier.contains(version_of(found), prereleases=True)
                and each.extras <= found.extras
            ):
                lacking.add(f"{source} requires {each}")
    return lacking


@cache
def required_on(number: int, lines: tuple[str, ...], extras: tuple[str, ...]) -> list[Requirement]:
    """Return the requirements that count in one environment, with the extras asked for."""
    return [
        each
        for each in map(parse, lines)
        if any(applies(each, ENVIRONMENTS[number], extra) for extra in ("", *extras))
    ]


def version_of(entry: Requirement) -> str:
    (specifier,) = entry.specifier
    return specifier.version


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_all_that_is_required_on_each_python_and_system(lock: Path) -> None:
    assert missing(asked_of(lock.stem), read_lock(lock)) == set()


def test_there_is_one_lock_for_each_extra() -> None:
    extras = {"base", *PYPROJECT["project"]["optional-dependencies"]}
    assert {path.stem for path in LOCKS} == extras | set(PYPROJECT["dependency-groups"])


def test_what_the_build_system_requires_is_locked() -> None:
    assert set(PYPROJECT["build-system"]["requires"]) <= set(
        PYPROJECT["dependency-groups"]["build"]
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_states_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    hashed = re.findall(
        r"^[a-z0-9][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}[ \\]*\n)+", text + "\n", re.MULTILINE
    )
    assert len(hashed) == len(read_lock(lock)) > 5
    assert "://" not in text


def test_the_locks_agree_since_they_are_installed_into_one_environment() -> None:
    together = [lock for lock in LOCKS if lock.stem not in APART.split()]
    entries = [entry for lock in together for entry in read_lock(lock)]
    for environment in ENVIRONMENTS:
        pins = {(each.name, version_of(each)) for each in entries if applies(each, environment)}
        names = [name for name, _ in pins]
        assert {name for name in names if names.count(name) > 1} == set()


def test_the_requirements_of_each_locked_release_are_known_and_of_no_other() -> None:
    assert set(REQUIRES) == {f"{name}=={version}" for name, version in read_pins()}


def test_the_requirements_are_those_that_installed_releases_state() -> None:
    compared = 0
    for found in distributions():
        pin = f"{canonicalize_name(found.metadata['Name'])}=={found.version}"
        if pin in REQUIRES:
            assert REQUIRES[pin] == normalized(found.requires or []), pin
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("name", "instead", "found"),
    [
        ("markupsafe", None, "jinja2 requires MarkupSafe>=2.0"),
        ("email-validator", None, 'pydantic requires email-validator>=2.0.0; extra == "email"'),
        ("pydantic", "pydantic==2.14.3", "sigstore-rekor-types requires pydantic[email]<3,>=2"),
        ("pyarrow", "pyarrow==21.0.0", "pyproject.toml requires pyarrow>=22"),
        ("scipy", "scipy==1.17.1 ; python_full_version < '3.12'", "scikit-learn requires scipy"),
    ],
)
def test_a_requirement_that_is_not_locked_is_found(
    name: str, instead: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REQUIRES, "pyarrow==21.0.0", [])
    entries = [
        entry for entry in read_lock(ROOT / "requirements/signing.lock") if entry.name != name
    ]
    if instead is not None:
        entries.append(Requirement(instead))
    assert any(line.startswith(found) for line in missing(asked_of("signing"), entries))
