"""Make what a `_target_` names, or say in one line why it cannot be made."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from src.errors import (
    CannotInstantiateError,
    MissingValueError,
    PackageMissingError,
    UserError,
)

# Packages that are extras of the project, each by its own name.
EXTRAS = ("catboost", "lightgbm", "xgboost")


def make(key: str, node: Any, **arguments: Any) -> Any:
    """Call the `_target_` of a node with the node's other keys and the arguments.

    key is where the node stands in the configuration; errors name it.
    """
    if isinstance(node, dict) and "_target_" not in node:
        raise MissingValueError(f"{key}._target_")
    if isinstance(node, str):
        raise CannotInstantiateError(key, node, "a step is written {_target_: package.Class, …}")
    try:
        # Plain lists and dictionaries: scikit-learn fails on OmegaConf's own.
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        root = _root_of(error)
        if isinstance(root, ModuleNotFoundError) and root.name in EXTRAS:
            what = f"{key}: {_target_of(node)}"
            raise PackageMissingError(what, root.name, root.name) from None
        raise CannotInstantiateError(key, _target_of(node), _reason(root)) from error


def _target_of(node: Any) -> str:
    return str(node.get("_target_", "?") if isinstance(node, dict) else node._target_)


def _root_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0]
