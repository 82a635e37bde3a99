"""A `_target_` names a class of the list, by what it is; nothing else is imported or called."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from tabproof import config as conf
from tabproof.conf_files import CONF
from tabproof.config.targets import CannotInstantiateError, TargetNotAllowedError
from tabproof.errors import UserError
from tabproof.steps.search import make_plan
from tests.config.composing import assert_says, changed, config, refusal
from tests.conftest import ROOT, train

ALLOWED: dict[str, dict[str, Any]] = {
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 3},
    "sklearn.preprocessing.KBinsDiscretizer": {"n_bins": 3},
    "sklearn.model_selection.StratifiedKFold": {"n_splits": 3},
    "sklearn.model_selection.StratifiedShuffleSplit": {},
    "sklearn.gaussian_process.kernels.RBF": {},
    "sklearn.pipeline.Pipeline": {"steps": []},
    "tabproof.modeling.CategoryHasher": {},
    "tabproof.modeling.Splines": {},
}
# Each is an importable function or class, which would read, write, run or connect.
REFUSED = [
    "os.system", "posix.system", "subprocess.Popen", "subprocess.check_output", "shutil.rmtree",
    "distutils.spawn.spawn", "pathlib.Path", "pathlib.Path.write_text", "pathlib.Path.unlink",
    "builtins.eval", "builtins.exec", "builtins.open", "builtins.__import__", "runpy.run_path",
    "importlib.import_module", "pickle.loads", "pickle.load", "ctypes.CDLL", "code.interact",
    "webbrowser.open", "urllib.request.urlopen", "socket.create_connection", "timeit.timeit",
    "multiprocessing.Process", "threading.Thread", "asyncio.run", "logging.FileHandler",
    "joblib.load", "joblib.dump", "joblib.Memory", "joblib.Parallel", "cloudpickle.loads",
    "numpy.load", "numpy.save", "numpy.loadtxt", "numpy.fromfile", "numpy.memmap",
    "pandas.read_pickle", "pandas.read_csv", "pandas.eval", "scipy.io.loadmat",
    "yaml.unsafe_load", "yaml.load", "jinja2.Template", "click.edit", "click.launch",
    "hydra.utils.get_method", "hydra.utils.get_class", "hydra.utils.get_object",
    "hydra.utils.instantiate", "hydra.utils.call", "hydra._internal.utils._locate",
    "omegaconf.OmegaConf.load", "omegaconf.OmegaConf.save", "pytest.main", "pip.main",
    # Names that a package of the list has imported, and its own functions.
    "sklearn.utils.os.system", "sklearn.utils._joblib.joblib.load", "sklearn.base.warnings.warn",
    "sklearn.externals.joblib.load", "sklearn.datasets.load_svmlight_file", "sklearn.clone",
    "sklearn.datasets.fetch_openml", "sklearn.datasets.load_files", "sklearn.show_versions",
    "sklearn.datasets._base.gzip.open", "sklearn.datasets._base.urlretrieve",
    "sklearn.utils.Bunch", "sklearn.utils.parallel.Parallel", "sklearn.datasets.clear_data_home",
    "sklearn.datasets.dump_svmlight_file", "sklearn.pipeline.make_pipeline",
    "sklearn.pipeline.check_memory", "sklearn.config_context", "sklearn.set_config",
    "sklearn.__check_build.os.system", "sklearn.base.BaseEstimator.__init_subclass__",
    "sklearn.ensemble.RandomForestClassifier.set_params",
    "sklearn.compose.make_column_selector.__init__", "sklearn.exceptions.NotFittedError",
    "lightgbm.Booster", "lightgbm.Dataset", "lightgbm.basic.ctypes.CDLL", "lightgbm.plot_tree",
    "lightgbm.DaskLGBMClassifier", "xgboost.Booster", "xgboost.DMatrix", "xgboost.core.ctypes.CDLL",
    "xgboost.callback.TrainingCheckPoint", "xgboost.dask.DaskXGBClassifier", "catboost.CatBoost",
    "catboost.Pool", "catboost.core.os.system", "catboost.utils.read_cd",
    "tabproof.data.load_file", "tabproof.data.load_openml", "tabproof.data.StratifiedRows",
    "tabproof.load_run", "tabproof.train", "tabproof.artifacts.files.remove",
    "tabproof.runtime.process.run_child", "tabproof.cli.main", "tabproof.cli.os.system",
    "tabproof.api.run.Run", "tabproof.runtime.console.LogFile", "tabproof.artifacts.Registry",
    # Names that are none.
    "", ".", "os", "sklearn", "..os.system", "sklearn..os", "os.system()", "os .system",
    "os:system",
    "sklearn.ensemble.RandomForestClassifier\n", "ｏｓ.system", "__main__.x", "__builtins__.eval",
    3, None, True, ["os.system"], {"_target_": "builtins.str", "object": "os.system"},
]  # fmt: skip


@pytest.mark.parametrize("target", ALLOWED)
def test_an_estimator_a_transformer_and_a_splitter_are_made(target: str) -> None:
    arguments = ALLOWED[target]
    made = conf.make("model.estimator", {"_target_": target, **arguments})
    assert type(made).__name__ == target.rpartition(".")[2]
    outer = {"_target_": "sklearn.calibration.CalibratedClassifierCV", "cv": [{"_target_": target}]}
    if not arguments:
        assert type(conf.make("key", outer).cv[0]) is type(made)


@pytest.mark.parametrize("target", REFUSED, ids=ascii)
def test_everything_else_is_refused_wherever_it_is(
    target: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    node = {"_target_": target}
    forest = {"_target_": "sklearn.ensemble.RandomForestClassifier"}
    monkeypatch.setattr("os.system", called.append)
    for place in (
        node,
        {**forest, "random_state": node},
        {**forest, "class_weight": [{"a": [node]}]},
    ):
        with pytest.raises((TargetNotAllowedError, CannotInstantiateError)) as raised:
            conf.make("model.estimator", place)
        assert_says(raised.value, "model.estimator")
    assert not called


def test_an_object_is_what_its_module_and_name_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stranger(DummyClassifier):  # type: ignore[misc]
        pass

    monkeypatch.setattr("sklearn.dummy.Stranger", Stranger, raising=False)
    monkeypatch.setattr("sklearn.dummy.Other", DummyClassifier, raising=False)
    for name in ("Stranger", "Other"):
        with pytest.raises(TargetNotAllowedError, match="it is "):
            conf.make("model.estimator", {"_target_": f"sklearn.dummy.{name}"})


@pytest.mark.parametrize("key", ["_partial_", "_args_", "_recursive_", "_convert_", "__class__"])
def test_keys_of_hydra_are_refused(key: str) -> None:
    forest = {"_target_": "sklearn.ensemble.RandomForestClassifier"}
    for node in ({**forest, key: True}, {**forest, "random_state": {key: [1]}}):
        with pytest.raises(TargetNotAllowedError, match=key):
            conf.make("model.estimator", node)


def test_no_module_of_another_package_is_imported() -> None:
    code = (
        "import sys; from tabproof import config as conf\n"
        "before = set(sys.modules)\n"
        "for name in ('antigravity.x', 'this.s', 'tests.config.test_targets.ALLOWED'):\n"
        "    try: conf.make('k', {'_target_': name})\n"
        "    except Exception: pass\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_package_in_the_current_directory_hides_no_installed_one(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "lightgbm.py").write_text(f"open({str(canary)!r}, 'w')\nclass LGBMClassifier: ...")
    code = "from tabproof import config\n"
    code += "config.make('model.estimator', {'_target_': 'lightgbm.LGBMClassifier'})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "hides the installed package" in done.stderr
    assert not canary.exists()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_package.py").write_text(
        "import os\nfrom sklearn.dummy import DummyClassifier\nfrom os import system\n"
        "class Own(DummyClassifier): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_package", raising=False)
    return "own_package"


def test_a_package_of_ones_own_needs_its_name(package: str) -> None:
    node = {"_target_": f"{package}.Own"}
    with pytest.raises(TargetNotAllowedError, match=rf"allow=\[{package}\]"):
        conf.make("model.estimator", node)
    assert package not in sys.modules
    assert type(conf.make("model.estimator", node, [package])).__name__ == "Own"
    for name in ("system", "os.system", "DummyClassifier"):
        with pytest.raises(UserError, match=r"^model\.estimator"):
            conf.make("model.estimator", {"_target_": f"{package}.{name}"}, [package])
    for name in (f"{package}_other.Own", "os.system"):
        with pytest.raises(TargetNotAllowedError):
            conf.make("model.estimator", {"_target_": name}, [package, "os", "posix"])


def test_a_run_names_no_package_but_the_command_line_does(package: str) -> None:
    start = changed(config("search=none"), "allow", [package])
    text = conf.as_yaml(changed(start, "model.estimator", {"_target_": f"{package}.Own"}))
    assert f"- {package}\n" in text
    config_of_run = conf.recompose(text, [], to_its_end=True)[0]
    assert config_of_run.allow == []
    with pytest.raises(TargetNotAllowedError, match=rf"'allow=\[{package}\]' on the command line"):
        make_plan(config_of_run)
    allowed = conf.recompose(text, [f"allow=[{package}]"], to_its_end=True)[0]
    make_plan(changed(allowed, "export", False))


@pytest.mark.parametrize("path", sorted((CONF / "estimator").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_choice_of_conf_is_on_the_list(path: Path) -> None:
    make_plan(config(f"model={path.stem}", "search=none"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.estimator", {"_target_": "catboost.CatBoostClassifier", "train_dir": "x"}),
        ("model.estimator", {"_target_": "lightgbm.LGBMClassifier", "machines": "a:1"}),
        (
            "preprocess.numeric",
            {"a": {"_target_": "sklearn.cluster.FeatureAgglomeration", "memory": "cache"}},
        ),
        ("model.param_grids", {"fast": {"preprocess__numeric__memory": ["cache"]}}),
        ("model.param_space", {"clf__memory": ["cache"]}),
    ],
)
def test_a_parameter_that_reads_pickles_or_writes_is_refused(key: str, value: Any) -> None:
    # joblib's Memory unpickles what lies in its directory.
    changed_config = changed(config(), key, value)
    with pytest.raises(TargetNotAllowedError):  # noqa: PT012 - in one of both
        conf.check_config(changed_config)
        make_plan(changed_config)


def test_on_the_command_line_nothing_is_executed_or_written(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for call in (
        f"{{_target_: distutils.spawn.spawn, cmd: [touch, {canary}]}}",
        f"{{_target_: pathlib.Path.write_text, _args_: [{canary}], data: x}}",
        "{_target_: hydra.utils.get_method, path: os.system}",
    ):
        words = [f"+model.estimator.random_state={call}", f"hydra.run.dir={tmp_path}/run"]
        done = train("search=none", *words)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("+hydra.callbacks.x={_target_: distutils.spawn.spawn, cmd: [touch, x]}", "callbacks"),
        ("+hydra.job.env_set.LD_PRELOAD=x.so", "job.env_set"),
        ("+hydra.job_logging.handlers.x={'()': os.system, command: touch x}", "job_logging"),
        (
            "+hydra.job_logging.handlers.x={class: subprocess.Popen, args: [touch, x]}",
            "job_logging",
        ),
        ("+hydra.hydra_logging.filters.x={'()': os.system}", "hydra_logging"),
        ("hydra.job_logging.handlers.console.stream='ext://os.environ'", "job_logging"),
    ],
)
def test_hydra_calls_nothing_that_a_configuration_names(override: str, key: str) -> None:
    assert_says(refusal(override.replace("'()'", "()")), f"hydra.{key}")
