"""Clients as people have them, each asking a real server: all get the same bits for the same rows.

The programs in clients/ are for other languages and for environments of their own.
"""

import asyncio
import csv
import gzip
import importlib.util
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof.artifacts import Registry
from tabproof.experiment import run_experiment
from tabproof.service.served_model import load_model
from tests.browser.conftest import chromium
from tests.conftest import ROOT, composed, made_once
from tests.service.serving import Server, free_port, request, wait_for
from tests.service.test_proxy import NGINX, nginx

__all__ = ["chromium"]  # a fixture

PROGRAMS = Path(__file__).parent / "clients"
N_ROWS = 1000
KINDS = {
    "age": "FP64", "income": "FP64", "price": "BYTES", "member": "BOOL", "active": "BYTES",
    "joined": "BYTES", "job": "BYTES",
}  # fmt: skip
JOBS = ["clerk", "farmer", 'smith "of gold"', "農家"]
JSON = {"Content-Type": "application/json"}
Rows = list[dict[str, Any]]


def make_row(chance: random.Random, jobs: Sequence[str]) -> dict[str, Any]:
    """Return a row without missing cells."""
    return {
        "age": chance.choice([chance.gauss(40, 10), chance.randint(18, 90)]),
        "income": chance.lognormvariate(3, 3),
        "price": f"${chance.randint(1, 99_999):,}.{chance.randint(0, 99):02}",
        "member": chance.random() < 0.5,
        "active": chance.random() < 0.5,
        "joined": f"{chance.randint(2019, 2026)}-{chance.randint(1, 12):02}-01",
        "job": chance.choice(jobs),
    }


def make_rows() -> Rows:
    """Return rows with missing cells, numbers as text and categories that training had not."""
    chance = random.Random(1)  # noqa: S311 - only for tests
    rows = []
    for _ in range(N_ROWS):
        row = make_row(chance, [*JOBS, "never seen", "未知\\"])
        # `member` has a value in each row, so that it can be a tensor of BOOL.
        for name in row.keys() - {"member"}:
            row[name] = None if chance.random() < 0.05 else row[name]
        if chance.random() < 0.05:
            row["income"] = repr(row["income"] or 1.5)
        rows.append(row)
    return rows


ROWS = make_rows()
assert any(isinstance(row["income"], str) for row in ROWS)


def as_tensor_cell(name: str, cell: Any) -> Any:
    """Return a cell as its tensor has it: a tensor has one type."""
    if cell is None or name == "member":
        return cell
    return float(cell) if KINDS[name] == "FP64" else str(cell)


def tensors() -> dict[str, dict[str, Any]]:
    return {
        name: {"datatype": kind, "data": [as_tensor_cell(name, row[name]) for row in ROWS]}
        for name, kind in KINDS.items()
    }


@dataclass(frozen=True)
class Answers:
    """Labels, and the bits of the probabilities of each row."""

    label: list[str]
    bits: list[list[str]]

    @classmethod
    def of(cls, label: Sequence[str], rows: Sequence[Sequence[float]]) -> "Answers":
        return cls(list(label), [[struct.pack(">d", each).hex() for each in row] for row in rows])

    @classmethod
    def of_batch(cls, reply: Any) -> "Answers":
        """Read the JSON of /predict_batch."""
        columns = reply["probabilities"].values()
        return cls.of(reply["label"], list(zip(*columns, strict=True)))


