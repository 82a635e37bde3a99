from dataclasses import fields

import pytest
import yaml

from docs.write_configuration import PAGE, page
from tabproof.config.schema import CONF, GROUPS, TrainConfig

SCHEMAS = [TrainConfig, *(schema for group in GROUPS.values() for schema in group.values())]


def test_the_documentation_shows_what_the_schema_states():
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_every_key_is_explained(schema):
    for field in fields(schema):
        assert len(field.metadata["doc"]) > 3, field.name


@pytest.mark.parametrize(
    "path",
    [path for group in GROUPS for path in (CONF / group).glob("*.yaml")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_file_of_a_group_names_its_schema_first(path):
    group = path.parent.name
    first = yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"][0]
    assert first.keys() == {f"/schema/{group}@_here_"}
    assert set(first.values()) <= GROUPS[group].keys()


def test_every_group_of_the_top_level_has_a_schema():
    alone = {"seed", "export", "skip_completed"}
    assert {field.name for field in fields(TrainConfig)} == {*alone, *GROUPS}


def test_what_decides_no_number_of_runtime_and_sweep_names_no_job():
    # A resumed sweep may be given other ones, and its jobs must keep their names.
    train = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    excluded = set(train["hydra"]["job"]["config"]["override_dirname"]["exclude_keys"])
    for group in ("runtime", "sweep"):
        for schema in GROUPS[group].values():
            assert {f"{group}.{field.name}" for field in fields(schema)} <= excluded
