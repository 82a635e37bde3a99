"""A stranger's run executes nothing, writes nowhere, ends in one line, and stops no list."""

import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

import tabproof as tp
from tabproof.artifacts import Registry, read_verified
from tabproof.artifacts.registry import Promotion
from tabproof.errors import UserError
from tests.conftest import Done, made_once, process, train, typed_in
from tests.runs.hostile import DAY, ODD, RUN_ID, all_changes, make_hostile
from tests.runs.pages import content_of

CHANGES = all_changes()
# A run takes a second or two: the others are slow tests. These had found a fault.
FAST = {".hydra/overrides.yaml deep block, not complete", "schema.json bytes"}
FAST |= {"summary ('stopped',) right to left", "summary ('dataset',) escape"}
# Each of these reads one run.
COMMANDS = {
    "show": ("runs", "show", "RUN"),
    "verify": ("runs", "verify", "RUN"),
    "compare": ("runs", "compare", "RUN", "GOOD"),
    "check": ("runs", "check", "RUN"),
    "promote": ("runs", "promote", "RUN", "--models", "MODELS"),
    "score": ("score", "run=RUN", "input=TABLE", "output=SCORED"),
    "replay": ("replay", "RUN", "--check"),
    "environment": ("replay", "RUN", "--check", "--environment"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(path: Path) -> None:
        words = ["dataset=wine", "model=logistic_regression", "search=none", "runtime.workers=1"]
        done = train(*words, f"hydra.run.dir={path}")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "good", make)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "wine.csv"
    load_wine(as_frame=True).data.head(3).to_csv(path, index=False)
    return path


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # Thousands of small files are forced to the disk otherwise.
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Give the path that no command may make."""
    yield (path := tmp_path / "canary")
    assert not path.exists()


def words_for(command: str, run: Path, good: Path, table: Path, place: Path) -> list[str]:
    given = {"RUN": run, "GOOD": good, "MODELS": place / "models", "TABLE": table}
    given |= {"SCORED": place / "scored.csv"}
    return [
        "".join(str(given.get(part, part)) for part in word.partition("="))
        for word in COMMANDS[command]
    ]


def require_one_line(done: Done) -> None:
    """Check that a command ended in an answer, or in one line that says why not."""
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    if done.returncode == 2 and done.stderr:
        assert len(done.stderr.splitlines()) == 1, done.stderr
    for letter in done.stdout + done.stderr:
        # Cc: what a terminal obeys. Cf: what reorders a line.
        assert letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf"), done


of_each_change = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if number % 20 == 0 or name in FAST else pytest.mark.slow)
        for number, name in enumerate(CHANGES)
    ],
    ids=ascii,
)


@of_each_change
def test_a_hostile_run_is_shown_or_refused_by_every_command(
    name: str, good: Path, table: Path, canary: Path, tmp_path: Path
) -> None:
    run = make_hostile(good, tmp_path / "outputs" / DAY / "run", CHANGES[name], canary)
    outside = {path.name for path in tmp_path.iterdir()}
    # Comparing environments makes one where the lines are in order.
    asked = [c for c in COMMANDS if c != "environment" or name.startswith("environment.txt")]
    for command in asked:
        require_one_line(typed_in(*words_for(command, run, good, table, tmp_path)))
        assert not canary.exists(), command
    with suppress(UserError):
        tp.load_run(run).predict(load_wine(as_frame=True).data.head(3))
    made = {path.name for path in tmp_path.iterdir()} - outside
    assert {part for part in made if not part.startswith("scored")} <= {"models"}


def require_intact_or_absent(models: Path, name: str, before: str) -> None:
    """Check that the current version is the one before, or a whole one."""
    current = Registry(models).current(name)
    assert current is not None
    if current.version != before:
        read_verified(models / name / "versions" / current.version, lambda _: False)


@of_each_change
def test_a_hostile_version_is_pulled_whole_or_refused(
    name: str, good: Path, canary: Path, tmp_path: Path
) -> None:
    store, models = tmp_path / "store", tmp_path / "models"
    before = Registry(models).promote(good, "wine", "me", "").version
    shutil.copytree(models, store)
    make_hostile(good, store / "wine/versions" / RUN_ID, CHANGES[name], canary)
    history = Registry(store).history("wine")
    history += [Promotion(RUN_ID, RUN_ID, "promote", "x", history[0].when, "", before)]
    Registry(store).write_history("wine", history)
    outside = {path.name for path in tmp_path.iterdir()}
    for _ in range(2):
        words = ("pull", "wine", f"--store={store}", f"--models={models}")
        require_one_line(typed_in("runs", *words))
        require_intact_or_absent(models, "wine", before)
    assert {path.name for path in tmp_path.iterdir()} == outside


@of_each_change
def test_a_hostile_version_is_gone_back_to_whole_or_refused(
    name: str, good: Path, canary: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    registry = Registry(models)
    current = registry.promote(good, "wine", "me", "")
    make_hostile(good, models / "wine/versions" / RUN_ID, CHANGES[name], canary)
    first = Promotion(RUN_ID, RUN_ID, "promote", "x", current.when, "", None)
    registry.write_history("wine", [first, replace(current, previous=RUN_ID)])
    outside = {path.name for path in tmp_path.iterdir()}
    for to in ((), (f"--to={RUN_ID[:6]}",)):
        words = ("rollback", "wine", *to, f"--models={models}")
        require_one_line(typed_in("runs", *words))
        require_intact_or_absent(models, "wine", current.version)
    assert {path.name for path in tmp_path.iterdir()} == outside


def test_one_hostile_run_stops_no_list(
    good: Path, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = tmp_path / "outputs"
    changes = [*list(CHANGES.values())[::7], *map(CHANGES.__getitem__, FAST)]
    for number, change in enumerate(changes):
        make_hostile(good, outputs / DAY / f"{number}", change, canary)
    for text in ODD.values():
        shutil.copytree(good, outputs / DAY / text.replace("\0", "0"))
    shutil.copytree(good, outputs / DAY / "good")
    (outputs / DAY / "link").symlink_to(good, target_is_directory=True)
    (outputs / DAY / "up").symlink_to("..", target_is_directory=True)
    monkeypatch.setenv("COLUMNS", "200")
    for words in (
        ("list", f"--outputs={outputs}"),
        ("list", f"--outputs={outputs}", "--json"),
        ("leaderboard", f"--outputs={outputs}", f"--html={tmp_path}/page.html"),
        ("leaderboard", f"--outputs={outputs}", f"--csv={tmp_path}/board.csv"),
        ("report", outputs),
        ("report", outputs, "--html"),
        ("check", outputs),
        ("page", f"--outputs={outputs}", f"--models={tmp_path}/models"),
        ("prune", f"--outputs={outputs}", f"--models={tmp_path}/models", "--dry-run"),
    ):
        done = typed_in("runs", *words)
        require_one_line(done)
        # `check` says whether runs are complete.
        assert done.returncode == 0 or words[0] == "check", done.stderr
    assert len(tp.runs(outputs=outputs)) == len(content_of(outputs)["runs"]) >= len(changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHANGES)[::40], ids=ascii)
def test_a_sample_in_processes_of_their_own(
    name: str, good: Path, table: Path, canary: Path, tmp_path: Path
) -> None:
    run = make_hostile(good, tmp_path / "outputs" / DAY / "run", CHANGES[name], canary)
    for command in COMMANDS:
        if command != "environment":
            require_one_line(process(*words_for(command, run, good, table, tmp_path)))
