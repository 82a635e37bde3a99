from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tabproof.artifacts.manifest import seal
from tabproof.config import check_command_line, command_line, help_text, quoted
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.config.hydra_errors import ConfigurationError
from tabproof.config.schema import CONF, GROUPS
from tabproof.errors import (
    FileMissingError,
    InvalidValueError,
    MissingValueError,
    OverrideSyntaxError,
    RunExistsError,
    UnknownKeyError,
)
from tests.config.composing import assert_says, composed, refusal

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
        ("+search.n_split=3", UnknownKeyError, ["'search.n_split'", "search.n_splits"]),
        ("++search.n_split=3", UnknownKeyError, ["'search.n_split'", "search.n_splits"]),
        ("++search.x=1", UnknownKeyError, ["'search.x'", "did you mean"]),
        ("test_size=0.3", UnknownKeyError, ["'test_size'", "cv.test_size"]),
        ("data=adult", UnknownKeyError, ["'data'", "dataset"]),
        ("dataset=adlut", ConfigurationError, ["dataset=adlut", "'adult'", "'file'", "'wine'"]),
        ("search=ful", ConfigurationError, ["search=ful", "'fast'", "'full'", "'none'"]),
        ("experiment=x", ConfigurationError, ["experiment=x", "'classic'"]),
        ("model.estimator.max_iter=3", ConfigurationError, ["+model.estimator.max_iter=…"]),
        ("search.n_splits=abc", ConfigurationError, ["search.n_splits", "'abc'", "Integer"]),
        ("search.n_splits=2.9", ConfigurationError, ["search.n_splits", "'2.9'", "Integer"]),
        ("search.n_splits=true", ConfigurationError, ["search.n_splits", "'True'", "Integer"]),
        ("seed=null", ConfigurationError, ["seed", "not Optional"]),
        ("cv.test_size=a-fifth", ConfigurationError, ["cv.test_size", "'a-fifth'", "Float"]),
        ("search.engine=bayes", InvalidValueError, ["search.engine=bayes", "grid", "search=…"]),
        ("search.engine=random", InvalidValueError, ["search.engine=random", "search=…"]),
        ("dataset.pos_label=[a]", ConfigurationError, ["dataset.pos_label", "list"]),
        ("seed=-1", InvalidValueError, ["seed=-1", "0 to 4294967295"]),
        ("search.n_splits=1", InvalidValueError, ["search.n_splits=1", "2 or more"]),
        ("cv.test_size=2", InvalidValueError, ["cv.test_size=2", "between 0 and 1"]),
        ("cv.test_size=0", InvalidValueError, ["cv.test_size=0", "between 0 and 1"]),
        ("search=classic search.factor=1", InvalidValueError, ["=1.0", "1.1 or more"]),
        ("search.factor=2", ConfigurationError, ["'search.factor'", "search=classic"]),
        ("search=none search.resume=true", ConfigurationError, ["search=fast", "search=tpe"]),
        ("search.n_candidates=9", ConfigurationError, ["search=random", "search=tpe"]),
        ("search.time_budget=1", InvalidValueError, ["search.time_budget=1", "90s, 10m"]),
        ("search=random search.n_candidates=0", InvalidValueError, ["=0", "1 or more"]),
        ("runtime.workers=0", InvalidValueError, ["runtime.workers=0", "1 or more"]),
        ("runtime.niceness=20", InvalidValueError, ["runtime.niceness=20", "0 to 19"]),
        ("search.min_resources=foo", InvalidValueError, ["=foo", "auto, or 1 or more"]),
        ("search.param_grid=huge", InvalidValueError, ["=huge", "'fast'", "'full'"]),
        ("dataset=file", MissingValueError, ["dataset.path", "dataset.path=…"]),
        ("dataset=file dataset.path=a.csv", MissingValueError, ["dataset.target=…"]),
        ("cv=grouped", MissingValueError, ["cv.group_column=…"]),
        (
            "dataset=file dataset.path=a.csv dataset.target=y",
            FileMissingError,
            ["dataset.path=a.csv", "nothing"],
        ),
        ("model=logistic_regression preprocess=native", IncompatiblePreprocessError, ["onehot"]),
        ("full", OverrideSyntaxError, ["'full'", "key=value"]),
        ("dataset.drop_columns=[a=b", OverrideSyntaxError, ["'dataset.drop_columns=[a=b'"]),
        ("search.n_splits=${sead}", ConfigurationError, ["search.n_splits", "'sead'"]),
        ("search.n_splits=3,4", ConfigurationError, ["search.n_splits=3,4"]),
    ],
)
def test_a_bad_command_line_is_answered_with_what_would_work(arguments, kind, words):
    error = refusal(*arguments.split(" "))
    assert type(error) is kind
    assert_says(error, *words)


