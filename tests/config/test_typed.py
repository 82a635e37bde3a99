import json
import subprocess
import sys
from copy import deepcopy
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tabproof import config as conf
from tabproof.config import (
    TrainConfig,
    identity_of,
    most_categories,
    searched,
    typed,
)
from tabproof.config.data_schema import (
    BuiltinDatasetConfig,
    ColumnType,
    FileDatasetConfig,
    GroupedCvConfig,
    OpenMLDatasetConfig,
    OrderedCvConfig,
)
from tabproof.config.hydra_errors import ConfigurationError
from tabproof.config.schema import DaskRuntimeConfig
from tabproof.errors import UnknownKeyError
from tests.config.composing import FILE, changed, composed, config


def _file_config(path="a.csv", **changes):
    start = changed(config(*FILE), "dataset.path", path)
    for key, value in changes.items():
        setattr(start.dataset, key, value)
    return start


@pytest.mark.parametrize(
    ("override", "group", "kind"),
    [
        ("model=vote", "dataset", BuiltinDatasetConfig),
        ("dataset=adult", "dataset", OpenMLDatasetConfig),
        ("cv=time_series", "cv", OrderedCvConfig),
    ],
)
def test_a_choice_decides_the_type_of_its_part(override, group, kind):
    assert type(getattr(config(override), group)) is kind


def test_nothing_of_omegaconf_is_left_inside():
    found = [config(), config("model=vote")]

    def assert_plain(value):
        assert not OmegaConf.is_config(value)
        for inner in value.values() if isinstance(value, dict) else ():
            assert_plain(inner)
        for inner in value if isinstance(value, list) else ():
            assert_plain(inner)

    for each in found:
        assert isinstance(each, TrainConfig)
        assert_plain(asdict(each))


def test_what_was_typed_can_be_written_and_typed_again():
    once = _file_config(column_types={"zip": ColumnType.category}, drop_columns=["id"])
    again = OmegaConf.create(OmegaConf.to_yaml(OmegaConf.structured(once)))
    assert OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(once), again)) == once


def forced(start, key, value):
    cfg = OmegaConf.structured(start)
    OmegaConf.update(cfg, key, value, force_add=True)
    return cfg


@pytest.mark.parametrize(
    "key",
    [
        "search.x",
        "x",
        "cv.x",
        "model.members.linear.x",
        "model.members.linear.preprocess.keeps_mising",
        "model.members.linear.model.acepts_missing",
    ],
)
def test_a_key_that_was_forced_in_is_found(key):
    with pytest.raises(UnknownKeyError, match=f"'{key}'"):
        typed(forced(config("model=vote"), key, 1))


def test_parts_without_a_schema_take_any_key():
    start = typed(forced(config(), "model.estimator.max_iter", 7))
    assert start.model.estimator["max_iter"] == 7
    start = typed(forced(start, "model.param_grids.mine", {"clf__max_iter": [1, 2]}))
    assert start.model.param_grids["mine"] == {"clf__max_iter": [1, 2]}


def test_what_is_searched_is_the_grid_that_search_names_or_the_space():
    start = config()
    assert searched(start) == start.model.param_grids["fast"]
    other = changed(start, "search.param_grid", "full")
    assert searched(other) == start.model.param_grids["full"]
    assert searched(config("search=classic")) == start.model.param_grids["full"]
    assert searched(config("search=tpe")) == start.model.param_space
    assert searched(config("search=none")) is None
    start = config("search=portfolio")
    grids = {name: each.model.param_grids["fast"] for name, each in start.search.members.items()}
    assert searched(start) == grids


def test_an_identity_is_plain_json():
    start = _file_config(column_types={"zip": ColumnType.category})
    identity = identity_of(start)
    assert json.loads(json.dumps(identity)) == identity
    assert identity["dataset"]["column_types"] == {"zip": "category"}


def test_taking_the_identity_changes_nothing():
    start = config()
    before = deepcopy(start)
    identity_of(start)
    assert start == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("runtime.workers", 7),
        ("runtime.openmp_threads", 3),
        ("runtime.niceness", 19),
        ("runtime.progress", False),
        ("dataset.data_home", "elsewhere"),
        ("dataset.n_retries", 0),
        ("model.param_grids.full", {"clf__max_iter": [1]}),
        ("model.param_grids.mine", {"clf__max_iter": [1]}),
    ],
)
def test_what_changes_no_number_is_not_in_the_identity(key, value):
    start = config("dataset=adult")
    assert identity_of(changed(start, key, value)) == identity_of(start)


def test_no_choice_of_runtime_is_in_the_identity():
    start = config()
    assert identity_of(changed(start, "runtime", DaskRuntimeConfig())) == identity_of(start)


