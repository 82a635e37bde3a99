"""What a run is made of: the typed schema of conf/, its checks, and errors that help.

Nothing here imports a numeric library, so that a typo is answered at once.
"""

from src.config.checks import check_config
from src.config.command_line import check_command_line
from src.config.complaints import as_user_error
from src.config.help_page import help_text
from src.config.instantiation import make
from src.config.quoting import quoted
from src.config.schema import TrainConfig, register_schema
from src.config.typed import identity_of, searched_grid, typed

__all__ = [
    "TrainConfig",
    "as_user_error",
    "check_command_line",
    "check_config",
    "help_text",
    "identity_of",
    "make",
    "quoted",
    "register_schema",
    "searched_grid",
    "typed",
]
