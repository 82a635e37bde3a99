"""The application: `uvicorn api.app:app`."""

from tabproof.service.app import app_from_environment

app = app_from_environment()
