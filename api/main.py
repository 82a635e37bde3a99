"""The application under its other usual name: `uvicorn api.main:app`."""

from api.app import app

__all__ = ["app"]
