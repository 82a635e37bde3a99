"""Compare adult served with and without a shadow: answers, latencies, and what is scored.

Prints the figures and their targets: `python -m benchmarks.shadow`.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep

from benchmarks import command, served
from benchmarks.adult import HoldOut, Row, read_hold_out, train
from benchmarks.answers import many_rows, one_row, verify_rows
from benchmarks.load import Load, require_wrk
from benchmarks.service import HOST, JSON, Service, our_application
from benchmarks.verdict import print_verdict
from tabproof.artifacts import Registry

WITHOUT, WITH = "without", "with"
N_ROWS, N_CLIENTS, N_PER_BATCH, EVERY = 200, 16, 20, 50
MAX_P99, MAX_SECONDS_TO_SCORE = 1.10, 300
COUNT = re.compile(r'^api_challenger_requests_total\{.*result="(\w+)"\} (\S+)$', re.MULTILINE)

DESCRIPTION = """\
Train adult twice, with boosted trees and with --challenger, and serve the first one by two
services of one process each, both with a prediction log in a directory; the second also scores
all requests by the other model, its shadow.

Answers: the same requests, hold-out rows and small batches, go to both services; status,
headers (but for the date) and bodies must be equal byte for byte. Latency: wrk posts 200 rows
with 16 clients, the services taking turns; the ratio is the median of those of each round,
and that of the quarter of rounds with the lowest p99, in case the machine is not idle.
Rates: one client posts rows at --rates, and the share that the shadow has scored is printed.
Run it from the project's root, on a machine that has nothing else to do.
"""


class OtherAnswerError(Exception):
    """The service with a shadow answered otherwise than the one without."""

    def __init__(self, number: int, answers: tuple[object, ...]) -> None:
        super().__init__(f"request {number} has two answers: {answers}"[:500])


def compare_answers(services: Mapping[str, Service], hold_out: HoldOut, n_answers: int) -> None:
    """Send requests to both services in turn; raise where two answers differ."""
    connections = [HTTPConnection(HOST, each.port, timeout=60) for each in services.values()]
    rows = hold_out.rows
    single = [json.dumps(one_row(row)).encode() for row in rows]
    starts = range(0, len(rows) - N_PER_BATCH, N_PER_BATCH)
    batches = [json.dumps(many_rows(rows[i : i + N_PER_BATCH])).encode() for i in starts]
    for number in range(n_answers):
        path, bodies = ("/predict_batch", batches) if number % EVERY == 0 else ("/predict", single)
        headers = {**JSON, "X-Request-ID": f"request-{number}"}
        found = []
        for connection in connections:
            connection.request("POST", path, bodies[number % len(bodies)], headers)
            answer = connection.getresponse()
            named = [pair for pair in answer.getheaders() if pair[0].lower() != "date"]
            found.append((answer.status, named, answer.read()))
        if found[0] != found[1] or found[0][0] != 200:
            raise OtherAnswerError(number, tuple(found))
    for connection in connections:
        connection.close()
    print(f"{n_answers:,} answers with and without a shadow: equal byte for byte")


def compare_latency(
    services: Mapping[str, Service], bodies: Path, seconds: float, n_rounds: int
) -> bool:
    """Print latencies with many clients, and whether the shadow adds little to them."""
    work = served.row_by_row(bodies, N_CLIENTS)
    loads = served.take_turns(services, work, seconds, n_rounds)
    served.print_loads(work.title, loads)
    pairs = list(zip(loads[WITH], loads[WITHOUT], strict=True))
    p99 = [one.p99_ms / other.p99_ms for one, other in pairs]
    quiet = {name: _quiet_p99(rounds) for name, rounds in loads.items()}
    throughput = median(one.per_second / other.per_second for one, other in pairs)
    print(f"  p99 by round: {', '.join(f'{ratio:.2f}' for ratio in p99)}")
    print(f"  p99 of quiet rounds, ms     {quiet[WITHOUT]:.2f} and {quiet[WITH]:.2f}")
    print_verdict("the same, with / without", quiet[WITH] / quiet[WITHOUT], at_most=MAX_P99)
    print(f"  requests/s, with / without  {throughput:.2f}")
    return print_verdict("p99, with / without", median(p99), at_most=MAX_P99)


def _quiet_p99(rounds: Sequence[Load]) -> float:
    """Return the median of the lowest quarter: of the rounds that nothing else disturbed."""
    return median(sorted(load.p99_ms for load in rounds)[: max(1, len(rounds) // 4)])


def send_at_rate(service: Service, bodies: Sequence[bytes], rate: float, seconds: float) -> float:
    """Post rows at a steady rate, on one connection; return how many a second were answered."""
    connection = HTTPConnection(HOST, service.port, timeout=60)
    n_requests, began = int(rate * seconds), perf_counter()
    for number in range(n_requests):
        # Answers that take longer than the pause are caught up with.
        if (early := began + number / rate - perf_counter()) > 0:
            sleep(early)
        connection.request("POST", "/predict", bodies[number % len(bodies)], JSON)
        connection.getresponse().read()
    took = perf_counter() - began
    connection.close()
    return n_requests / took


def scored_at_rates(
    service: Service,
    rows: Sequence[Row],
    rates: Sequence[float],
    seconds: float,
    since: Mapping[str, float],
) -> None:
    """Print which share of the requests the shadow scores at several rates."""
    bodies = [json.dumps(one_row(row)).encode() for row in rows]
    for rate in rates:
        answered = send_at_rate(service, bodies, rate, seconds)
        print(f"{answered:,.0f} requests a second for {seconds:g} s:")
        since = print_counts(service, since)


def print_counts(service: Service, since: Mapping[str, float]) -> dict[str, float]:
    """Print how many requests the shadow scored, and how many it dropped, since a moment."""
    found, deadline = counts_of(service), monotonic() + MAX_SECONDS_TO_SCORE
    while monotonic() < deadline:
        sleep(1)
        before, found = found, counts_of(service)
        # Nothing waits any longer.
        if before == found:
            break
    new = {name: found.get(name, 0) - since.get(name, 0) for name in ("scored", "dropped")}
    share = new["scored"] / max(sum(new.values()), 1)
    print(f"  the shadow scored {new['scored']:,.0f} and dropped {new['dropped']:,.0f}", end=" ")
    print(f"({share:.1%} scored), {found.get('failed', 0):,.0f} failed")
    return found


def counts_of(service: Service) -> dict[str, float]:
    """Return the requests of the challenger by result."""
    connection = HTTPConnection(HOST, service.port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {result: float(count) for result, count in COUNT.findall(text)}


def run_parts(arguments: argparse.Namespace, directory: Path) -> bool:
    """Train, then compare; return whether the target is met."""
    load = command.load_average()
    champion = train(directory / "runs" / "champion", arguments.data_home)
    model = f"model={arguments.challenger}"
    challenger = train(directory / "runs" / "challenger", arguments.data_home, model)
    cores = served.leave_first_core()
    command.warn_if_busy(load)
    hold_out = read_hold_out(champion, arguments.data_home, 10_000)
    rows = hold_out.rows[:N_ROWS]
    bodies = served.write_bodies(directory / "rows.txt", [one_row(row) for row in rows])
    with ExitStack() as stack:
        services = {}
        for name in (WITHOUT, WITH):
            home = directory / name
            registry = Registry(home / "models")
            registry.promote(champion, "adult", "benchmark", "")
            if name == WITH:
                registry.challenge(challenger, "adult", "benchmark", "")
            ours = our_application(home)
            logged = {"API_PREDICTION_LOG": str(home / "log"), "API_LOG": str(home / "requests")}
            ours = replace(ours, environment={**ours.environment, **logged})
            services[name] = served.start_server(stack, ours, home / "printed", cores[0], rows[0])
        first = HoldOut(rows, hold_out.proba[:N_ROWS])
        for name, service in services.items():
            verify_rows(name, service, first)
        print(f"adult, boosted trees with {arguments.challenger} as shadow;", end=" ")
        print(f"services on core {cores[0]}, wrk on core {cores[-1]}")
        since: dict[str, float] = {}
        if arguments.answers:
            compare_answers(services, hold_out, arguments.answers)
            since = print_counts(services[WITH], since)
        is_met = compare_latency(services, bodies, arguments.seconds, arguments.rounds)
        since = print_counts(services[WITH], since)
        rates = arguments.rates, arguments.rate_seconds
        scored_at_rates(services[WITH], rows, *rates, since)
    return is_met


def main() -> None:
    """Compare, and exit with a code of `exit_codes`."""
    parser = command.make_parser("shadow", DESCRIPTION)
    option = parser.add_argument
    option("--answers", type=int, default=100_000, help="to compare (default: %(default)s)")
    option("--seconds", type=int, default=5, help="of one measurement (default: %(default)s)")
    option("--rounds", type=int, default=7, help="turns of each service (default: %(default)s)")
    option(
        "--rates",
        type=float,
        nargs="*",
        default=[100, 300, 1000, 2000],
        help="requests a second of one client (default: %(default)s)",
    )
    option("--rate-seconds", type=float, default=20, help="of each rate (default: %(default)s)")
    option(
        "--challenger",
        default="logistic_regression",
        help="model of the shadow (default: %(default)s)",
    )
    arguments = command.parse(parser, "seconds", "rounds")
    with command.exit_codes(*served.VOID, OtherAnswerError):
        command.require_data_home(arguments.data_home)
        require_wrk()
        with TemporaryDirectory(prefix="benchmark_") as directory:
            run_parts(arguments, Path(directory))


if __name__ == "__main__":
    main()
