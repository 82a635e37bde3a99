from copy import deepcopy
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tabproof.artifacts.manifest import seal
from tabproof.conf_files import CONF
from tabproof.config import check_command_line, command_line
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.config.hydra_errors import ConfigurationError
from tabproof.config.quoting import SeveralValuesError, UnreadableValueError
from tabproof.errors import (
    FileMissingError,
    InvalidValueError,
    MissingValueError,
    OverrideSyntaxError,
    RunExistsError,
    UnknownKeyError,
)
from tests.config.composing import FILE, assert_says, composed, refusal

REPOSITORY = CONF.parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ("serach=full", UnknownKeyError, ["'serach'", "did you mean search?"]),
        ("+serach.x=1", UnknownKeyError, ["'serach'", "did you mean search?"]),
        ("search.n_split=3", UnknownKeyError, ["'search.n_split'", "search.n_splits"]),
        ("++search.n_split=3", UnknownKeyError, ["'search.n_split'", "search.n_splits"]),
        ("dataset=adlut", ConfigurationError, ["dataset=adlut", "'adult'", "'file'", "'wine'"]),
        ("experiment=x", ConfigurationError, ["experiment=x", "'classic'"]),
        # Not a traceback of Hydra's: `refusal` raises what it cannot translate.
        ("dataset=null", ConfigurationError, ["dataset=null", "'adult'"]),
        ("=3", ConfigurationError, ["override"]),
        ("model.estimator.max_iter=3", ConfigurationError, ["+model.estimator.max_iter=…"]),
        ("search.n_splits=2.9", ConfigurationError, ["search.n_splits", "'2.9'", "2 or more"]),
        ("search.factor=2", ConfigurationError, ["only", "search=classic", "'search.factor'"]),
        ("search.n_splits=1", InvalidValueError, ["search.n_splits=1", "2 or more"]),
        ("dataset=file", MissingValueError, ["dataset.path", "dataset.path=…"]),
        ("dataset=file dataset.path=a.csv", MissingValueError, ["dataset.target=…"]),
        (" ".join(FILE), FileMissingError, ["dataset.path=a.csv", "nothing"]),
        ("full", OverrideSyntaxError, ["'full'", "key=value"]),
        ("dataset.drop_columns=[a=b", UnreadableValueError, ["dataset.drop_columns=[a=b", "]"]),
        ("search.n_splits=${sead}", ConfigurationError, ["search.n_splits", "'sead'"]),
        ("search.n_splits=3,4", SeveralValuesError, ["search.n_splits=3,4", "needs -m"]),
    ],
)
def test_a_bad_command_line_is_answered_with_what_would_work(arguments, kind, words):
    error = refusal(*arguments.split(" "))
    assert type(error) is kind
    assert_says(error, *words)


def test_without_a_target_the_columns_of_the_file_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,結果\n1,u\n2,v\n")
    error = refusal("dataset=file", f"dataset.path={tmp_path}/t.csv")
    assert_says(error, "dataset.target=…", "'a', '結果'")


@pytest.fixture(scope="module")
def default():
    return composed("hydra.sweep.dir=here", hydra=True)


@pytest.fixture
def jobs(monkeypatch, default):
    """Return the overrides of each job that is composed; all are composed to the default."""
    found = []

    def compose(name, overrides, *, return_hydra_config):
        assert (name, return_hydra_config) == ("train", True)
        assert overrides[-1] == f"hydra.job.num={len(found)}"
        found.append(overrides[:-1])
        return deepcopy(default)

    monkeypatch.setattr(command_line, "compose", compose)
    return found


@pytest.mark.parametrize(
    ("flag", "sweep", "values"),
    [("-m", "3,1", [3, 1]), ("--multirun", "choice(3,1)", [3, 1]), ("-m", "range(1,4)", [1, 2, 3])],
)
def test_every_job_of_a_sweep_is_composed(flag, sweep, values, jobs):
    assert check_command_line([flag, "seed=1", f"search.n_splits={sweep}"]).n_jobs == len(values)
    assert jobs == [["seed=1", f"search.n_splits={value}"] for value in values]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("dataset=wine,breast_cancer", "search=none,fast"),
            [
                [f"dataset={dataset}", f"search={search}"]
                for dataset in ("wine", "breast_cancer")
                for search in ("none", "fast")
            ],
        ),
        (("model=glob(l*)",), [["model=lightgbm"], ["model=logistic_regression"]]),
        (
            ("seed=range(0,2)", "dataset.pos_label='a,b'"),
            [["seed=0", "dataset.pos_label='a,b'"], ["seed=1", "dataset.pos_label='a,b'"]],
        ),
    ],
)
def test_a_sweep_is_every_combination_of_its_values(arguments, expected, jobs):
    assert check_command_line(["-m", *arguments]).n_jobs == len(expected)
    assert jobs == expected


def test_a_large_sweep_is_checked_in_its_first_jobs_only(monkeypatch, jobs):
    monkeypatch.setattr(command_line, "MAX_JOBS_CHECKED", 3)
    found = check_command_line(["-m", "seed=range(0,90)", "search=none,fast"])
    assert (found.n_jobs, len(found.configs), len(jobs)) == (180, 3, 3)


