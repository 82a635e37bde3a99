"""Which classes a `_target_` may name, and the only place where one is imported and called.

A configuration may be a stranger's: of a run that is replayed, or a file that was passed on. So a
`_target_` is compared with a list before anything is imported, and what the import gives is
compared again, by what it is and not by how it was called.
"""

import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tabproof.errors import MissingValueError, PackageMissingError, UserError
from tabproof.text import shell_word

# Packages that are extras of the project, each with the name of its extra.
EXTRAS = ("catboost", "lightgbm", "xgboost")
# Besides scikit-learn only these packages are imported, and these names of them.
CLASSES = {
    "catboost": {"CatBoostClassifier"},
    "lightgbm": {"LGBMClassifier"},
    "xgboost": {"XGBClassifier", "XGBRFClassifier"},
    "tabproof": {"CategoryHasher", "Splines"},
}
# Our functions and classes that read data or divide rows are for one key each: as a parameter of
# an estimator, a loader would read any file or address.
AT_KEY = {
    "dataset": {"load_builtin", "load_file", "load_openml"},
    "cv": {"GroupedRows", "NewestRows", "OrderedRows", "StratifiedRows"},
}
# Parameters that make an estimator read pickles, write files or open connections.
REFUSED_PARAMETERS = {
    "memory", "input_borders", "output_borders", "save_snapshot", "snapshot_file", "train_dir",
    "machines", "workers", "nodes", "machine_list_filename", "machine_list_file", "machine_list",
    "mlist",
}  # fmt: skip
TARGET, ALLOW = "_target_", "allow"
LOGGER_CLASSES = ("logging.", "tabproof.runtime.console.", "colorlog.")
STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}


class CannotInstantiateError(UserError):
    """A `_target_` cannot be imported or called."""

    template = "{key}: {target} cannot be made: {reason}"


class TargetNotAllowedError(UserError):
    """A `_target_` that a configuration may not name, or a parameter that it may not set."""

    template = "{key}: {target} is not allowed: {reason}"


def make(key: str, node: Any, allow: Sequence[str] = (), **arguments: Any) -> Any:
    """Call the `_target_` of a node with the node's other keys and the arguments.

    key: where the node is in the configuration, for errors. allow: packages of the user, whose
    classes and functions may be named too.
    """
    if is_dataclass(node) and not isinstance(node, type):
        node = {f.name: getattr(node, f.name) for f in fields(node)}
    if not isinstance(node, dict):
        reason = "a step is written {_target_: package.Class, …}"
        raise CannotInstantiateError(key=key, target=node, reason=reason)
    if TARGET not in node:
        raise MissingValueError(f"{key}.{TARGET}", "…")
    return _made(key, node, allow, arguments)


def _made(key: str, node: Any, allow: Sequence[str], arguments: dict[str, Any]) -> Any:
    """Return a node with every `_target_` in it called, the innermost first."""
    if isinstance(node, list):
        return [_made(f"{key}[{place}]", each, allow, {}) for place, each in enumerate(node)]
    if not isinstance(node, dict):
        return node
    called = _named(key, node[TARGET], allow) if TARGET in node else None
    values = {}
    for name, value in node.items():
        if name == TARGET:
            continue
        if str(name).startswith("_") and str(name).endswith("_"):
            reason = f"of Hydra's own keys a configuration may have {TARGET} only"
            raise TargetNotAllowedError(key=key, target=name, reason=reason)
        if value is not None:
            refuse_parameter(key, str(name))
        values[name] = _made(f"{key}.{name}", value, allow, {})
    if called is None:
        return values
    try:
        return called(**values, **arguments)
    except UserError:
        raise
    except Exception as error:
        raise _explained(key, node[TARGET], error) from error


def _explained(key: str, target: str, error: Exception) -> UserError:
    """Return the mistake of the user that is among the causes; else the innermost cause."""
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
        if isinstance(root, UserError):
            return root
    if isinstance(root, ModuleNotFoundError) and root.name in EXTRAS:
        return PackageMissingError(f"{key}: {target}", root.name, root.name)
    reason = (str(root).splitlines() or [type(root).__name__])[0]
    return CannotInstantiateError(key=key, target=target, reason=reason)


def refuse_parameter(key: str, name: str) -> None:
    """Refuse a parameter of an estimator, also as a grid names it (`clf__memory`)."""
    if name.rpartition("__")[2] in REFUSED_PARAMETERS:
        reason = "it would read or write files of its own, or open connections"
        raise TargetNotAllowedError(key=key, target=name, reason=reason)


class HydraKeyNotAllowedError(UserError):
    """A key of Hydra's own with which it would call or load what a configuration names."""

    template = "{key} cannot be set by a configuration; it takes {valid}"