def test_where_a_file_lies_is_not_in_the_identity():
    assert identity_of(_file_config("a.csv")) == identity_of(_file_config("b/c.csv"))


def test_a_grid_counts_by_its_values_not_by_its_name():
    start = config()
    renamed = changed(start, "model.param_grids.mine", start.model.param_grids["fast"])
    other = changed(renamed, "search.param_grid", "mine")
    assert identity_of(other) == identity_of(start)


def test_without_a_search_no_grid_is_in_the_identity():
    start = config("search=none")
    other = changed(changed(start, "model.param_grids", {}), "model.param_space", {})
    assert identity_of(other) == identity_of(start)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 43),
        ("dataset.name", "credit-g"),
        ("dataset.version", 1),
        ("dataset.pos_label", "<=50K"),
        ("cv.test_size", 0.25),
        ("cv._target_", "tabproof.data.OrderedRows"),
        ("search.engine", "none"),
        ("search.n_splits", 4),
        ("search.scoring", "accuracy"),
        ("search.min_resources", 30),
        ("model.param_grids.fast.clf__learning_rate", [0.05, 0.2]),
        ("model.param_grids.fast.clf__learning_rate", [0.1, 0.05]),
        ("model.estimator._target_", "sklearn.ensemble.ExtraTreesClassifier"),
        ("model.estimator.max_iter", 50),
        ("preprocess.keeps_missing", False),
        ("preprocess.numeric.scale", {"_target_": "sklearn.preprocessing.StandardScaler"}),
    ],
)
def test_what_changes_numbers_is_in_the_identity(key, value):
    start = config("dataset=adult")
    assert identity_of(changed(start, key, value)) != identity_of(start)


@pytest.mark.parametrize(
    ("search", "key", "value"),
    [
        ("classic", "search.factor", 2.0),
        ("classic", "search.min_resources", 30),
        ("classic", "model.param_grids.full.clf__learning_rate", [0.2]),
        ("full", "search.schedule", [{"candidates": "all", "iterations": "100%"}]),
        ("tpe", "search.n_candidates", 7),
        ("tpe", "search.batch_size", 3),
        ("tpe", "model.param_space.clf__learning_rate", [0.2]),
        ("portfolio", "search.ensemble", False),
        ("portfolio", "search.members.linear.model.param_grids.fast.clf__C", [0.2]),
        ("portfolio", "search.members.linear.model.estimator.C", 0.2),
        ("portfolio", "search.members.linear.preprocess.numeric", {}),
    ],
)
def test_what_changes_the_numbers_of_a_search_is_in_the_identity(search, key, value):
    start = config(f"search={search}")
    assert identity_of(changed(start, key, value)) != identity_of(start)


@pytest.mark.parametrize("search", ["full", "tpe", "portfolio"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("search.time_budget", "5m"), ("search.resume", True), ("search.name", "mine")],
)
def test_how_long_a_search_may_take_and_where_it_began_is_not_in_the_identity(search, key, value):
    start = config(f"search={search}")
    assert identity_of(changed(start, key, value)) == identity_of(start)


@pytest.mark.parametrize("search", ["full", "none", "classic"])
def test_a_space_that_is_not_drawn_from_is_not_in_the_identity(search):
    start = config(f"search={search}")
    other = changed(start, "model.param_space", {"clf__max_iter": [1]})
    assert identity_of(other) == identity_of(start)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_two_identities_are_equal_exactly_where_the_seeds_are(one, other):
    start = config()
    equal = identity_of(changed(start, "seed", one)) == identity_of(changed(start, "seed", other))
    assert equal == (one == other)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target", "z"),
        ("sheet", "2024"),
        ("bad_rows", "error"),
        ("na_values", ["-"]),
        ("drop_columns", ["a"]),
        ("keep", ["a"]),
        ("min_class_rows", 5),
        ("target_bins", 4),
        ("column_types", {"a": ColumnType.category}),
    ],
)
def test_what_is_made_of_a_file_is_in_the_identity(key, value):
    assert identity_of(_file_config(**{key: value})) != identity_of(_file_config())


# The data's fingerprint holds what they come to: `auto` and what it found are one run.
@pytest.mark.parametrize("key", ["separator", "encoding", "decimal", "thousands"])
def test_the_form_of_a_file_is_not_in_the_identity(key):
    assert identity_of(_file_config(**{key: ";"})) == identity_of(_file_config())


