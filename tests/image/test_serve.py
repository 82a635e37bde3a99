"""The serving image, built and run: nothing here is mocked."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.image.building import Image, build
from tests.image.conftest import LABELS, REVISION, VERSION, Trained
from tests.image.running import Container

pytestmark = [pytest.mark.image, pytest.mark.slow]

MOST_BYTES = 250 * 10**6
# The drain of two seconds, what is then let go of, and a busy machine.
MOST_SECONDS_TO_END = 8.0
LOOK_AROUND = """
import os
print(open("/proc/1/cmdline").read().split(chr(0))[1:3])
facts = dict(line.split(":", 1) for line in open("/proc/1/status"))
print(*(facts[key].split()[0] for key in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")))
for path in ("/x", "/app/x", "/app/api/x", "/etc/x", "/opt/venv/x", "/tmp/x", "/var/lib/models/x"):
    try:
        open(path, "w")
        print(path, "written")
    except OSError as error:
        print(path, error.strerror)
"""


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print figures where everybody sees them."""

    def print_it(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {words}\n")

    return print_it


def test_it_adds_less_than_250_megabytes(
    serve: Image, base: Image, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    unpacked, packed = serve.sizes_above(base, tmp_path)
    tell(f"serve, above the base: {unpacked / 1e6:.0f} MB on disk, {packed / 1e6:.0f} MB to pull")
    assert unpacked < MOST_BYTES


def test_it_shows_what_it_was_made_of(serve: Image) -> None:
    labels = serve.config["Labels"]
    assert labels["org.opencontainers.image.revision"] == REVISION
    assert labels["org.opencontainers.image.version"] == VERSION


def test_the_same_sources_make_the_same_layers(serve: Image, sources: Path) -> None:
    again = build("localhost/checked-again", "serve", sources, *LABELS)
    try:
        assert again.layers == serve.layers
    finally:
        again.remove()


def test_without_a_model_it_is_healthy_and_predicts_nothing(
    serve: Image, tell: Callable[[str], None]
) -> None:
    with Container(serve) as container:
        answered, status, _ = container.ask("/health")
        tell(f"serve, from its start to the first answer: {answered - container.started:.2f} s")
        assert status == 200
        assert container.ask("/predict", {"features": {}})[1] == 503
        health_check = serve.config["Healthcheck"]["Test"]
        assert health_check[0] == "CMD"
        healthy = container.execute(*health_check[1:])
        assert healthy.returncode == 0, healthy.stderr


def test_its_health_check_fails_where_nothing_serves(serve: Image) -> None:
    with Container(serve, serve.config["Healthcheck"]["Test"][1:]) as container:
        assert container.process.wait(30) == 1


def test_it_runs_as_an_ordinary_user_on_a_root_that_cannot_be_written(serve: Image) -> None:
    with Container(serve) as container:
        container.ask("/health")
        seen = container.execute("python", "-c", LOOK_AROUND).stdout.splitlines()
    refused = "Read-only file system"
    assert seen == [
        "['-m', 'api']",
        "10001 10001 0000000000000000 0000000000000000 1",
        *(f"{path} {refused}" for path in ("/x", "/app/x", "/app/api/x", "/etc/x", "/opt/venv/x")),
        "/tmp/x written",  # noqa: S108 - in the container
        "/var/lib/models/x written",
    ]


def test_it_predicts_what_the_pipeline_does(
    serve: Image, trained: Trained, tell: Callable[[str], None]
) -> None:
    with Container(serve, volumes={"/app/models": trained.models}) as container:
        answered, _, _ = container.ask("/health")
        tell(f"the same with a model: {answered - container.started:.2f} s")
        _assert_right(container, trained)


def test_it_fetches_models_from_a_store_into_its_cache(serve: Image, trained: Trained) -> None:
    environment = {"MODEL_STORE": "/store"}
    with Container(serve, volumes={"/store": trained.store}, environment=environment) as container:
        _assert_right(container, trained)
        cached = container.execute(
            "python", "-c", "import os; print(os.listdir('/var/lib/models'))"
        )
        assert "breast_cancer" in cached.stdout


def test_it_logs_its_predictions_into_a_volume(
    serve: Image, trained: Trained, tmp_path: Path
) -> None:
    # The user of the container is none of this machine's.
    tmp_path.chmod(0o777)
    options = {
        "volumes": {"/app/models": trained.models},
        "writable": {"/log": tmp_path},
        # What waits is written at the end.
        "environment": {"API_PREDICTION_LOG": "/log", "API_PREDICTION_LOG_FLUSH_SECONDS": "60"},
    }
    with Container(serve, **options) as container:
        _assert_right(container, trained)
        code, _ = container.terminate()
        assert code == 0, container.printed()
    rows = pq.read_table(tmp_path / "predictions").to_pylist()
    assert len(rows) == 1
    assert rows[0]["model"] == "breast_cancer"
    assert trained.probability in rows[0].values()


def test_with_models_in_it_nothing_need_be_mounted(with_model: Image, trained: Trained) -> None:
    with Container(with_model) as container:
        _assert_right(container, trained)


def _assert_right(container: Container, trained: Trained) -> None:
    _, status, answer = container.ask("/predict", {"features": trained.row})
    assert status == 200, container.printed()
    assert answer["pred_proba"] == trained.probability
    assert answer["warnings"] == []


def test_sigterm_ends_it_well(serve: Image, trained: Trained, tell: Callable[[str], None]) -> None:
    with Container(serve, volumes={"/app/models": trained.models}) as container:
        container.ask("/health")
        code, seconds = container.terminate()
        tell(f"serve, from SIGTERM to its end: {seconds:.1f} s")
        assert code == 0, container.printed()
        assert seconds < MOST_SECONDS_TO_END


@pytest.mark.parametrize("seconds", [0.15, 0.4])
def test_sigterm_ends_it_while_it_starts_too(serve: Image, seconds: float) -> None:
    with Container(serve) as container:
        # The first process of a container has no default that would end it.
        time.sleep(seconds)
        code, taken = container.terminate()
        assert code == 0, container.printed()
        assert taken < MOST_SECONDS_TO_END


def test_it_holds_no_training_stack(serve: Image) -> None:
    heavy = ["hydra", "joblib", "lets_plot", "omegaconf", "pandas", "pip", "pyarrow", "scipy"]
    heavy += [
        "sklearn",
        "tabproof.evaluation",
        "tabproof.modeling",
        "tabproof.scorer.export",
    ]
    words = f"import importlib.util as u; print([n for n in {heavy} if u.find_spec(n)])"
    with Container(serve, ["python", "-c", words]) as container:
        assert container.finish().strip() == "[]"
