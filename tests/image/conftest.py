"""The images, built once, and a model that was trained and promoted in one of them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.image.building import Image, base_name, build, copy_sources, missing
from tests.image.running import Container

REVISION, VERSION = "0123456789abcdef0123456789abcdef01234567", "1.2.3"
LABELS = ("--build-arg", f"REVISION={REVISION}", "--build-arg", f"VERSION={VERSION}")
# Of its pipeline, in the image that trained it: a row, and what it makes of it.
ANSWER = """
import json, joblib
from sklearn.datasets import load_breast_cancer
rows = load_breast_cancer(as_frame=True).data.iloc[[7]]
model = joblib.load("outputs/latest/estimator.joblib")
print(json.dumps([rows.iloc[0].to_dict(), model.predict_proba(rows)[0, 1]]))
"""


@dataclass(frozen=True)
class Trained:
    """models: a registry. store: a model store. probability: of the row's second label."""

    models: Path
    store: Path
    row: dict[str, float]
    probability: float


@pytest.fixture(scope="session", autouse=True)
def _can_build() -> None:
    why = missing()
    if why and os.environ.get("IMAGE_CHECK") == "required":
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def base() -> Image:
    return Image(base_name())


@pytest.fixture(scope="session")
def sources(_can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("context") / "sources"
    place.mkdir()
    copy_sources(place)
    return place


def _built(target: str, sources: Path, *options: str) -> Iterator[Image]:
    # Not the name that a user's own image has.
    image = build(f"localhost/checked-{target}:{os.getpid()}", target, sources, *LABELS, *options)
    yield image
    image.remove()


@pytest.fixture(scope="session")
def serve(sources: Path) -> Iterator[Image]:
    yield from _built("serve", sources)


@pytest.fixture(scope="session")
def train(sources: Path) -> Iterator[Image]:
    yield from _built("train", sources)


@pytest.fixture(scope="session")
def with_model(sources: Path, trained: Trained) -> Iterator[Image]:
    context = ("--build-context", f"models={trained.models}")
    yield from _built("serve-with-model", sources, *context)


@pytest.fixture(scope="session")
def trained(train: Image, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train, promote and push in containers of the training image."""
    root = tmp_path_factory.mktemp("trained")
    places = {f"/app/{name}": root / name for name in ("outputs", "models")}
    places["/store"] = root / "store"
    for place in places.values():
        place.mkdir()
        os.chown(place, 10001, 10001)

    def done(*command: str) -> str:
        with Container(train, command, writable=places) as container:
            return container.finish()

    done(*train.command, "search=none")
    done("python", "-m", "src.runs", "promote", "latest")
    done("python", "-m", "src.runs", "push", "breast_cancer", "--store", "/store")
    answer: list[Any] = json.loads(done("python", "-c", ANSWER).splitlines()[-1])
    return Trained(root / "models", root / "store", *answer)
