"""The configuration: the typed schema of conf/, its checks, and its errors.

Nothing here imports a numeric library, so a typing error is reported at once.
"""

from tabproof.config.checks import check_config
from tabproof.config.command_line import (
    Composed,
    check_command_line,
    completions,
    help_text,
    quoted,
)
from tabproof.config.hydra_errors import as_user_error
from tabproof.config.option import seconds_of
from tabproof.config.schema import CONF, TrainConfig, register_schema
from tabproof.config.stored import Recomposed, as_yaml, command_of, machine_runtime, recompose
from tabproof.config.typed import (
    identity_of,
    make,
    members_of,
    most_categories,
    searched_grid,
    typed,
)

__all__ = [
    "CONF",
    "Composed",
    "Recomposed",
    "TrainConfig",
    "as_user_error",
    "as_yaml",
    "check_command_line",
    "check_config",
    "command_of",
    "completions",
    "help_text",
    "identity_of",
    "machine_runtime",
    "make",
    "members_of",
    "most_categories",
    "quoted",
    "recompose",
    "register_schema",
    "searched_grid",
    "seconds_of",
    "typed",
]