@pytest.mark.parametrize("override", ["dataset=null", "search=null", "=3"])
def test_a_choice_that_is_no_name_is_the_users_mistake(override):
    # Not a traceback of Hydra's: `refusal` raises what it cannot translate.
    assert_says(refusal(override), override.partition("=")[0])


@pytest.mark.parametrize(
    ("override", "choice"),
    [
        ("cv.group_column=id", "cv=grouped"),
        ("cv.time_column=day", "cv=time_series"),
        ("dataset.drop_columns=[id]", "dataset=file"),
    ],
)
def test_a_key_of_another_choice_is_answered_with_that_choice(override, choice):
    key = override.partition("=")[0]
    error = refusal(override)
    assert f"did you mean {key}" not in str(error), "what was asked cannot be what was meant"
    assert_says(error, choice)


def test_the_way_to_force_a_column_type_is_reported_and_works():
    Path("a.csv").write_text("zip,y\n1,u\n")
    file = ["dataset=file", "dataset.path=a.csv", "dataset.target=y"]
    error = refusal(*file, "dataset.column_types.zip=category")
    assert_says(error, "+dataset.column_types.zip=…")
    assert "has )" not in str(error), "of no keys none is listed"
    check_command_line([*file, "+dataset.column_types.zip=category"])


def test_column_types_can_be_given_as_the_docs_word_them():
    Path("a.csv").write_text("zip,y\n1,u\n")
    file = ["dataset=file", "dataset.path=a.csv", "dataset.target=y"]
    check_command_line([*file, "+dataset.column_types={zip: category}"])


@pytest.mark.parametrize(
    "sweep",
    ["search.n_splits=3,1", "search.n_splits=choice(3,1)", "search.n_splits=range(1,4)"],
)
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_every_job_of_a_sweep_is_checked_before_the_first_runs(flag, sweep):
    error = refusal(flag, sweep)
    assert isinstance(error, InvalidValueError)
    assert_says(error, "search.n_splits=1", "2 or more")


def test_a_bad_combination_within_a_sweep_is_found():
    error = refusal("-m", "model=hist_gradient_boosting,random_forest", "preprocess=native,onehot")
    assert isinstance(error, IncompatiblePreprocessError)
    assert_says(error, "RandomForestClassifier")


@pytest.mark.parametrize(
    "arguments",
    [
        ("dataset=wine,breast_cancer", "search=none,fast"),
        ("model=glob(l*)",),
        ("seed=range(0,3)", "dataset.pos_label='a,b'"),
    ],
)
def test_a_good_sweep_passes(arguments):
    check_command_line(["-m", *arguments])


FOREST = [
    "+estimator@model.members.more.model=random_forest",
    "+preprocess@model.members.more.preprocess=ordinal",
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["model.members.linear.model.estimator.C=0.3"],
        ["+model.members.linear.model.estimator.class_weight=balanced"],
        ["model.estimator.weights=[2,1,1,1]"],
        ["~model.members.extra"],
        FOREST,
        ["estimator@model.members.extra.model=hist_gradient_boosting"],
        ["preprocess@model.members.boosting.preprocess=target"],
    ],
    ids=" ".join,
)
def test_members_can_be_changed_left_out_and_added(arguments):
    check_command_line(["model=vote", *arguments])


def test_a_member_that_is_added_changes_nothing_else():
    with_forest = OmegaConf.to_container(composed("model=vote", *FOREST))
    added = with_forest["model"]["members"].pop("more")
    assert added["model"]["estimator"]["n_estimators"] == 300
    assert with_forest == OmegaConf.to_container(composed("model=vote"))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("model.members.linear.modl.x=1", ["'model.members.linear.modl'"]),
        ("+model.members.linear.x=1", ["'model.members.linear.x'"]),
        ("+model.members.linear.preprocess.keeps_mising=true", ["keeps_missing"]),
        ("+model.members.linear.model.acepts_missing=true", ["accepts_missing"]),
        ("model.members.lin.model.estimator.C=1", ["'model.members.lin'", "'linear'"]),
        (FOREST[0], ["model.members.more.preprocess", "must be given"]),
        (FOREST[1], ["model.members.more.model", "must be given"]),
        ("estimator@model.members.linear.model=lgr", ["lgr", "'logistic_regression'"]),
        ("preprocess=onehot", ["preprocess=native"]),
        ("preprocess@model.members.linear.preprocess=native", ["model.members.linear"]),
        ("model.estimator.weights=[1,2]", ["model.estimator.weights=[1, 2]", "4 numbers"]),
    ],
)
def test_a_mistake_among_members_is_answered_with_its_key(argument, words):
    assert_says(refusal("model=vote", argument), *words)


def test_members_of_another_model_are_answered_with_the_model_that_has_them():
    assert_says(refusal("model.members=[]"), "model=vote")


