"""A run's pages for people: report.html and model_card.md."""

from tabproof.report.page import render_card, render_report
from tabproof.report.sections import ReportFacts

__all__ = ["ReportFacts", "render_card", "render_report"]