def test_downloads_lie_where_the_nearest_of_four_settings_says(monkeypatch):
    def home(*overrides):
        return conf.typed(composed("dataset=adult", *overrides)).dataset.data_home

    monkeypatch.delenv("TABPROOF_DATA_HOME", raising=False)
    assert home() == "data_cache"
    monkeypatch.setenv("TABPROOF_DATA_HOME", "from_environment")
    assert home() == "from_environment"
    assert home("data_home=for_all") == "for_all"
    assert home("data_home=for_all", "dataset.data_home=its_own") == "its_own"


def test_one_place_of_data_serves_a_sweep_over_datasets_with_and_without_downloads():
    for dataset in ("breast_cancer", "adult"):
        conf.check_config(conf.typed(composed(f"dataset={dataset}", "data_home=here")))


def test_the_column_that_groups_rows_is_in_the_identity():
    one = config("cv=grouped", "cv.group_column=a")
    assert isinstance(one.cv, GroupedCvConfig)
    assert identity_of(changed(one, "cv.group_column", "b")) != identity_of(one)


def test_defaults_of_types_are_not_shared_between_configurations():
    one = FileDatasetConfig(path="a.csv", target="y")
    one.drop_columns.append("a")
    one.column_types["a"] = ColumnType.number
    other = FileDatasetConfig(path="a.csv", target="y")
    assert other.drop_columns == []
    assert other.column_types == {}


def test_the_order_of_preprocessing_steps_is_in_the_identity():
    start = config("preprocess=onehot")
    steps = start.preprocess.numeric
    swapped = changed(start, "preprocess.numeric", dict(reversed(steps.items())))
    assert json.dumps(identity_of(swapped), sort_keys=True) != (
        json.dumps(identity_of(start), sort_keys=True)
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.members.linear.model.estimator.C", 0.5),
        ("model.members.linear.model.estimator._target_", "sklearn.svm.SVC"),
        ("model.members.linear.preprocess.keeps_missing", True),
        ("model.members.linear.preprocess.numeric", {}),
        ("model.estimator.weights", [1, 2, 3, 4]),
    ],
)
def test_all_that_decides_the_numbers_of_members_is_in_the_identity(key, value):
    start = config("model=vote")
    assert identity_of(changed(start, key, value)) != identity_of(start)


def test_grids_that_members_brought_along_are_not_in_the_identity():
    start = config("model=vote")
    assert identity_of(changed(start, "model.members.linear.model.param_grids", {})) == (
        identity_of(start)
    )


@pytest.mark.parametrize("key", ["model.members", "model.members.linear.preprocess.numeric"])
def test_the_order_of_members_and_of_their_steps_is_in_the_identity(key):
    start = config("model=vote")
    entries = start.model.members
    if key != "model.members":
        entries = entries["linear"].preprocess.numeric
    swapped = changed(start, key, dict(reversed(entries.items())))
    assert json.dumps(identity_of(swapped), sort_keys=True) != (
        json.dumps(identity_of(start), sort_keys=True)
    )


def test_members_that_were_typed_can_be_written_and_typed_again():
    once = config("model=vote")
    text = OmegaConf.to_yaml(OmegaConf.structured(once))
    again = OmegaConf.merge(OmegaConf.structured(once), OmegaConf.create(text))
    assert typed(again) == once
    assert list(once.model.members) == ["boosting", "linear", "extra", "forest"]
    assert OmegaConf.create(text).model.members.linear.model.estimator.C == 0.1


@pytest.mark.parametrize(
    ("choices", "key", "value", "most"),
    [
        ([], "seed", 1, 255),
        ([], "preprocess.keeps_categories", False, None),
        ([], "model.max_categories", None, None),
        (["model=vote"], "seed", 1, 255),
        (["model=vote"], "model.max_categories", 9, 9),
        (["model=vote"], "model.members.boosting.model.max_categories", 7, 7),
        (["model=vote"], "model.members.boosting.preprocess.keeps_categories", False, 1_000),
        (["preprocess=onehot"], "seed", 1, 1_000),
        (["preprocess=hashing"], "seed", 1, None),
        (["search=portfolio"], "model.max_categories", 9, 255),
        (["search=portfolio"], "search.members.boosting.model.max_categories", 7, 7),
    ],
    ids=str,
)
def test_the_strictest_model_that_gets_categories_states_how_many(choices, key, value, most):
    assert most_categories(changed(config(*choices), key, value)) == most


def test_a_configuration_without_the_schema_is_refused_in_words():
    with pytest.raises(ConfigurationError, match="train_schema"):
        typed(OmegaConf.create({"seed": 1}))


def test_the_configuration_is_read_without_numeric_libraries() -> None:
    # They read their limits of threads when they are loaded, which the configuration sets.
    words = (
        "import sys, tabproof.config; print({'numpy', 'pyarrow', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
