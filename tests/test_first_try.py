"""Odd files, as people have them: each is read as it stands, or refused in one line.

`python -m benchmarks.first_try` trains on all of them; here tables are compared, cell by cell.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.first_try import CHEAP
from benchmarks.first_try_checks import RIGHT, Seen, judge
from benchmarks.first_try_runs import as_read
from benchmarks.odd_files import OddFile, group_titles, make_files
from tabproof import data
from tabproof.errors import UserError
from tests.conftest import typed_in


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[OddFile]:
    return list(make_files(tmp_path_factory.mktemp("odd")))


def read(file: OddFile) -> Seen:
    try:
        table = data.load_file(file.path, file.target, min_class_rows=2)
        division = data.divide(table, data.StratifiedRows(0.2, 42), 1)
    except UserError as error:
        return Seen(error=f"error: {error}")
    said = "\n".join(treatment.message for treatment in division.table.treatments)
    return Seen(None, **as_read(division.table), log=said)


def failures(files: Iterable[OddFile]) -> dict[str, tuple[str, ...]]:
    judged = {file.name: judge(replace(file, least_auc=None), read(file)) for file in files}
    return {name: each.reasons for name, each in judged.items() if each.outcome != RIGHT}


@pytest.mark.parametrize("group", group_titles())
def test_every_cell_is_read_as_it_stands_or_the_file_is_refused(
    group: str, files: list[OddFile]
) -> None:
    chosen = [file for file in files if file.group == group and not file.is_piped]
    assert failures(chosen) == {}


def test_a_table_with_everything_trains_at_the_first_command(
    files: list[OddFile], tmp_path: Path
) -> None:
    file = next(file for file in files if file.name == "a customer table with everything")
    words = [f"dataset.path={file.path}", f"dataset.target={file.target}"]
    done = typed_in("train", *words, *CHEAP, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    # What was left out, and how cells were read.
    for word in ("cp932", "国", "顧客ID", "登録日", "購入額", "備考"):
        assert word in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("group", group_titles())
def test_the_first_command_trains_or_refuses_as_the_table_does(
    group: str, files: list[OddFile], tmp_path: Path
) -> None:
    chosen = [file for file in files if file.group == group and not file.is_piped]
    # The last of a group is rarely the plainest.
    for number, file in enumerate((chosen[0], chosen[-1])):
        words = [f"dataset.path={file.path}", f"dataset.target={file.target}", *file.words]
        done = typed_in("train", *words, *CHEAP, f"hydra.run.dir={tmp_path}/{number}")
        is_read = read(file).error is None
        assert (done.returncode == 0) == is_read, f"{file.name}: {done.stderr}"
        assert "Traceback" not in done.stderr
