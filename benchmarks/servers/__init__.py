"""Alternatives to the service, each in its shortest correct form."""
