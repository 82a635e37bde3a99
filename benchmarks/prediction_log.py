"""Compare serving adult with and without the prediction log.

Prints one table and the targets: `python -m benchmarks.prediction_log`.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time, sleep

import pyarrow.dataset as datasets
from starlette.types import Receive, Scope, Send

from benchmarks import command, served
from benchmarks.adult import HoldOut, Row, read_hold_out, train
from benchmarks.answers import many_rows, one_row, verify_batch, verify_rows
from benchmarks.load import Load, require_wrk
from benchmarks.service import our_application
from benchmarks.verdict import print_verdict
from tabproof.prediction_log.delivery import LocalPlace
from tabproof.prediction_log.writer import LogOptions, PredictionLog
from tabproof.service.endpoints import Endpoints
from tabproof.service.gate import Gate
from tabproof.service.model_store import ModelStore
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry
from tabproof.service.workers import Workers

OFF, AGAIN, LOGGED = "off", "off again", "logged"
N_ROWS, BATCH_SIZE, N_BATCHES = 200, 1000, 5
# In one process: rounds, and how often all rows are predicted in each.
N_ROUNDS_IN_PROCESS, N_IN_PROCESS = 15, 100
MIN_TO_OFF, MAX_P99_TO_OFF, MAX_MORE_MB = 0.95, 1.1, 30
# Until the rows of the last measurement are written.
SETTLING_SECONDS = 1.0

DESCRIPTION = """\
Train adult once, then serve it three times, each process on the same core:

  off        without a prediction log
  off again  the same, for the noise of the machine
  logged     API_PREDICTION_LOG is a directory, everything else is the default