@pytest.fixture(scope="session")
def clients_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on a CSV with every kind of cell that a client may send."""

    def make(path: Path) -> None:
        chance = random.Random(0)  # noqa: S311 - only for tests
        table = path.parent / "in.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*KINDS, "label"])
            for _ in range(400):
                row = make_row(chance, JOBS)
                score = row["age"] + 20 * row["member"] + 10 * JOBS.index(row["job"])
                label = "yes" if score + chance.gauss(0, 9) > 65 else "no"
                cells = ["" if chance.random() < 0.04 else cell for cell in row.values()]
                writer.writerow([*cells, label])
        chosen = ["dataset=file", f"dataset.path={table}", "dataset.target=label", "search=none"]
        run_experiment(composed(*chosen, "+model.estimator.max_iter=20"), path)

    return made_once(tmp_path_factory, "clients_run", make)


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory, clients_run: Path) -> Path:
    directory = tmp_path_factory.mktemp("clients")
    Registry(directory / "models").promote(clients_run, "clients", "me", "")
    return directory


@pytest.fixture(scope="session")
def reference(clients_run: Path) -> Answers:
    """Predict in this process, from Python's own objects."""
    model = load_model(clients_run, name="clients", source="outputs/clients")
    kinds = {column.name: column.kind for column in model.schema.columns}
    assert [*kinds.values()].count("number") == 3, kinds
    assert kinds["joined"] == "date", kinds
    found = model.predict_rows(ROWS, strict=False)
    warned = {(warning.column, warning.kind) for warning in found.warnings}
    assert ("job", "unseen_category") in warned
    assert not {kind for _, kind in warned} & {"not_a_number", "not_a_date"}, warned
    answers = Answers.of(found.label, list(zip(*found.probabilities.values(), strict=True)))
    assert len({bits for bits, _ in answers.bits}) > 200, "the rows are too much alike"
    return answers


@pytest.fixture(scope="module")
def grpc_address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def server(promoted: Path, grpc_address: str) -> Iterator[Server]:
    with Server(promoted, grpc=grpc_address) as started:
        yield started
        assert started.process.poll() is None, "the server died"


def address_of(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def ask_plainly(port: int, path: str = "/predict_batch") -> Answers:
    reply = request(port, "POST", path, json.dumps({"rows": ROWS}).encode(), JSON)
    assert reply.status == 200, reply.content
    return Answers.of_batch(reply.json)


def test_rows_get_the_bits_of_the_model(server: Server, reference: Answers) -> None:
    assert ask_plainly(server.port) == reference


def test_tensors_get_the_bits_of_rows(server: Server, reference: Answers) -> None:
    inputs = [{"name": name, "shape": [N_ROWS], **rest} for name, rest in tensors().items()]
    reply = server.post("/v2/models/clients/infer", {"inputs": inputs})
    assert reply.status == 200, reply.content
    labels, proba = (output["data"] for output in reply.json["outputs"])
    assert Answers.of(labels, list(zip(proba[::2], proba[1::2], strict=True))) == reference


# --- Programs

ELSEWHERE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: str | Path, task: str = "") -> str:
    """Run a client, to which this project is unknown, and return its output."""
    done = subprocess.run(
        command, env=ELSEWHERE, input=task, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: it does not ask the service")
    return found


CURL = {
    "plain": [],
    "upgrade to HTTP/2": ["--http2"],
    "HTTP/1.0": ["--http1.0"],
    "chunked": ["--header", "Transfer-Encoding: chunked"],
    "after 100 Continue": ["--header", "Expect: 100-continue"],
    "compressed answers": ["--compressed"],
}


@pytest.mark.parametrize("options", CURL.values(), ids=CURL.keys())
@pytest.mark.parametrize("compressed", [False, True], ids=["", "gzip"])
def test_curl(
    server: Server, reference: Answers, tmp_path: Path, options: list[str], compressed: bool
) -> None:
    curl = need("curl")
    body = tmp_path / "body"
    content = json.dumps({"rows": ROWS}).encode()
    body.write_bytes(gzip.compress(content) if compressed else content)
    sent = ["--header", "Content-Type: application/json", "--data-binary", f"@{body}"]
    sent += ["--header", "Content-Encoding: gzip"] if compressed else []
    address = f"{address_of(server.port)}/predict_batch"
    printed = run(curl, "--silent", "--show-error", "--fail-with-body", *options, *sent, address)
    assert Answers.of_batch(json.loads(printed)) == reference


@pytest.mark.parametrize("form", ["plain", "compressed", "streamed"])
def test_fetch_of_node(server: Server, reference: Answers, form: str) -> None:
    task = {"address": address_of(server.port), "rows": ROWS, "form": form}
    program = f"""
    const ask = {(PROGRAMS / "fetch.js").read_text(encoding="utf-8")};
    const task = JSON.parse(require("fs").readFileSync(0, "utf-8"));
    ask(task).then((found) => process.stdout.write(JSON.stringify(found)));
    """
    printed = run(need("node"), "-e", program, task=json.dumps(task))
    assert Answers(**json.loads(printed)) == reference


def as_java_cell(cell: Any) -> str:
    if isinstance(cell, bool):
        return f"b{json.dumps(cell)}"
    if isinstance(cell, int | float):
        return f"n{struct.pack('>d', cell).hex()}"
    return "-" if cell is None else f"t{cell}"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["HTTP_1_1", "HTTP_2"])
