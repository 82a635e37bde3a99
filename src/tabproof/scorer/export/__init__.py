"""Write a fitted pipeline as data, and check that the scorer gives the same probabilities."""

from tabproof.scorer.export.exporters import (
    NotExportableError,
    check_exportable,
    export_pipeline,
)
from tabproof.scorer.export.parity import Parity, ScorerDiffersError, check_parity, make_predict

__all__ = [
    "NotExportableError",
    "Parity",
    "ScorerDiffersError",
    "check_exportable",
    "check_parity",
    "export_pipeline",
    "make_predict",
]
