import shutil

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tabproof.conf_files import CONF
from tabproof.config import explain_hydra_error, typed
from tabproof.config.hydra_errors import ConfigurationError, nearest_keys, unknown_key, valid_keys
from tabproof.errors import MissingValueError, UnknownKeyError
from tests.config.composing import assert_says, composed, config


@pytest.fixture
def conf_copy(tmp_path):
    return shutil.copytree(CONF, tmp_path / "conf")


def _edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _complaint(directory, *overrides):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Hydra's many kinds are the point
        typed(composed(*overrides, directory=directory))
    return explain_hydra_error(raised.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "words"),
    [
        (
            "search/fast.yaml",
            "n_splits: 3",
            "n_split: 3",
            UnknownKeyError,
            ["'search.n_split'", "did you mean search.n_splits"],
        ),
        (
            "train.yaml",
            "seed: 42",
            "sede: 42",
            UnknownKeyError,
            ["'sede'", "did you mean seed"],
        ),
        (
            "search/fast.yaml",
            "n_splits: 3",
            "n_splits: three",
            ConfigurationError,
            ["search.n_splits", "'three'", "2 or more"],
        ),
        (
            "train.yaml",
            "- search: fast",
            "- search: fats",
            ConfigurationError,
            ["search=fats", "'fast'", "'full'", "'none'"],
        ),
        (
            "search/fast.yaml",
            "n_splits: 3",
            "n_splits: ${sead}",
            ConfigurationError,
            ["search.n_splits", "'sead'"],
        ),
        (
            "dataset/breast_cancer.yaml",
            "name: breast_cancer",
            "",
            MissingValueError,
            ["dataset.name", "dataset.name=…"],
        ),
    ],
)
def test_a_mistake_inside_a_yaml_file_names_its_key(conf_copy, file, old, new, kind, words):
    _edit(conf_copy / file, old, new)
    error = _complaint(conf_copy)
    assert type(error) is kind
    assert_says(error, *words)


def test_a_new_file_without_its_schema_line_does_not_open_the_door_to_typos(conf_copy):
    (conf_copy / "search/mine.yaml").write_text(
        "name: mine\nengine: none\nn_split: 9\n", encoding="utf-8"
    )
    error = _complaint(conf_copy, "search=mine")
    assert isinstance(error, UnknownKeyError)
    assert_says(error, "'search.n_split'", "search.n_splits")


def test_a_new_file_without_its_schema_line_is_answered_with_which_choices_have_its_keys(conf_copy):
    (conf_copy / "search/mine.yaml").write_text(
        "name: mine\nengine: grid\nparam_grid: fast\n", encoding="utf-8"
    )
    assert_says(_complaint(conf_copy, "search=mine"), "'search.param_grid'", "search=fast")


def test_a_project_without_that_config_names_which_there_is():
    error = _complaint_of_config_name("trian")
    assert isinstance(error, ConfigurationError)
    assert_says(error, "'trian'", "'train'")


def _complaint_of_config_name(name):
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as raised:  # noqa: PT011
        compose(name)
    return explain_hydra_error(raised.value)


def test_a_user_error_is_passed_on_as_it_is():
    error = MissingValueError("dataset.path", "a.csv")
    assert explain_hydra_error(error) is error


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x"), OSError(28, "full")])
def test_what_composing_did_not_raise_is_not_called_a_users_mistake(error):
    assert explain_hydra_error(error) is None


def test_any_other_error_of_hydra_is_reported_in_its_first_line():
    assert str(explain_hydra_error(HydraException("first\nsecond"))) == "first"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("search.n_splits", "abc", "'abc'"),
        ("search.n_splits", True, "'True'"),
        ("seed", None, "null cannot work; it takes from 0 to"),
        ("cv.test_size", "a-fifth", "'a-fifth'"),
        ("dataset.pos_label", ["a"], "a text or null"),
        ("skip_completed", "maybe", "true or false"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_key(key, value, words):
    cfg = OmegaConf.structured(config())
    with pytest.raises(OmegaConfBaseException) as raised:
        OmegaConf.update(cfg, key, value)
    error = explain_hydra_error(raised.value)
    assert isinstance(error, ConfigurationError)
    assert_says(error, f"{key}: ", words)


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("cv.group_column", ["cv=grouped"]),
        ("cv.time_column", ["cv=time_series"]),
        ("dataset.drop_columns", ["dataset=file"]),
        ("search.n_candidates", ["search=random", "search=tpe"]),
        ("search.resume", ["search=fast", "search=portfolio", "search=tpe"]),
        ("model.members", ["model=vote"]),
    ],
)
def test_a_key_of_another_choice_is_answered_with_that_choice(key, choices):
    error = unknown_key(key)
    assert f"did you mean {key}" not in str(error), "what was asked cannot be what was meant"
    assert_says(error, *choices)


@pytest.mark.parametrize("key", [key for key in valid_keys() if len(key.rpartition(".")[2]) > 3])
def test_a_key_with_a_letter_missing_suggests_that_key(key):
    group, dot, name = key.rpartition(".")
    for position in range(1, len(name)):
        misspelt = f"{group}{dot}{name[:position]}{name[position + 1 :]}"
        if misspelt not in valid_keys():
            assert key in nearest_keys(misspelt), misspelt


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("test_size", "cv.test_size"),
        ("data", "dataset"),
        ("serach.x", "search"),
        ("search.x", "search.name"),
    ],
)
def test_a_key_in_the_wrong_place_is_answered_with_its_place(asked, meant):
    assert meant in nearest_keys(asked)


def test_a_key_that_resembles_nothing_is_answered_with_the_groups():
    assert {"dataset", "model", "search"} <= set(nearest_keys("qqqqqq"))
