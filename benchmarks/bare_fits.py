"""Make the fits of a search, and nothing else: the floor of `benchmarks.run_time`.

`python benchmarks/bare_fits.py FITS` loads what `benchmarks.run_time` has recorded, prepared arrays
and estimators, and fits them one after the other.
"""

import pickle
import sys
from pathlib import Path

# What a script of a person would import; the estimators are imported as they are loaded.
import pandas  # noqa: F401
import sklearn  # noqa: F401


def main(path: str) -> None:
    """Fit each estimator, or go on with an earlier one up to its iterations."""
    fitted = []
    for estimator, X, y, earlier in pickle.loads(Path(path).read_bytes()):  # noqa: S301 - our own
        if earlier is None:
            fitted.append(estimator.fit(X, y))
            continue
        model = fitted[earlier]
        stopped = model.do_early_stopping_ and model.n_iter_ < model.max_iter
        model.set_params(max_iter=estimator.max_iter, warm_start=True)
        fitted.append(model if stopped else model.fit(X, y))


if __name__ == "__main__":
    main(sys.argv[1])
