"""A run's pages for people: report.html and model_card.md."""

from tabproof.report.facts import ReportFacts
from tabproof.report.model_card import render_card
from tabproof.report.page import render_report

__all__ = ["ReportFacts", "render_card", "render_report"]