# --- The name of a class, and the class itself.


def _named(key: str, target: Any, allow: Sequence[str]) -> Any:
    """Import what a `_target_` names, if it is on the list by name and by what it is."""
    parts = target.split(".") if isinstance(target, str) else []
    package = parts[0] if parts else ""

    def refusal(reason: str) -> TargetNotAllowedError:
        return TargetNotAllowedError(key=key, target=target, reason=reason)

    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise refusal("a class is written package.Class")
    is_own = any(target.startswith(f"{each}.") for each in allow)
    if package in sys.stdlib_module_names:
        raise refusal("it is of Python's standard library")
    if not is_own and package not in {"sklearn", *CLASSES}:
        raise refusal(
            "the classes of scikit-learn, CatBoost, LightGBM, XGBoost and tabproof are; if you"
            f" trust its code, {shell_word(f'{ALLOW}=[{package}]')} on the command line allows this"
            " package"
        )
    if not is_own and not _may_be_ours(key, package, parts):
        raise refusal("it is neither an estimator, nor a transformer, nor a splitter of rows")
    try:
        if not is_own:
            _refuse_shadow(package)
        found = getattr(import_module(".".join(parts[:-1])), parts[-1], None)
    except UserError:
        raise
    except Exception as error:
        raise _explained(key, target, error) from error
    if found is None:
        reason = f"{'.'.join(parts[:-1])} has no {parts[-1]}"
        raise CannotInstantiateError(key=key, target=target, reason=reason)
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not callable(found) or not isinstance(module, str):
        raise refusal("it is no class")
    # Names that a module has imported are another package's: `my_package.os.system`.
    if is_own and not any(f"{module}.".startswith(f"{each}.") for each in allow):
        raise refusal(f"it is of {module}")
    if not is_own and not (f"{module}.".startswith(f"{package}.") and name == parts[-1]):
        raise refusal(f"it is {module}.{name}")
    if package == "sklearn" and not is_own and not _is_part_of_a_pipeline(found):
        raise refusal("it is neither an estimator, nor a transformer, nor a splitter of rows")
    return found


def _may_be_ours(key: str, package: str, parts: Sequence[str]) -> bool:
    """Return whether a name is on the list, before anything is imported."""
    if key in AT_KEY:
        return package == "tabproof" and parts[-1] in AT_KEY[key]
    is_listed = package == "sklearn" or parts[-1] in CLASSES[package]
    return is_listed and not any(part.startswith("_") for part in parts)


def _is_part_of_a_pipeline(found: Any) -> bool:
    # Importing this module must not load scikit-learn.
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

    bases = BaseEstimator, BaseCrossValidator, BaseShuffleSplit
    is_kernel = found.__module__ == "sklearn.gaussian_process.kernels"
    return isinstance(found, type) and (is_kernel or issubclass(found, bases))


def _refuse_shadow(package: str) -> None:
    """Refuse a package that the current directory has under the name of an installed one."""
    # `python -m` looks there first. Of our own package this code is already the running one.
    if package == "tabproof" or (spec := find_spec(package)) is None:
        return
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""]
    if str(Path.cwd()) in {str(Path(place).resolve().parent) for place in places if place}:
        raise TargetNotAllowedError(
            key="the current directory",
            target=package,
            reason="it hides the installed package of this name",
        )


# --- What Hydra itself would call; its launcher and sweeper it takes from its plugins only.


def check_hydra(hydra_config: DictConfig) -> None:
    """Refuse callbacks, variables for child processes, and loggers of other packages."""
    if hydra_config.callbacks:
        raise HydraKeyNotAllowedError("hydra.callbacks", "null: callbacks would be called")
    if hydra_config.job.env_set:
        valid = "{}: variables are set in the shell, since some make programs load code"
        raise HydraKeyNotAllowedError("hydra.job.env_set", valid)
    for name in ("job_logging", "hydra_logging"):
        # Not resolved: the run's directory is known later.
        content = OmegaConf.to_container(hydra_config[name])
        _refuse_loggers(f"hydra.{name}", content)


def _refuse_loggers(key: str, node: Any) -> None:
    for name, value in node.items() if isinstance(node, dict) else ():
        place = f"{key}.{name}"
        is_class = name == "class" and not str(value).startswith(LOGGER_CLASSES)
        is_import = isinstance(value, str) and value.startswith("ext://")
        if name == "()" or is_class or (is_import and value not in STREAMS):
            raise HydraKeyNotAllowedError(place, f"classes of {', '.join(LOGGER_CLASSES)}")
        _refuse_loggers(place, value)
