"""Reloading models under load: valid ones without a wrong answer, damaged ones never."""

import random

from benchmarks.answers import one_row
from benchmarks.endurance.clients import Clients
from benchmarks.endurance.tampering import flip_bit
from benchmarks.endurance.world import (
    NAME,
    World,
    require,
    run_id_of,
    run_named_in,
    wait_until_serving,
)

N_CLIENTS = 16
SEED = 0


def check_reloads(world: World) -> str:
    """Reload promoted versions in turn; every answer is that of the run that it names."""
    versions = {run_id_of(run): world.hold_out(run) for run in (world.first, world.second)}
    one, other = versions
    for run in (world.first, world.second):
        world.run_door("promote", str(run), f"--name={NAME}", f"--outputs={world.outputs}")
    with world.serve() as service:
        wait_until_serving(service, versions[one])
        with Clients(service, versions, N_CLIENTS) as clients:
            for number in range(world.sizes.reloads):
                version = (one, other)[number % 2]
                world.run_door("rollback", NAME, f"--to={version}")
                answer = world.reload(service)
                require(answer.status == 200, f"reload {number}: {answer}")
                served = service.ask("POST", "/predict", one_row(versions[one].rows[0]))
                message = f"after reload {number} to {version}: {served}"
                require(run_named_in(served) == version, message)
        clients.require_faultless()
        shares = ", ".join(f"{count:,} of {run_id}" for run_id, count in clients.counts.items())
    return f"{world.sizes.reloads} reloads under {N_CLIENTS} clients; right answers: {shares}"


def check_damaged(world: World) -> str:
    """Reload damaged copies; each is refused with a reason, and the old model stays."""
    chance = random.Random(SEED)  # noqa: S311 - which bit, not which key
    run_id, hold_out = run_id_of(world.first), world.hold_out(world.first)
    statuses: dict[int, int] = {}
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        answer = world.reload(service, world.first)
        require(answer.status == 200, f"a whole run is refused: {answer}")
        with Clients(service, {run_id: hold_out}, N_CLIENTS) as clients:
            for _ in range(world.sizes.damaged):
                copy = world.copy_of(world.second, "damaged")
                file = flip_bit(copy, chance)
                answer = world.reload(service, copy)
                message = f"a flipped bit in {file.relative_to(copy)}: {answer}"
                require(answer.status >= 400 and _gives_reason(answer.content), message)
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
        clients.require_faultless()
    refused = ", ".join(f"{count} with {status}" for status, count in statuses.items())
    return f"refused {refused}; {clients.n_answers:,} right answers of the old run meanwhile"


def _gives_reason(content: object) -> bool:
    return isinstance(content, dict) and any(isinstance(v, str) and v for v in content.values())