def test_http_client_of_the_jdk(
    server: Server, reference: Answers, tmp_path: Path, version: str
) -> None:
    java = need("java")
    lines = [[*KINDS], *([as_java_cell(row[name]) for name in KINDS] for row in ROWS)]
    file = tmp_path / "rows"
    file.write_text("\n".join("\t".join(line) for line in lines), encoding="utf-8")
    printed = run(java, PROGRAMS / "Predict.java", address_of(server.port), file, version)
    cells = [line.split("\t") for line in printed.splitlines()]
    assert Answers([label for label, *_ in cells], [bits for _, *bits in cells]) == reference


# --- Clients of Python


def ask_by_requests(address: str) -> list[Answers]:
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        whole = session.post(f"{address}/predict_batch", json={"rows": ROWS}).json()
        rows = [session.post(f"{address}/predict", json={"features": row}).json() for row in ROWS]
    labels = [row["label"] for row in rows]
    proba = [list(row["probabilities"].values()) for row in rows]
    return [Answers.of_batch(whole), Answers.of(labels, proba)]


def ask_by_httpx(address: str) -> list[Answers]:
    httpx = pytest.importorskip("httpx")

    async def ask() -> Any:
        async with httpx.AsyncClient() as client:
            asked = (client.post(f"{address}/predict_batch", json={"rows": ROWS}) for _ in "1234")
            return await asyncio.gather(*asked)

    whole = httpx.post(f"{address}/predict_batch", json={"rows": ROWS})
    return [Answers.of_batch(reply.json()) for reply in (whole, *in_a_loop(ask))]


def ask_by_aiohttp(address: str) -> list[Answers]:
    aiohttp = pytest.importorskip("aiohttp")

    async def ask() -> Any:
        async with aiohttp.ClientSession() as session:
            for compress in (None, "gzip", "deflate"):
                sent = {"json": {"rows": ROWS}, "compress": compress}
                async with session.post(f"{address}/predict_batch", **sent) as reply:
                    yield await reply.json()

    async def gather() -> list[Any]:
        return [each async for each in ask()]

    return [Answers.of_batch(reply) for reply in in_a_loop(gather)]


