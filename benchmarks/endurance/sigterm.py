"""Stopping under load: every request that arrived is answered.

Where a connection ends without an answer, the kernel shows which side was first:

  reset, or closed with nothing outstanding   the request had arrived; it is lost
  closed, and then our bytes were refused (EPIPE)  the server had closed before it arrived

Every keep-alive client must expect the second (RFC 9112, 9.3.1). Linux only.
"""

import errno
import json
import random
import select
import signal
import socket
from http.client import HTTPException, HTTPResponse
from threading import Thread
from time import sleep

from benchmarks.adult import HoldOut
from benchmarks.answers import is_right, one_row
from benchmarks.endurance.raw import post, receive
from benchmarks.endurance.world import World, in_words, require, wait_until_serving
from benchmarks.service import ANSWER_SECONDS, HOST, STOP_SECONDS, Service

N_CLIENTS = 8
SHORTEST_SECONDS, LONGEST_SECONDS = 0.2, 0.7
SEED = 0


def check_sigterm(world: World) -> str:
    """Stop a server under load many times; it exits with 0 and no request is lost."""
    hold_out = world.hold_out(world.first)
    chance = random.Random(SEED)  # noqa: S311 - when, not which key
    faults: list[str] = []
    n_answers, n_hung_up = 0, 0
    for number in range(world.sizes.stops):
        with world.serve() as service:
            wait_until_serving(service, hold_out)
            clients = [LastClient(service, hold_out) for _ in range(N_CLIENTS)]
            for client in clients:
                client.start()
            sleep(chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
            code = service.stop(signal.SIGTERM)
            for client in clients:
                client.join(STOP_SECONDS)
        faults += [f"stop {number}: {client.fault}" for client in clients if client.fault]
        if code != 0:
            faults.append(f"stop {number}: exit code {code}")
        n_answers += sum(client.n_answers for client in clients)
        n_hung_up += sum(client.was_closed for client in clients)
    require(not faults, in_words(faults))
    return (
        f"{world.sizes.stops} stops under {N_CLIENTS} clients, all with code 0;"
        f" {n_answers:,} answers, none lost; {n_hung_up} connections ended as a request set out"
    )


class LastClient(Thread):
    """Post on one connection until the server closes it, and record whether a request was lost."""

    def __init__(self, service: Service, hold_out: HoldOut) -> None:
        super().__init__(daemon=True)
        self.n_answers = 0
        self.was_closed = False
        self.fault = ""
        self._hold_out = hold_out
        self._connection = socket.create_connection((HOST, service.port), ANSWER_SECONDS)

    def run(self) -> None:
        """Post until the connection ends."""
        bodies = [json.dumps(one_row(row)).encode() for row in self._hold_out.rows]
        turn = 0
        with self._connection:
            while self._is_open() and self._exchange(bodies[turn], self._hold_out.proba[turn]):
                turn = (turn + 1) % len(bodies)

    def _is_open(self) -> bool:
        # No request is open: whatever can be read is the end of the connection.
        return not select.select([self._connection], [], [], 0)[0]

    def _exchange(self, body: bytes, proba: float) -> bool:
        """Post one body; return whether the connection stays open."""
        try:
            self._connection.sendall(post("/predict", body))
        except ConnectionError:
            self.was_closed = True
            return False
        try:
            response, text = receive(self._connection)
        except ConnectionResetError as error:
            self._end_without_answer(error)
            return False
        except (OSError, HTTPException) as error:
            self.fault = f"half an answer: {type(error).__name__}: {error}"
            return False
        return self._judge(response, text, proba)

    def _end_without_answer(self, error: ConnectionResetError) -> None:
        # http.client's own RemoteDisconnected has no error number: the stream ended.
        outstanding = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error.errno is None and outstanding == errno.EPIPE:
            self.was_closed = True
        else:
            how = "read, then closed" if error.errno is None else "arrived, never read"
            self.fault = f"a request was lost ({how})"

    def _judge(self, response: HTTPResponse, text: bytes, proba: float) -> bool:
        if response.status != 200 or not is_right(json.loads(text), proba):
            self.fault = f"{response.status} {text[:200]!r}"
            return False
        self.n_answers += 1
        return not response.will_close
