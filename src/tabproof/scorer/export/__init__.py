"""Write a fitted pipeline as data, and check that the scorer gives the same probabilities."""

from tabproof.scorer.export.exporters import check_exportable, export_pipeline
from tabproof.scorer.export.parity import Parity, check_parity, make_predict

__all__ = ["Parity", "check_exportable", "check_parity", "export_pipeline", "make_predict"]
