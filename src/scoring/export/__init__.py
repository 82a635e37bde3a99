"""Write a fitted pipeline as data, and prove that nothing was lost."""

from src.scoring.export.exporters import check_exportable, export_pipeline
from src.scoring.export.parity import Parity, check_parity
from src.scoring.export.prediction import make_predict

__all__ = ["Parity", "check_exportable", "check_parity", "export_pipeline", "make_predict"]
