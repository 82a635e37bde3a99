"""A run's pages for people: report.html and model_card.md."""

from src.evaluation.report.card import render_card
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.page import render_report

__all__ = ["ReportFacts", "render_card", "render_report"]
