"""What a run is made of: the typed schema of conf/, its checks, and errors that help.

Nothing here imports a numeric library, so that a typo is answered at once.
"""

from src.config.checks import check_config
from src.config.command_line import Composed, check_command_line
from src.config.complaints import as_user_error
from src.config.data_schema import FileDatasetConfig
from src.config.durations import seconds_of
from src.config.evaluation_schema import ThresholdConfig
from src.config.help_page import help_text
from src.config.instantiation import make
from src.config.model_schema import MemberConfig, VoteConfig
from src.config.quoting import quoted
from src.config.schema import DaskRuntimeConfig, TrainConfig, register_schema
from src.config.search_schema import (
    Engine,
    GridSearchConfig,
    HalvingSearchConfig,
    PortfolioSearchConfig,
    RandomSearchConfig,
    RungSearchConfig,
    TpeSearchConfig,
)
from src.config.stored import Recomposed, as_yaml, command_of, machine_runtime, recompose
from src.config.sweep_schema import SweepConfig
from src.config.typed import identity_of, members_of, most_categories, searched_grid, typed

__all__ = [
    "Composed",
    "DaskRuntimeConfig",
    "Engine",
    "FileDatasetConfig",
    "GridSearchConfig",
    "HalvingSearchConfig",
    "MemberConfig",
    "PortfolioSearchConfig",
    "RandomSearchConfig",
    "Recomposed",
    "RungSearchConfig",
    "SweepConfig",
    "ThresholdConfig",
    "TpeSearchConfig",
    "TrainConfig",
    "VoteConfig",
    "as_user_error",
    "as_yaml",
    "check_command_line",
    "check_config",
    "command_of",
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