wrk, on the other core, posts 200 hold-out rows in turn, then batches of 1,000; the servers take
turns, and a ratio is the median of those of each round, with the least and the greatest. CPU us is
the server's, per request. The log must hold each answered row once, or the comparison is void
(exit 1). Run it from the project's root, on a machine that has nothing else to do.
"""


class LostRowsError(Exception):
    """The log does not have the rows that were answered."""

    def __init__(self, n_logged: int, n_answered: int) -> None:
        super().__init__(
            f"THE COMPARISON IS VOID: {n_answered:,} rows were answered, and {n_logged:,} logged"
        )


def print_work(work: served.Work, loads: Mapping[str, Sequence[Load]]) -> None:
    """Print the figures, and the ratios to the server without a log."""
    served.print_loads(work.title, loads)
    for server in (AGAIN, LOGGED):
        for name, figure in (("requests/s", "per_second"), ("p99", "p99_ms"), ("CPU", "cpu_us")):
            ratios = [
                getattr(load, figure) / getattr(other, figure)
                for load, other in zip(loads[server], loads[OFF], strict=True)
            ]
            label = f"{server} / off, {name}"
            if server == LOGGED and figure == "per_second":
                print_verdict(label, median(ratios), at_least=MIN_TO_OFF)
            elif server == LOGGED and figure == "p99_ms":
                print_verdict(label, median(ratios), at_most=MAX_P99_TO_OFF)
            else:
                print(f"  {label:<26}{median(ratios):10.2f}")
            print(f"    rounds {min(ratios):.2f} to {max(ratios):.2f}")
    sys.stdout.flush()


def processor_time(directory: Path, rows: Sequence[Row]) -> dict[str, list[float]]:
    """Return processor microseconds of a request, of each round, with and without a log.

    Requests go through the objects of the service in this process, without sockets, so that other
    processes of the machine hardly matter; what the threads of the log take counts too.
    """
    bodies = [json.dumps(one_row(row)).encode() for row in rows]
    head = [(b"content-type", b"application/json")]
    scope = {"method": "POST", "path": "/predict", "query_string": b"", "root_path": "",
             "headers": head}  # fmt: skip
    gates: dict[str, Gate] = {}
    log_of: dict[str, PredictionLog] = {}
    written = 0

    def count(_: str, n_rows: int) -> None:
        nonlocal written
        written += n_rows

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """No request reaches it."""

    for server in (OFF, AGAIN, LOGGED):
        settings = Settings(models=directory / "models", outputs=directory / "outputs")
        store, telemetry = ModelStore(settings), Telemetry(str(directory / "in_process.log"))
        store.reload(None)
        if server == LOGGED:
            place = LocalPlace(directory / "in_process")
            log_of[server] = PredictionLog(place, LogOptions(), count)
            log_of[server].start()
        parts = Lifecycle(), Workers(None), log_of.get(server)
        gates[server] = Gate(application, Endpoints(store, settings, telemetry, *parts))
    found: dict[str, list[float]] = {server: [] for server in gates}
    n_requests = N_IN_PROCESS * len(bodies)
    for _ in range(N_ROUNDS_IN_PROCESS):
        for server, gate in gates.items():
            before, written_before = process_time(), written
            for _ in range(N_IN_PROCESS):
                for body in bodies:
                    gate.answer_at_once(scope, body)
            while server == LOGGED and written - written_before < n_requests:
                sleep(0.05)
            found[server].append((process_time() - before) / n_requests * 1e6)
    for log in log_of.values():
        log.stop(10)
    return found


def print_processor_time(found: Mapping[str, Sequence[float]]) -> None:
    """Print what the log adds to a request, with the noise."""
    print("\nin one process, without sockets            CPU us    rounds")
    for server, times in found.items():
        print(f"  {server:<36}{median(times):10.2f}    {min(times):.2f} to {max(times):.2f}")
    for server in (AGAIN, LOGGED):
        more = [ours - other for ours, other in zip(found[server], found[OFF], strict=True)]
        name = f"{server} - off"
        print(f"  {name:<36}{median(more):10.2f}    {min(more):.2f} to {max(more):.2f}")
    sys.stdout.flush()


def compare(arguments: argparse.Namespace, directory: Path) -> None:
    """Serve with and without the log, in turn; print the figures."""
    load = command.load_average()
    run = train(directory / "outputs" / "2000-01-01" / "run", arguments.data_home)
    hold_out = read_hold_out(run, arguments.data_home, N_BATCHES * BATCH_SIZE)
    cores = served.leave_first_core()
    print(f"adult, search=none; servers on core {cores[0]}, wrk on core {cores[-1]};", end=" ")
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s")
    command.warn_if_busy(load)
    os.sched_setaffinity(0, {cores[0]})
    print_processor_time(processor_time(directory, hold_out.rows[:N_ROWS]))
    os.sched_setaffinity(0, {cores[-1]})
    ours = our_application(directory)
    if arguments.only_processor_time:
        return
    first = HoldOut(hold_out.rows[:N_ROWS], hold_out.proba[:N_ROWS])
    batch = HoldOut(hold_out.rows[:BATCH_SIZE], hold_out.proba[:BATCH_SIZE])
    rows = served.write_bodies(directory / "rows.txt", [one_row(row) for row in first.rows])
    batches = served.write_bodies(directory / "batches.txt", [many_rows(batch.rows)])
    log = directory / "prediction_log"
    n_answered = 0
    with ExitStack() as stack:
        services = {}
        for server in (OFF, AGAIN, LOGGED):
            added = {"API_PREDICTION_LOG": str(log)} if server == LOGGED else {}
            application = replace(ours, environment={**ours.environment, **added})
            text = directory / f"{server}.log"
            services[server] = served.start_server(
                stack, application, text, cores[0], first.rows[0]
            )
            verify_rows(server, services[server], first)
            verify_batch(server, services[server], batch)
        n_answered += 1 + N_ROWS + BATCH_SIZE
        before = {server: service.resident_mb for server, service in services.items()}
        works = [
            *(served.row_by_row(rows, n_clients) for n_clients in (1, 16)),
            served.Work(
                f"/predict_batch, {BATCH_SIZE:,} rows", "/predict_batch", batches, 1, BATCH_SIZE
            ),
        ]
        # What is written behind the last answer counts too.
        settling = {LOGGED: SETTLING_SECONDS}
        more: list[float] = []
        for work in works:
            loads = served.take_turns(services, work, arguments.seconds, arguments.rounds, settling)
            print_work(work, loads)
            n_answered += work.n_rows * sum(load.n_requests for load in loads[LOGGED])
            more.append(services[LOGGED].resident_mb - services[OFF].resident_mb)
        after = {server: service.resident_mb for server, service in services.items()}
        metrics = services[LOGGED].ask("GET", "/health")
        assert metrics.status == 200  # noqa: S101 - it still answers
    print("\nresident memory, MB         started     ended")
    for server in services:
        print(f"  {server:<26}{before[server]:8.0f}{after[server]:10.0f}")
    print_verdict("logged - off, most", max(more), at_most=MAX_MORE_MB)
    found = datasets.dataset(log / "predictions", partitioning="hive")
    n_logged = found.count_rows()
    n_bytes = sum(Path(file).stat().st_size for file in found.files)
    print(
        f"\n{n_logged:,} rows in {len(found.files):,} files, {n_bytes / n_logged:.0f} bytes a row"
    )
    # wrk ends without waiting for its last answers: a client leaves at most one in each round.
    spare = sum(work.n_clients * work.n_rows for work in works) * arguments.rounds
    if not n_answered <= n_logged <= n_answered + spare:
        raise LostRowsError(n_logged, n_answered)


def main() -> None:
    """Compare, and exit with a code of `exit_codes`."""
    parser = command.make_parser("prediction_log", DESCRIPTION)
    option = parser.add_argument
    option("--seconds", type=int, default=5, help="of one measurement (default: %(default)s)")
    option("--rounds", type=int, default=5, help="turns of each server (default: %(default)s)")
    option("--only-processor-time", action="store_true", help="without servers, in half a minute")
    arguments = command.parse(parser, "seconds", "rounds")
    with command.exit_codes(*served.VOID, LostRowsError):
        command.require_data_home(arguments.data_home)
        require_wrk()
        with TemporaryDirectory(prefix="benchmark_") as directory:
            compare(arguments, Path(directory))


if __name__ == "__main__":
    main()
