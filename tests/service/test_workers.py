"""Several workers of one service, as uvicorn starts them: they count and reload as one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tabproof.service.workers import PREFIX
from tests.service.serving import TOKEN, Reply, free_port, request

N_WORKERS = 2
# What uvicorn prints for each worker.
STARTED = "Application startup complete"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


class Service:
    """`uvicorn --workers 2` over a registry with `table`."""

    def __init__(self, folder: Path, table_run: Path, run: Path, **settings: str) -> None:
        self.registry, self.runs = Registry(folder / "models"), (table_run, run)
        self.versions = [self.registry.promote(each, "m", "me", "").version for each in self.runs]
        self.port = free_port()
        environment = {
            **os.environ,
            "API_MODELS": str(folder / "models"),
            "API_OUTPUTS": str(folder / "outputs"),
            "API_LOG": str(folder / "requests.log"),
            "API_ADMIN_TOKEN": TOKEN,
            "API_DRAIN_SECONDS": "0",
            "TMPDIR": str(folder),
            **settings,
        }
        command = [
            sys.executable,
            "-m",
            "api",
            "--port",
            str(self.port),
            "--workers",
            str(N_WORKERS),
        ]
        self.printed = folder / "printed"
        with self.printed.open("w") as file:
            self.process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
        # One that has joined may not have loaded yet what the registry names now.
        self.until(lambda: self.printed.read_text().count(STARTED) == N_WORKERS)
        assert len(self.workers()) == N_WORKERS

    def workers(self) -> list[int]:
        """Return the processes that have joined."""
        (folder,) = self.folders() or [Path("absent")]
        return [int(path.stem.removeprefix("worker-")) for path in folder.glob("worker-*.json")]

    def folders(self) -> list[Path]:
        return list(self.printed.parent.glob(f"{PREFIX}*"))

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.printed.read_text()
            assert time.monotonic() < deadline, self.printed.read_text()
            time.sleep(0.05)

    def served(self) -> str:
        """Return the run id that one of the workers serves, on a connection of its own."""
        return str(request(self.port, "GET", "/models").json["models"][0]["run_id"])

    def all_served(self, n: int = 40) -> set[str]:
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(lambda _: self.served(), range(n)))

    def reload(self, path: str = "") -> Reply:
        query = f"?path={path}" if path else ""
        return request(self.port, "POST", f"/reload{query}", headers=ADMIN)

    def promote(self, place: int) -> str:
        return self.registry.promote(self.runs[place], "m", "me", "").version

    def counted(self, pattern: str) -> float:
        text = request(self.port, "GET", "/metrics").content.decode()
        return sum(float(each) for each in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def service(table_run: Path, run: Path) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        started = Service(Path(folder), table_run, run, API_WATCH_SECONDS="0")
        yield started
        started.end()
        assert started.folders() == []
        assert "Traceback" not in started.printed.read_text()


def test_requests_of_all_workers_are_counted_once(service: Service) -> None:
    pattern = r'api_requests_total\{method="GET",route="/models",status="200"\}'
    before = service.counted(pattern)
    service.all_served(120)
    # A request is counted when its response is sent.
    service.until(lambda: service.counted(pattern) == before + 120)
    # Whichever worker answers.
    assert {service.counted(pattern) for _ in range(10)} == {before + 120}


def test_a_reload_has_reached_every_worker_when_it_returns(service: Service) -> None:
    for place in (0, 1, 0, 1, 0):
        version = service.promote(place)
        reply = service.reload()
        assert reply.status == 200, reply.content
        assert service.all_served() == {version}
    pattern = rf'api_model_info\{{model="m",run_id="{version}"\}}'
    assert service.counted(pattern) == 1
    assert service.counted(r"api_model_info\{.*\}") == 1


@pytest.mark.slow
def test_a_worker_that_is_killed_comes_back_with_what_the_others_serve(service: Service) -> None:
    other = next(v for v in service.versions if v != service.promote(0))
    path = f"models/m/versions/{other}"
    assert service.reload(path).status == 200
    assert service.all_served() == {other}
    pattern = r"api_requests_total\{.*\}"
    before, pids = service.counted(pattern), service.workers()
    os.kill(pids[0], signal.SIGKILL)
    service.until(lambda: len({*service.workers()} - {*pids}) == 1)
    assert service.all_served() == {other}
    assert service.counted(pattern) > before


@pytest.mark.slow
def test_a_worker_that_cannot_load_what_the_others_serve_answers_503(
    tmp_path: Path, table_run: Path, run: Path
) -> None:
    service = Service(tmp_path, table_run, run, API_WATCH_SECONDS="0")
    tried = tmp_path / "outputs" / "2000-01-01" / "tried"
    shutil.copytree(table_run, tried)
    service.until(lambda: service.reload(f"outputs/2000-01-01/{tried.name}").status == 200)
    away = tried.rename(tmp_path / "away")
    killed = service.workers()[0]
    os.kill(killed, signal.SIGKILL)
    service.until(lambda: killed not in service.workers() and len(service.workers()) == N_WORKERS)
    body, version = b'{"features":{"age":40}}', service.versions[0]

    def statuses() -> set[int]:
        replies = [request(service.port, "POST", "/predict", body) for _ in range(40)]
        # Never another model.
        assert {reply.json["run_id"] for reply in replies if reply.status == 200} <= {version}
        return {reply.status for reply in replies}

    service.until(lambda: 503 in statuses())
    assert statuses() <= {200, 503}
    away.rename(tried)
    service.until(lambda: statuses() == {200})
    service.end()


def test_a_refused_reload_changes_no_worker(service: Service) -> None:
    before = service.all_served()
    assert service.reload("models/absent").status == 400
    assert service.all_served() == before


@pytest.mark.slow
def test_a_promotion_is_seen_by_all_workers_within_a_second(
    tmp_path: Path, table_run: Path, run: Path
) -> None:
    service = Service(tmp_path, table_run, run, API_WATCH_SECONDS="0.5")
    for place in (0, 1, 0):
        version = service.promote(place)
        service.until(lambda wanted=version: service.served() == wanted, 10)
        time.sleep(1)
        assert service.all_served() == {version}
    service.end()
