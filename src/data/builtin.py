"""Tables that come with scikit-learn: no network, no files."""

import logging
from collections.abc import Sequence

from sklearn import datasets

from src.data.table import Table, Wishes, make_table

log = logging.getLogger(__name__)


def load_builtin(name: str, pos_label: str | None = None, aside: Sequence[str] = ()) -> Table:
    """Load `breast_cancer`, `digits`, `iris` or `wine`."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    labels = [str(label) for label in bunch.target_names]
    codes = bunch.target.to_numpy()
    frame = bunch.data.assign(target=[labels[code] for code in codes])
    # A pixel that is the same in all images says nothing, and the table is not ours to edit.
    constant = [column for column in frame.columns if frame[column].nunique() == 1]
    if constant:
        log.info("%s: %d columns hold one value only and are left out", name, len(constant))
    wishes = Wishes(target="target", pos_label=pos_label, aside=aside)
    return make_table(f"builtin_{name}", frame.drop(columns=constant), wishes)