def test_a_bad_combination_within_a_sweep_is_found():
    error = refusal("-m", "model=hist_gradient_boosting,random_forest", "preprocess=native")
    assert isinstance(error, IncompatiblePreprocessError)
    assert_says(error, "RandomForestClassifier")


def test_of_a_sweep_it_gives_the_directory_and_the_first_jobs():
    found = check_command_line(["-m", "seed=1,2", "hydra.sweep.dir=here"])
    assert found.sweep == Path("here")
    assert found.directory.parent == Path("here")
    assert found.directory.name.startswith("1_")
    assert [config.seed for config in found.configs] == [1, 2]
    assert found.n_jobs == 2


FOREST = [
    "+estimator@model.members.more.model=random_forest",
    "+preprocess@model.members.more.preprocess=ordinal",
]


def test_members_can_be_changed_left_out_and_added():
    changed = [
        "model.members.linear.model.estimator.C=0.3",
        "+model.members.linear.model.estimator.class_weight=balanced",
        "preprocess@model.members.boosting.preprocess=target",
        "estimator@model.members.extra.model=hist_gradient_boosting",
        "~model.members.forest",
        *FOREST,
        "model.estimator.weights=[2,1,1,1]",
    ]
    (found,) = check_command_line(["model=vote", *changed]).configs
    members = found.model.members
    assert list(members) == ["boosting", "linear", "extra", "more"]
    estimator = members["linear"].model.estimator
    assert (estimator["C"], estimator["class_weight"]) == (0.3, "balanced")
    assert "TargetEncoder" in str(members["boosting"].preprocess)
    assert members["extra"].model.estimator["_target_"].endswith("HistGradientBoostingClassifier")
    assert found.model.estimator["weights"] == [2, 1, 1, 1]


def test_a_member_that_is_added_changes_nothing_else():
    with_forest = OmegaConf.to_container(composed("model=vote", *FOREST))
    added = with_forest["model"]["members"].pop("more")
    assert added["model"]["estimator"]["n_estimators"] == 300
    assert with_forest == OmegaConf.to_container(composed("model=vote"))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("model.members.linear.modl.x=1", ["'model.members.linear.modl'"]),
        ("model.members.lin.model.estimator.C=1", ["'model.members.lin'", "'linear'"]),
        (FOREST[0], ["model.members.more.preprocess", "must be given"]),
        ("estimator@model.members.linear.model=lgr", ["lgr", "'logistic_regression'"]),
        ("preprocess=onehot", ["preprocess=native"]),
        ("preprocess@model.members.linear.preprocess=native", ["model.members.linear"]),
    ],
)
def test_a_mistake_among_members_is_answered_with_its_key(argument, words):
    assert_says(refusal("model=vote", argument), *words)


def test_showing_a_configuration_needs_no_mandatory_values_but_the_right_keys():
    check_command_line(["--cfg", "job", "dataset=file"])
    check_command_line(["--cfg=job", "dataset=file"])
    assert isinstance(refusal("--cfg", "job", "+search.n_split=3"), UnknownKeyError)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--typo"], "no such option: --typo; python -m src.train --help"),
        (["-x", "seed=1"], "no such option: -x;"),
        (["seed=1", "--sweep=2"], "no such option: --sweep;"),
        (["--cfg", "jobs"], "--cfg takes job, hydra or all, not jobs"),
        (["--cfg"], "--cfg takes job, hydra or all, not nothing"),
        (["--cfg", "job", "sed"], "sed"),
        (["-m", "dataset"], "dataset"),
    ],
)
def test_a_misspelt_option_or_a_word_without_a_value_is_one_line(words, text):
    error = refusal(*words)
    assert text in str(error)
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("flag", ["--info", "--hydra-help", "--config-dir=conf", "-p", "--resolve"])
def test_options_of_hydra_are_left_to_it(flag):
    assert check_command_line([flag]) is None


def test_checking_leaves_nothing_behind(tmp_path):
    check_command_line(["search=full", "hydra.run.dir=here"])
    refusal("search.n_splits=1", "hydra.run.dir=here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("++hydra.run.dir='./my_run/'",),
        ("-m", "hydra.sweep.dir=.", "hydra.sweep.subdir=my_run"),
    ],
    ids=" ".join,
)
def test_a_complete_run_is_not_overwritten_by_the_directory_requested(arguments):
    Path("my_run").mkdir()
    seal(Path("my_run"), "a" * 16)
    error = refusal(*arguments)
    assert isinstance(error, RunExistsError)
    assert_says(error, "my_run", "complete run", "another")


def test_a_sweep_that_cannot_continue_does_not_begin_anew_in_silence():
    error = refusal("-m", "search.resume=outputs/one", "hydra.sweep.dir=here", "seed=1,2")
    assert_says(error, "search.resume=outputs/one", "single run", "-m sweep.resume=")


def test_what_hydra_alone_can_read_cannot_be_resumed():
    error = refusal("--config-dir=.", "search.resume=true")
    assert_says(error, "--config-dir", "conf/")


def test_a_directory_without_a_manifest_may_be_used_again():
    Path("my_run").mkdir()
    Path("my_run/train.log").write_text("a run that was killed")
    check_command_line(["hydra.run.dir=my_run"])
