"""Write configuration.md from the schema and the files of conf/."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import MISSING as MANDATORY

from tabproof.conf_files import choices, explanation
from tabproof.config.options import GROUPS
from tabproof.config.schema import TrainConfig

PAGE = Path(__file__).with_name("configuration.md")
_MODULE = re.compile(r"typing\.|tabproof\.config\.\w+\.")

INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from src/tabproof/config/schema.py and conf/. Change those. -->

A run is composed from one file of each group of `conf/`, and any key can be changed on the
command line:

```
python -m src.train dataset=adult search=full cv.test_size=0.3
python -m src.train -m dataset=breast_cancer,wine search=none,fast
python -m src.train dataset=adult --cfg job
python -m src.train dataset.path=my.csv dataset.target=churned
```

The last one needs no `dataset=file`: it is implied by keys that only a file has, unless
`conf/train.yaml`, `experiment=…` or `dataset=…` choose a dataset of your own.

Misspelt keys, wrong types and values out of range are reported before anything is written. Keys
that a group leaves open (`model.estimator`, grids, preprocessing steps) are added with a plus:
`+model.estimator.max_iter=300`. A `conf/` in the current directory comes before the one of the
package.

A key marked † is not part of the run id: it changes where something is, what it is called or how
long it takes, never a number. (Of the grids, only the one that is searched is part of it.)

BLAS libraries always get one thread, and there is no key for it: with two they add up in another
order, which changes the last bits of the numbers.

**Where downloads are cached**: `dataset.data_home`, else `data_home`, else the environment variable
`TABPROOF_DATA_HOME`, else `data_cache`. A relative `dataset.path` is looked up from the current
directory.

**Where runs go**: `hydra.run.dir` and `hydra.sweep.dir`, in `conf/train.yaml` only. The thread
limits are set before numpy is loaded.

## Threads and cores

The numbers are the same for any number of OpenMP threads and worker processes. Where
`runtime.workers` and `runtime.openmp_threads` are null, a run chooses them:

- **Cores** are those that the process may run on, and no more than its control groups allow:
  `--cpus=1.5` of a container is `cpu.max`, or `cpu.cfs_quota_us` of version 1, of its group or of a
  group around it. There are two workers then, and one OpenMP thread.
- **Threads of a fit** are as many as cores are free of other processes when the run begins (from
  `/proc/stat`, while libraries and data are loaded), one for tables of at most 5,000 rows or
  400,000 cells, and never more than `OMP_NUM_THREADS`. `runtime.openmp_threads` is taken as it is.
- **Workers** are forks of the run's process where that is safe: on Linux, while all other threads
  of the process are known: its own, which wait, and those of libraries that are prepared for forks
  (Arrow; the threads of OpenMP are ended before). Two start in 20 ms. Elsewhere, as in a notebook,
  joblib starts new processes, which takes more than a second. The numbers are the same;
  `runtime.workers=1` starts none.
- **Waiting**: threads wait actively for a short time, then sleep (`GOMP_SPINCOUNT=1000`,
  `KMP_BLOCKTIME=1`), unless one of these variables or `OMP_WAIT_POLICY` is set. In a notebook that
  has loaded scikit-learn before, the library waits as it does by itself, and only the number of
  threads is limited.

## Names on the command line

Names of columns, labels and cells are taken **as they stand**: no character of theirs means
anything. Put the whole argument in the *shell's* quotes if it has a space or a sign that the shell
reads. Inside, quotes are needed only around a name with a comma, or one that begins with a quote or
a bracket.

```
python -m src.train dataset.path=my.csv dataset.target=結果 dataset.drop_columns=id
python -m src.train dataset.path=my.csv 'dataset.target=${y}' 'dataset.drop_columns=年齢 (歳),備考'
python -m src.train dataset.path=my.csv "dataset.target=o'brien" 'dataset.drop_columns=Unnamed: 0'
python -m src.train dataset.path=my.csv dataset.target=y "dataset.drop_columns=[a,'e,f [g]']"
python -m src.train dataset.path=my.csv dataset.target=y dataset.column_types.郵便番号=category
python -m src.train dataset.path=my.csv dataset.target=y 'dataset.column_types={年齢 (歳): text}'
```

- This holds for `dataset.target`, `pos_label`, `sheet`, `na_values`, `drop_columns`, `keep` and
  `column_types`, for `cv.time_column` and `cv.group_column`, and for `evaluation.slices`. `007`
  stays `007`, and `${y}` is a name, not another key. `dataset.path` is taken so too, but `${…}` in
  it is a key or a variable: `'dataset.path=${oc.env:HOME}/my.csv'`. All other keys have Hydra's
  grammar.
- A list may have brackets or not, and one name is a list of one. `null` is no text where a key
  takes null; `'null'` in quotes is one.
- In quotes, single or double, a backslash is a backslash, except before such a quote and before
  `${`: `'it\\'s'`.
- **With `-m`**, commas outside brackets and quotes make a sweep, as for all keys:
  `-m dataset.drop_columns=x1,x2` is two jobs that drop one column each, `[x1,x2],[x1]` two jobs, of
  which the first drops both. Without `-m` the comma is part of a text, and divides a list.
- What error messages suggest can be pasted into bash, zsh and PowerShell as it stands.

In YAML, quotes are YAML's, and `${…}` is always another key: a column `${y}` is written `'\\${y}'`.

## Editors

Each file of `conf/` names its schema in its first line (its second, under `# @package`), so that
VS Code (with the YAML extension of Red Hat) and PyCharm complete keys and mark mistakes:

```yaml
# yaml-language-server: $schema=../.schema/dataset.json
```

`tabproof schema --directory conf/.schema` writes the schemas for a `conf/` of your own;
`tabproof schema > tabproof.schema.json` has all in one (draft 2020-12): of `conf/train.yaml` and of
a run's `config.yaml`, and in its `$defs` of every group.
"""