def test_a_large_sweep_is_checked_in_its_first_jobs_only(monkeypatch):
    monkeypatch.setattr(command_line, "MAX_JOBS_CHECKED", 3)
    check_command_line(["-m", "seed=0,1,2,-1"])
    assert isinstance(refusal("-m", "seed=0,1,-1,2"), InvalidValueError)


@pytest.mark.parametrize("separator", [",", ";", "|", "\\t"])
def test_a_separator_needs_no_quotes_but_the_shells(separator):
    # As SeparatorError suggests it.
    Path("a.csv").write_text("a,y\n1,u\n")
    file = ["dataset=file", "dataset.path=a.csv", "dataset.target=y"]
    check_command_line(quoted([*file, f"dataset.separator={separator}"]))


@pytest.mark.parametrize(
    "argument",
    [
        "dataset.pos_label='a=b'",
        "seed=1,2",
        "dataset.drop_columns=[a,b]",
        "+dataset.column_types={zip: category}",
        "search.n_splits=${seed}",
        "~search.n_splits",
        "-m",
        "--cfg",
    ],
)
def test_what_hydra_reads_is_left_as_it_is(argument):
    assert quoted([argument]) == [argument]


# Space around a value is never part of it: Hydra strips it.
@given(st.text("abc あ漢>%K<=.+-/ \"'()é&#", min_size=1).map(str.strip).filter(bool))
def test_what_hydra_does_not_read_becomes_the_value_as_it_was_typed(value):
    _assert_understood(value)


@pytest.mark.parametrize("value", ["C:\\データ\\my.csv", "C:\\données\\a=b.csv", "\\<"])
def test_a_backslash_in_what_hydra_does_not_read_stays_one(value):
    _assert_understood(value)


def _assert_understood(value):
    parser = OverridesParser.create()
    argument = f"dataset.pos_label={value}"
    try:
        parser.parse_override(argument)
    except HydraException:
        (readable,) = quoted([argument])
        assert parser.parse_override(readable).value() == value


def test_showing_a_configuration_needs_no_mandatory_values_but_the_right_keys():
    check_command_line(["--cfg", "job", "dataset=file"])
    assert isinstance(refusal("--cfg", "job", "serach=full"), UnknownKeyError)
    assert isinstance(refusal("--cfg", "job", "+search.n_split=3"), UnknownKeyError)


def test_checking_leaves_nothing_behind(tmp_path):
    check_command_line(["search=full", "hydra.run.dir=here"])
    refusal("search.n_splits=1", "hydra.run.dir=here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("hydra.run.dir=my_run",),
        ("++hydra.run.dir=my_run",),
        ("hydra.run.dir='my_run'",),
        ("hydra.run.dir=./my_run/",),
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "search=fast", "search.resume=true", "seed=1,2"),
        ("-m", "search=fast", "search.resume=outputs/one", "hydra.sweep.dir=here", "seed=1,2"),
    ],
    ids=" ".join,
)
def test_a_sweep_that_cannot_continue_does_not_begin_anew_in_silence(arguments):
    error = refusal(*arguments)
    assert_says(error, "search.resume=", "single run", "-m sweep.resume=")


def test_of_a_sweep_it_gives_the_directory_and_the_first_jobs(monkeypatch):
    found = check_command_line(["-m", "seed=1,2", "hydra.sweep.dir=here"])
    assert found.sweep == Path("here")
    assert [config.seed for config in found.configs] == [1, 2]
    assert found.n_jobs == 2
    monkeypatch.setattr(command_line, "MAX_JOBS_CHECKED", 1)
    assert check_command_line(["-m", "seed=range(0,90)", "search=none,fast"]).n_jobs == 180
    assert check_command_line(["seed=1"]).sweep is None


def test_what_hydra_alone_can_read_cannot_be_resumed():
    error = refusal("--config-dir=.", "search.resume=true")
    assert_says(error, "--config-dir", "conf/")


def test_a_directory_without_a_manifest_may_be_used_again():
    Path("my_run").mkdir()
    Path("my_run/train.log").write_text("a run that was killed")
    check_command_line(["hydra.run.dir=my_run"])


def test_the_help_page_explains_every_choice_of_every_group():
    lines = help_text().splitlines()
    for group in [*GROUPS, "experiment"]:
        start = lines.index(f"  {group}")
        for path in (CONF / group).glob("*.yaml"):
            line = next(line for line in lines[start:] if line[4:].split(" ")[0] == path.stem)
            assert len(line[4 + len(path.stem) :].strip()) > 10, f"{path} does not explain itself"


def test_the_help_page_marks_one_default_of_each_group():
    marked = [line.split()[1] for line in help_text().splitlines() if line.startswith("  * ")]
    # In the order of GROUPS, from the defaults list of conf/train.yaml.
    assert marked == [
        "breast_cancer",
        "stratified",
        "hist_gradient_boosting",
        "native",
        "fast",
        "default",
        "none",
        "default",
        "default",
        "default",
        "local",
        "default",
    ]
