"""What in a divided table makes results untrue: looked for before training, and told."""

from src.data.checks.checking import Limits, check
from src.data.checks.words import findings_in_words, refuse

__all__ = ["Limits", "check", "findings_in_words", "refuse"]
