"""FastAPI that serves nothing: the time of a start without a model."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """Return an answer."""
    return {"status": "ok"}
