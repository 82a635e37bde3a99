"""A run's pages for people: report.html and model_card.md."""

from tabproof.report.page import ReportFacts, render_card, render_report

__all__ = ["ReportFacts", "render_card", "render_report"]
