"""Compare serving adult with the alternatives, and the start with that of an empty application.

Prints one table and the targets: `python -m benchmarks.serving`.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import command, served
from benchmarks.adult import HoldOut, read_hold_out, train
from benchmarks.answers import (
    WrongAnswerError,
    is_right,
    many_rows,
    one_row,
    verify_batch,
    verify_rows,
)
from benchmarks.load import Load, median_load, median_ratio, post_rows, require_wrk
from benchmarks.request_time import measure_request
from benchmarks.service import GRANIAN, Application, Service, our_application
from benchmarks.verdict import print_verdict

OURS, CONSTANT, PLAIN, CLASSIC = "ours", "constant", "plain", "classic"
GRANIAN_SERVER, MIN_GRANIAN = "granian", 1.3
N_ROWS, BATCH_SIZE, N_BATCHES = 200, 1000, 5
N_CLIENTS = (1, 16)
N_WORKERS = (1, 2)
N_STARTS = 7
# Of both endpoints that score nothing, by clients.
MIN_TO_NOTHING, MAX_P99_TO_NOTHING = {1: 1.1, 16: 1.0}, 1.3
MIN_TO_CLASSIC, MIN_BATCH_TO_CLASSIC, MAX_START_RATIO, MAX_RESIDENT_MB = 35, 3, 1.6, 100

DESCRIPTION = """\
Train adult once, then serve it with one process per server, on a core of its own:

  ours      api.app:app with everything on, its log in a file
  constant  FastAPI that reads the same body into typed fields and answers a constant
  plain     FastAPI that reads the same body into a dictionary and answers a constant
  classic   FastAPI, a pandas frame and the pipeline of estimator.joblib
  granian   ours behind another server, if granian is installed
  empty     FastAPI with one route, for the start

