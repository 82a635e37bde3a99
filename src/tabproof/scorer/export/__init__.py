"""Write a fitted pipeline as data, and check that the scorer gives the same probabilities."""

from tabproof.scorer.export.cost import row_microseconds
from tabproof.scorer.export.exporters import check_exportable, export_pipeline
from tabproof.scorer.export.parity import Parity, check_parity
from tabproof.scorer.export.predicting import ScorerPredict

__all__ = [
    "Parity",
    "ScorerPredict",
    "check_exportable",
    "check_parity",
    "export_pipeline",
    "row_microseconds",
]
