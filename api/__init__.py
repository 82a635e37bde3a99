"""Entry points of the service: `uvicorn api.app:app`, `uvicorn api.main:app`, `python -m api`."""