NEW_MODEL = """
## A new model is one file

`conf/model/extra_trees.yaml`, for example, and `model=extra_trees` works:

```yaml
# Trees with random cuts.
defaults:
  - /schema/model@_here_: estimator
  - _self_
  - override /preprocess@_global_.preprocess: ordinal   # its default; the command line wins

estimator:
  _target_: sklearn.ensemble.ExtraTreesClassifier   # its random_state gets the seed
param_grids:
  fast:
    clf__min_samples_leaf: [1, 5]
  full:
    clf__min_samples_leaf: [1, 2, 5, 10]
accepts_missing: true
```

Parameters of preprocessing can be searched too: `preprocess__numeric__impute__strategy`. So can
weights of classes, `clf__class_weight: [null, balanced, {0: 1, 1: 5}]`: labels are numbered from 0
in the order of `labels` in `summary.json`, where the positive one is the last.

The models of the project keep their keys in `conf/estimator/` and include them with
`- /estimator@_here_: extra_trees`, so that they can be members of other models too.

## Which classes a configuration may name

A configuration may come from somebody else, so `_target_` is compared with a list before anything
is imported. It may name the estimators, transformers and splitters of rows of scikit-learn, the
classifiers of CatBoost, LightGBM and XGBoost, and what `conf/` uses of tabproof. Everything else is
refused: functions, other names of these packages, the standard library, Hydra's `_partial_`,
`_args_`, `_recursive_` and `_convert_`, and parameters such as `memory` and `train_dir`, with which
an estimator reads pickles or writes files.

Classes of a package of your own need its name, on the command line or in `conf/train.yaml`:

```
python -m src.train 'allow=[my_package]' model.estimator._target_=my_package.Classifier
```

This runs the code of the package. A file of a run never allows a package: a replay takes `allow`
from its own command line.

## Several models as one

A member is a model with its own preprocess. Both are files of `conf/`, or written out:

```yaml
# Two models with different errors.
defaults:
  - /schema/model@_here_: vote
  - /estimator@members.boosting.model: hist_gradient_boosting
  - /preprocess@members.boosting.preprocess: native
  - /estimator@members.linear.model: logistic_regression
  - /preprocess@members.linear.preprocess: onehot
  - _self_
  - override /preprocess@_global_.preprocess: native   # members get the columns as they are

estimator:
  _target_: sklearn.ensemble.VotingClassifier   # its estimators are the members
  voting: soft
  weights: [2, 1]   # in the order of members
members:
  linear:
    model: {estimator: {C: 0.1}}
param_grids:
  fast:
    clf__boosting__clf__max_leaf_nodes: [8, 31]
    clf__linear__clf__C: [0.1, 1.0]
    clf__weights: [null, [2, 1]]
accepts_categories: true
accepts_missing: true
```

On the command line, members can be changed, exchanged, removed and added:

```
python -m src.train model=vote model.members.linear.model.estimator.C=0.3
python -m src.train model=vote estimator@model.members.extra.model=hist_gradient_boosting
python -m src.train model=vote '~model.members.extra'
python -m src.train model=vote +estimator@model.members.more.model=random_forest \\
    +preprocess@model.members.more.preprocess=target
```
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, "\n## Top level\n\n", *_table(TrainConfig)]
    for group, schemas in GROUPS.items():
        parts.append(f"\n## {group}\n\n")
        parts.extend(_choices(group))
        for schema in schemas.values():
            parts.append(f"\n{schema.__doc__}\n\n")
            parts.extend(_table(schema))
    parts.append("\n## experiment\n\n")
    parts.extend(_choices("experiment"))
    parts.append(NEW_MODEL)
    return "".join(parts)


def _choices(group: str) -> Iterator[str]:
    for choice, path in choices(group).items():
        yield f"- `{group}={choice}`: {explanation(path)}\n"


def _table(schema: type) -> Iterator[str]:
    yield "| key | type | default | values | meaning |\n| --- | --- | --- | --- | --- |\n"
    for f in fields(schema):
        mark = "" if f.metadata["decides_numbers"] else " †"
        doc = f.metadata["doc"].replace("|", "\\|")
        values = str(f.metadata["allowed"] or "").removeprefix("one of ")
        yield f"| `{f.name}`{mark} | {_type(f)} | {_default(f)} | {values} | {doc} |\n"


def _type(f: Field[Any]) -> str:
    name = f.type.__name__ if isinstance(f.type, type) else str(f.type)
    name = _MODULE.sub("", name)
    if name == "dict" or name == "list":
        name = _MODULE.sub("", str(f.type))
    return f"`{name}`".replace("|", "\\|")


def _default(f: Field[Any]) -> str:
    value = f.default if f.default_factory is MISSING else f.default_factory()
    if value == MANDATORY:
        return "—"
    if isinstance(value, Enum):
        value = value.value
    return f"`{'null' if value is None else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
