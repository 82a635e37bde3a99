"""What a run keeps of its configuration comes to the very same run again."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import fields
from functools import cache
from itertools import zip_longest

import pytest
from omegaconf import DictConfig, OmegaConf

from tabproof import config as conf
from tabproof.conf_files import CONF
from tabproof.config import stored
from tabproof.config.data_schema import OpenMLDatasetConfig
from tabproof.config.schema import DaskRuntimeConfig, RungSearchConfig
from tabproof.config.stored import NOT_STORED, KeyDecidesError, StoredConfigError
from tabproof.errors import OverrideSyntaxError, UserError
from tests.config.composing import assert_says, changed, config


def choices(group: str) -> list[str]:
    names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    # A file needs more words; it stands below.
    return [f"{group}={name}" for name in names if (group, name) != ("dataset", "file")]


FILE = ["dataset=file", "dataset.path=x.csv", "dataset.target=y", "dataset.pos_label='no'"]
# Each choice once, together with others: composing takes a fifth of a second.
GROUPS = ("model", "preprocess", "search", "runtime", "dataset")
ALL = [
    *([word for word in words if word] for words in zip_longest(*map(choices, GROUPS))),
    [*FILE, "+dataset.column_types={zip: category}", "dataset.separator='\\t'"],
    ["cv=time_series"],
    ["cv=grouped", "cv.group_column=site"],
    ["experiment=classic"],
    [
        "search=portfolio",
        "+model@search.members.v.model=vote",
        "+preprocess@search.members.v.preprocess=native",
    ],
]


composed_here = stored._composed_here


@cache
def composed_once(*overrides: str) -> DictConfig:
    return composed_here(overrides)


@pytest.fixture(autouse=True)
def compose_each_runtime_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_runtime(overrides: Sequence[str]) -> DictConfig:
        return deepcopy(
            composed_once(*(each for each in overrides if each.startswith(stored.OF_MACHINE)))
        )

    monkeypatch.setattr(stored, "_composed_here", of_runtime)


def kept(*overrides: str) -> str:
    return OmegaConf.to_yaml(OmegaConf.structured(config(*overrides)))


def recomposed(text: str, *overrides: str) -> conf.TrainConfig:
    return conf.recompose(text, overrides, to_its_end=False)[0]


@pytest.mark.parametrize(
    "overrides",
    [*ALL[:4], *(pytest.param(o, marks=pytest.mark.slow) for o in ALL[4:-4]), *ALL[-4:]],
    ids=" ".join,
)
def test_all_that_conf_offers_comes_back_typed_as_it_was(overrides: list[str]) -> None:
    before = config(*overrides)
    again, added = conf.recompose(kept(*overrides), [], to_its_end=False)
    assert added == []
    assert conf.identity_of(again) == conf.identity_of(before)
    for key in {f.name for f in fields(before)} - NOT_STORED:
        assert type(getattr(again, key)) is type(getattr(before, key))
        assert getattr(again, key) == getattr(before, key)


def test_the_runtime_is_this_machines_own() -> None:
    text = conf.as_yaml(changed(config(), "runtime", DaskRuntimeConfig(address="tcp://a:1")))
    assert recomposed(text).runtime == config().runtime
    assert recomposed(text, "runtime=serial", "runtime.niceness=3").runtime.niceness == 3
    assert conf.machine_runtime(["dataset.path=x", "runtime.openmp_threads=3"]).openmp_threads == 3


def test_a_replay_searches_by_itself_and_to_its_end() -> None:
    start = changed(changed(config(), "search.time_budget", "1s"), "search.resume", True)
    text = conf.as_yaml(changed(start, "skip_completed", True))
    search = conf.recompose(text, [], to_its_end=True)[0].search
    assert isinstance(search, RungSearchConfig)
    assert (search.time_budget, search.resume) == (None, False)
    partial = recomposed(text)
    assert isinstance(partial.search, RungSearchConfig)
    assert partial.search.time_budget == "1s"
    # What is there already is what a replay is compared with.
    assert not recomposed(text, "skip_completed=true").skip_completed


@pytest.mark.parametrize("override", ["dataset.path=other.csv", "search.name=mine", "seed=42"])
def test_what_decides_no_number_may_be_changed(override: str) -> None:
    key, _, value = override.partition("=")
    node = OmegaConf.structured(recomposed(kept(*FILE), override))
    assert str(OmegaConf.select(node, key)).lower() == value


@pytest.mark.parametrize(
    "override",
    [
        "export=false",
        "dataset=wine",
        "search.param_grid=full",
        "cv.test_size=0.3",
        "+model.x=1",
        "~seed",
    ],
)
def test_what_decides_numbers_is_refused_by_name(override: str) -> None:
    with pytest.raises(KeyDecidesError) as raised:
        recomposed(kept(), override)
    assert_says(raised.value, override.partition("=")[0].strip("+~"), "decides numbers")


@pytest.mark.parametrize("override", ["runtime.wrokers=1", "dataset.nane=x", "runtime.workers=a"])
def test_a_mistyped_override_is_reported_as_in_training(override: str) -> None:
    with pytest.raises(Exception, match=r"\w") as raised:
        recomposed(kept(), override)
    error = conf.explain_hydra_error(raised.value)
    assert error is not None
    assert_says(error, override.partition("=")[0])


def test_several_values_are_no_replay() -> None:
    with pytest.raises(OverrideSyntaxError):
        recomposed(kept(), "search.name=a,b")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[1, 2]", "holds no keys"),
        ("seed: [", "line 1"),
        ("seed: many", "seed"),
        ("sead: 1", "sead"),
        ("search: {engine: grid, n_spilts: 3}", "n_spilts"),
        ("dataset: 3", ""),
    ],
)
def test_what_is_no_configuration_of_ours_is_reported_in_one_line(text: str, word: str) -> None:
    with pytest.raises(UserError) as raised:
        recomposed(text)
    assert type(raised.value) is StoredConfigError
    assert_says(raised.value, "config.yaml cannot be composed", word)


def test_keys_that_came_later_are_named() -> None:
    content = OmegaConf.create(kept())
    del content.search["min_resources"], content.runtime["niceness"]
    _, added = conf.recompose(OmegaConf.to_yaml(content), [], to_its_end=True)
    assert added == ["search.min_resources"]


def test_downloads_are_sought_where_this_machine_has_them_else_where_the_run_had_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def home(*overrides: str) -> str:
        dataset = recomposed(text, *overrides).dataset
        assert isinstance(dataset, OpenMLDatasetConfig)
        return str(dataset.data_home)

    monkeypatch.delenv("TABPROOF_DATA_HOME", raising=False)
    text = kept("dataset=adult", "data_home=there")
    assert home() == "there"
    assert home("dataset.data_home=moved") == "moved"
    assert home("data_home=chosen") == "chosen"
    monkeypatch.setenv("TABPROOF_DATA_HOME", "here")
    assert home() == "here"


@pytest.mark.parametrize(
    "reference", ["${oc.env:HOME}", "a${oc.env:HOME}", "\\\\${oc.env:HOME}", "\\${x}${seed}"]
)
@pytest.mark.parametrize("key", ["dataset.name", "model.estimator.solver"])
def test_a_run_reads_nothing_of_the_environment(reference: str, key: str) -> None:
    content = OmegaConf.create(kept())
    OmegaConf.update(content, key, reference, force_add=True)
    with pytest.raises(StoredConfigError, match=rf"{key} holds \$"):
        recomposed(OmegaConf.to_yaml(content))


@pytest.mark.parametrize(
    ("text", "word"),
    [("seed: &a 1\nexport: *a\n", "alias"), ("seed: " + "[" * 60 + "]" * 60, "too deeply")],
)
def test_a_configuration_is_small_in_memory_too(text: str, word: str) -> None:
    with pytest.raises(StoredConfigError, match=word):
        recomposed(text)