wrk, on the other core, posts 200 hold-out rows in turn; the servers take turns, and a ratio
is the median of those of each round. CPU us is the server's, per request. Ours and
classic must answer each row as the run recorded it and no request may fail, or the
comparison is void (exit 1). Run it from the project's root, on a machine that has nothing
else to do.
"""


@dataclass(frozen=True)
class Setting:
    """The environment of all measurements."""

    directory: Path
    hold_out: HoldOut
    applications: Mapping[str, Application]
    cores: Sequence[int]
    seconds: float
    n_rounds: int

    @property
    def core(self) -> int:
        """The core of the servers; wrk has the last one."""
        return self.cores[0]

    def serve(self, server: str) -> Service:
        """Start one of the servers; all logs are in one directory."""
        return Service(self.applications[server], self.directory / f"{server}.log", self.core)

    def start(self, stack: ExitStack, server: str) -> Service:
        """Start one of the servers, and wait for its first answer."""
        log, row = self.directory / f"{server}.log", self.hold_out.rows[0]
        return served.start_server(stack, self.applications[server], log, self.core, row)

    def bodies(self, name: str, contents: Sequence[object]) -> Path:
        """Write bodies for wrk, one per line."""
        return served.write_bodies(self.directory / f"{name}.txt", contents)

    def take_turns(
        self, services: Mapping[str, Service], work: served.Work
    ) -> dict[str, list[Load]]:
        """Measure the servers in turn."""
        return served.take_turns(services, work, self.seconds, self.n_rounds)


def compare_predict(setting: Setting) -> None:
    """Compare /predict, with one client and with many."""
    first = HoldOut(setting.hold_out.rows[:N_ROWS], setting.hold_out.proba[:N_ROWS])
    bodies = setting.bodies("rows", [one_row(row) for row in first.rows])
    with ExitStack() as stack:
        services = {}
        has_granian = find_spec("granian") is not None
        others = [GRANIAN_SERVER] if has_granian else []
        for server in (OURS, CONSTANT, PLAIN, CLASSIC, *others):
            services[server] = setting.start(stack, server)
        for server in (OURS, CLASSIC, *others):
            verify_rows(server, services[server], first)
        for n_clients in N_CLIENTS:
            work = served.row_by_row(bodies, n_clients)
            loads = setting.take_turns(services, work)
            served.print_loads(work.title, loads)
            for server in (CONSTANT, PLAIN):
                ratio = median_ratio(loads[OURS], loads[server])
                print_verdict(f"ours / {server}", ratio, at_least=MIN_TO_NOTHING[n_clients])
            if has_granian:
                ratio = median_ratio(loads[GRANIAN_SERVER], loads[OURS])
                print(f"  granian / uvicorn {ratio:17.2f}  worth offering from {MIN_GRANIAN:g}")
            if n_clients > 1:
                tail = median_load(loads[OURS]).p99_ms / median_load(loads[CONSTANT]).p99_ms
                print_verdict("p99, ours / constant", tail, at_most=MAX_P99_TO_NOTHING)
            if n_clients == 1:
                ratio = median_ratio(loads[OURS], loads[CLASSIC])
                print_verdict("ours / classic", ratio, at_least=MIN_TO_CLASSIC)


def compare_batch(setting: Setting) -> None:
    """Compare /predict_batch, one client."""
    rows = setting.hold_out.rows
    batches = [rows[i : i + BATCH_SIZE] for i in range(0, N_BATCHES * BATCH_SIZE, BATCH_SIZE)]
    bodies = setting.bodies("batches", [many_rows(batch) for batch in batches])
    first = HoldOut(batches[0], setting.hold_out.proba[:BATCH_SIZE])
    with ExitStack() as stack:
        services = {}
        for server in (OURS, CLASSIC):
            services[server] = setting.start(stack, server)
            verify_batch(server, services[server], first)
        work = served.Work(f"/predict_batch, {BATCH_SIZE:,} rows", "/predict_batch", bodies)
        loads = setting.take_turns(services, work)
        served.print_loads(work.title, loads)
        ratio = median_ratio(loads[OURS], loads[CLASSIC])
        print_verdict("ours / classic", ratio, at_least=MIN_BATCH_TO_CLASSIC)


def compare_start(setting: Setting) -> None:
    """Compare the time from the start of a process to its first correct answer."""
    row, proba = one_row(setting.hold_out.rows[0]), setting.hold_out.proba[0]
    # The first start compiles the modules; it does not count.
    ours, empty = [], []
    for _ in range(1 + N_STARTS):
        ours.append(_seconds_to_answer(setting, OURS, "/predict", row, proba))
        empty.append(_seconds_to_answer(setting, "empty", "/health"))
    ours, empty = ours[1:], empty[1:]
    print(f"\ncold start until the first right answer, medians of {N_STARTS}")
    print(f"  ours  {_spread(ours)}\n  empty {_spread(empty)}")
    print_verdict("ours / empty", median(ours) / median(empty), at_most=MAX_START_RATIO)


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


def _seconds_to_answer(
    setting: Setting, server: str, path: str, content: object = None, proba: float | None = None
) -> float:
    start = perf_counter()
    with setting.serve(server) as service:
        answer = service.wait_for(path, content)
        seconds = perf_counter() - start
    if proba is not None and not is_right(answer.content, proba):
        raise WrongAnswerError(server, path, proba, answer)
    return seconds


def compare_workers(setting: Setting) -> None:
    """Compare the processor time of a request with one worker and with several."""
    rows = setting.hold_out.rows[:N_ROWS]
    bodies = setting.bodies("rows", [one_row(row) for row in rows])
    # wrk shares the cores with them.
    os.sched_setaffinity(0, setting.cores)
    with ExitStack() as stack:
        services = {}
        for n_workers in N_WORKERS:
            ours = setting.applications[OURS]
            several = replace(ours, command=(*ours.command, "--workers", str(n_workers)))
            log = setting.directory / f"workers_{n_workers}.log"
            name = f"{n_workers} worker{'s' if n_workers > 1 else ''}"
            services[name] = served.start_server(stack, several, log, None, rows[0])
        loads = setting.take_turns(services, served.row_by_row(bodies, N_CLIENTS[-1]))
    os.sched_setaffinity(0, {setting.cores[-1]})
    served.print_loads(f"{N_CLIENTS[-1]} clients, all cores", loads)
    one, two = (median_load(rounds).cpu_us for rounds in loads.values())
    print(f"  processor time, two workers / one {two / one:.2f}")


def print_request_time(setting: Setting) -> None:
    """Print where the time of a request goes; system calls are what the parts leave."""
    rows = setting.hold_out.rows[:N_ROWS]
    bodies = setting.bodies("rows", [one_row(row) for row in rows])
    with ExitStack() as stack:
        services = {OURS: setting.start(stack, OURS)}
        loads = setting.take_turns(services, served.row_by_row(bodies, N_CLIENTS[-1]))
    cpu_us = median_load(loads[OURS]).cpu_us
    os.sched_setaffinity(0, {setting.core})
    parts = measure_request(setting.directory, rows)
    os.sched_setaffinity(0, {setting.cores[-1]})
    parts["event loop, system calls (the rest)"] = cpu_us - sum(parts.values())
    print(f"\na request to /predict, {N_CLIENTS[-1]} clients{'CPU us':>24}")
    for part, microseconds in sorted(parts.items(), key=lambda entry: -entry[1]):
        print(f"  {part:<50}{microseconds:8.1f}")
    print(f"  {'all':<50}{cpu_us:8.1f}")


def measure_memory(setting: Setting) -> None:
    """Measure the resident memory of our service after rows, then after batches."""
    rows = setting.hold_out.rows
    bodies = setting.bodies("rows", [one_row(row) for row in rows[:N_ROWS]])
    batches = setting.bodies("batches", [many_rows(rows[:BATCH_SIZE])])
    with ExitStack() as stack:
        service = setting.start(stack, OURS)
        started = service.resident_mb
        post_rows(service.url + "/predict", bodies, N_CLIENTS[-1], setting.seconds)
        after_rows = service.resident_mb
        post_rows(service.url + "/predict_batch", batches, 1, setting.seconds)
        after_batches = service.resident_mb
    print(f"\nresident memory of ours: started {started:.0f} MB, after /predict", end=" ")
    print(f"{after_rows:.0f} MB, after /predict_batch {after_batches:.0f} MB")
    print_verdict("megabytes", max(after_rows, after_batches), at_most=MAX_RESIDENT_MB)


PARTS: dict[str, Callable[[Setting], None]] = {
    "predict": compare_predict,
    "request": print_request_time,
    "workers": compare_workers,
    "batch": compare_batch,
    "start": compare_start,
    "memory": measure_memory,
}


def run_parts(arguments: argparse.Namespace, directory: Path) -> None:
    """Train, then print the figures of each part."""
    load = command.load_average()
    run = train(directory / "outputs" / "2000-01-01" / "run", arguments.data_home)
    cores = served.leave_first_core()
    print("adult, search=none; one process per server,", end=" ")
    print(f"server on core {cores[0]}, wrk on core {cores[-1]};")
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s,", end=" ")
    print("the servers taking turns; a ratio is the median of those of each round")
    command.warn_if_busy(load)
    ours = our_application(directory)
    setting = Setting(
        directory,
        read_hold_out(run, arguments.data_home, N_BATCHES * BATCH_SIZE),
        {
            OURS: ours,
            GRANIAN_SERVER: replace(ours, command=GRANIAN),
            CONSTANT: Application("benchmarks.servers.constant:app"),
            PLAIN: Application("benchmarks.servers.plain:app"),
            CLASSIC: Application("benchmarks.servers.classic:app", {"RUN": str(run)}),
            "empty": Application("benchmarks.servers.empty:app"),
        },
        cores,
        arguments.seconds,
        arguments.rounds,
    )
    for part in arguments.only or PARTS:
        PARTS[part](setting)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.make_parser("serving", DESCRIPTION)
    option = parser.add_argument
    option("--only", nargs="+", choices=PARTS, help="measure these parts alone")
    option("--seconds", type=int, default=5, help="of one measurement (default: %(default)s)")
    option("--rounds", type=int, default=5, help="turns of each server (default: %(default)s)")
    return command.parse(parser, "seconds", "rounds")


def main() -> None:
    """Compare, and exit with a code of `exit_codes`."""
    arguments = parse_arguments()
    with command.exit_codes(*served.VOID):
        command.require_data_home(arguments.data_home)
        require_wrk()
        with TemporaryDirectory(prefix="benchmark_") as directory:
            run_parts(arguments, Path(directory))


if __name__ == "__main__":
    main()
