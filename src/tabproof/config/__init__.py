"""The configuration: the typed schema of conf/, its checks, and its errors.

Nothing here imports a numeric library, so a typing error is reported at once.
"""

from tabproof.config.checks import check_config
from tabproof.config.command_line import (
    Composed,
    check_command_line,
    completions,
    dataset_keys,
)
from tabproof.config.hydra_errors import explain_hydra_error
from tabproof.config.job import kept_globals, overrides_of, run_composed, run_in_process
from tabproof.config.options import seconds_of
from tabproof.config.quoting import quoted, train_words
from tabproof.config.schema import TrainConfig
from tabproof.config.stored import as_yaml, command_of, machine_runtime, recompose
from tabproof.config.targets import make
from tabproof.config.typed import identity_of, most_categories, prepared_features, searched, typed
