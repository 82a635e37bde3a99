"""Runs that were made before: find, compare and promote them."""

import json
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tabproof import artifacts
from tabproof.api.run import Run
from tabproof.runs import compare as comparing
from tabproof.runs import promote as promoting

Place = str | PathLike[str]
OUTPUTS, MODELS = "outputs", "models"
# Any run: an object, a directory, the beginning of an id, `latest`, or a promoted name.
Named = Run | Place


def load_run(run: Named = "latest", *, outputs: Place = OUTPUTS, models: Place = MODELS) -> Run:
    """Return a complete run.

    Parameters
    ----------
    run : `"latest"`, the beginning of a run id, a run directory, or the name of a promoted model.
    outputs, models : where runs and promoted models are.

    Raises
    ------
    NoSuchRunError, AmbiguousRunError, NotARunError
    """
    if isinstance(run, Run):
        return run
    return Run(artifacts.find_run(fspath(run), Path(outputs), Path(models)))


class Comparison:
    """What differs between runs, and whether it is more than noise.

    data : the content, as `tabproof runs compare --json` prints it.
    """

    def __init__(self, text: str, data: dict[str, Any]) -> None:
        self.text, self.data = text, data

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from tabproof.api.notebook import comparison_as_html

        return comparison_as_html(self.data)


def compare(*runs: Named, outputs: Place = OUTPUTS, models: Place = MODELS) -> Comparison:
    """Compare runs with the first one: metrics, what differs, and tests on the same rows."""
    names = [str(each.path) if isinstance(each, Run) else fspath(each) for each in runs]
    places = {"outputs": Path(outputs), "models": Path(models)}
    text = comparing.compare(names, as_json=False, **places)
    return Comparison(text, json.loads(comparing.compare(names, as_json=True, **places)))


def promote(
    run: Named,
    name: str | None = None,
    *,
    if_better: bool = False,
    force: bool = False,
    who: str | None = None,
    why: str = "",
    outputs: Place = OUTPUTS,
    models: Place = MODELS,
) -> artifacts.Promotion:
    """Verify a run, copy it into the registry, and make it the one that is served.

    Parameters
    ----------
    run : as for load_run().
    name : of the model; None: that of its dataset.
    if_better : only if it is better than the current version on the same held-out rows.
    force : even if the current version has other columns or labels.

    Returns
    -------
    Promotion
        The entry of the registry's history.

    Raises
    ------
    NotBetterError, NotComparableError
        With if_better.
    OtherColumnsError
        Without force.
    """
    found, places = load_run(run, outputs=outputs, models=models), Path(models)
    name = found.summary.model_name if name is None else name
    promoting.promote(
        str(found.path),
        name=name,
        if_better=if_better,
        force=force,
        who=who,
        why=why,
        outputs=Path(outputs),
        models=places,
    )
    current = artifacts.Registry(places).current(name)
    if current is None:  # pragma: no cover - it was promoted just now
        raise LookupError(name)
    return current