def in_a_loop(ask: Callable[[], Any]) -> Any:
    """Run in a thread of its own: Playwright keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(ask())).result()


@pytest.mark.parametrize("ask", [ask_by_requests, ask_by_httpx, ask_by_aiohttp])
def test_http_client_of_python(
    server: Server, reference: Answers, ask: Callable[[str], list[Answers]]
) -> None:
    assert {each == reference for each in ask(address_of(server.port))} == {True}


@pytest.mark.usefixtures("server")
def test_triton_by_grpc(grpc_address: str, reference: Answers) -> None:
    triton = pytest.importorskip("tritonclient.grpc")
    inputs = []
    for name, column in tensors().items():
        inputs.append(triton.InferInput(name, [N_ROWS], column["datatype"]))
        cells = ["" if cell is None else cell for cell in column["data"]]
        if column["datatype"] == "BYTES":
            array = np.array([cell.encode() for cell in cells], dtype=object)
        else:
            array = np.array([np.nan if cell == "" else cell for cell in cells])
        inputs[-1].set_data_from_numpy(array)
    with triton.InferenceServerClient(grpc_address) as client:
        found = client.infer("clients", inputs)
    labels = [label.decode() for label in found.as_numpy("predict")]
    assert Answers.of(labels, found.as_numpy("predict_proba").tolist()) == reference


WAYS = {
    "triton": [
        f"{form}, {how}" for form in ("json", "binary") for how in (None, "gzip", "deflate")
    ],
    "kserve": ["REST, json", "REST, binary", "gRPC, typed", "gRPC, raw"],
    "mlserver": ["bytes", "texts", "several types"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_client_in_an_environment_of_its_own(
    server: Server, grpc_address: str, reference: Answers, name: str
) -> None:
    python = Path(sys.prefix) / "apart" / name / "bin/python"
    module = {"triton": "tritonclient.http"}.get(name, name)
    tried = [python, "-c", f"import {module}"]
    if not python.exists() or subprocess.run(tried, env=ELSEWHERE, capture_output=True).returncode:
        pytest.skip(f"{module} is not installed in {python.parents[1]} (see make test-all)")
    task = {"port": server.port, "grpc": grpc_address, "columns": tensors()}
    found = json.loads(run(python, PROGRAMS / f"ask_{name}.py", task=json.dumps(task)))
    assert {way: Answers(**each) == reference for way, each in found.items()} == dict.fromkeys(
        WAYS[name], True
    )


# --- Servers of several processes


@contextmanager
def started(command: Sequence[str], directory: Path, folder: Path) -> Iterator[Path]:
    """Start a server with two workers; yield the file of what it prints."""
    environment = {
        **os.environ,
        "API_MODELS": str(directory / "models"),
        "API_OUTPUTS": str(directory / "outputs"),
        "API_LOG": str(folder / "requests.log"),
        "API_DRAIN_SECONDS": "0",
        "TMPDIR": str(folder),
    }
    printed = folder / "printed"
    with printed.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for(lambda: len([*folder.glob("*/worker-*.json")]) == 2 or process.poll() is not None)
        assert process.poll() is None, printed.read_text()
        yield printed
    finally:
        process.terminate()
        assert process.wait(30) == 0, printed.read_text()


SERVERS = {
    "gunicorn": ["gunicorn", "--worker-class", "uvicorn_worker.UvicornWorker", "--workers", "2",
                 "--bind", "127.0.0.1:{port}", "api.app:app"],
    "uvicorn": ["uvicorn", "--workers", "2", "--port", "{port}", "api.app:app"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_workers_of(name: str, promoted: Path, tmp_path: Path, reference: Answers) -> None:
    for module in {name, "uvicorn_worker"} if name == "gunicorn" else {name}:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: {name} does not run the service")
    port, n_requests = free_port(), 40
    command = [word.format(port=port) for word in SERVERS[name]]
    with started(command, promoted, tmp_path):
        with ThreadPoolExecutor(8) as pool:
            found = [*pool.map(lambda _: ask_plainly(port), range(n_requests))]
        assert [each == reference for each in found] == [True] * n_requests
        # The sum over both workers, whichever of them is asked.
        metrics = request(port, "GET", "/metrics").content.decode()
        counted = 'api_requests_total{method="POST",route="/predict_batch",status="200"}'
        assert f"{counted} {n_requests}.0" in metrics


# --- A browser


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("prefix", ["", "/rp"], ids=["at the root", "with a prefix"])
@pytest.mark.parametrize("form", ["plain", "compressed"])
def test_fetch_of_chromium_through_nginx(
    server: Server, reference: Answers, tmp_path: Path, chromium: Any, prefix: str, form: str
) -> None:
    if NGINX is None:
        pytest.skip("nginx is absent: a browser behind a proxy is not tested")
    header = f"X-Forwarded-Prefix {prefix}" if prefix else ""
    with nginx(tmp_path, f"{prefix}/", "/", header, server.port) as port:
        address = f"{address_of(port)}{prefix}"
        page = chromium.new_page()
        page.goto(f"{address}/docs")
        program = (PROGRAMS / "fetch.js").read_text(encoding="utf-8")
        found = page.evaluate(program, {"address": address, "rows": ROWS, "form": form})
        page.close()
    assert Answers(**found) == reference
