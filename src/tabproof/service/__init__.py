"""The prediction service: a FastAPI application over promoted models."""
