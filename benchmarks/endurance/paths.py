"""Paths that lead, or seem to lead, to a valid run outside the roots: none is followed."""

import shutil
from itertools import product
from pathlib import Path
from urllib.parse import quote

from benchmarks.answers import one_row
from benchmarks.endurance.world import (
    World,
    in_words,
    require,
    run_id_of,
    run_named_in,
    wait_until_serving,
)
from benchmarks.service import Service

CLIENT_ERRORS = range(400, 500)


def check_paths(world: World) -> str:
    """Request runs that must not be loaded; all are refused, and nothing else is served."""
    hold_out, run_id = world.hold_out(world.first), run_id_of(world.first)
    outside = world.directory / "outside"
    # A valid run, which would be served if any path led to it.
    world.second.rename(outside)
    planted = world.first.parent / "planted"
    try:
        with world.serve() as service:
            wait_until_serving(service, hold_out)
            # A service that starts beside links out of its roots serves nothing, and says so.
            queries = hostile_queries(world, outside, planted)
            faults = [fault for query in queries if (fault := _fault_of(world, service, query))]
            served = service.ask("POST", "/predict", one_row(hold_out.rows[0]))
            n_unauthorized = _require_token(world, service)
    finally:
        shutil.rmtree(planted, ignore_errors=True)
        outside.rename(world.second)
    require(not faults, in_words(faults))
    require(run_named_in(served) == run_id, f"another run is served: {served}")
    return f"{len(queries)} paths refused; {n_unauthorized} reloads without the token refused"


def hostile_queries(world: World, outside: Path, planted: Path) -> list[str]:
    """Return queries as they are in the request line; planted: where links are made."""
    ways_up = ("../outside", "../../outside", f"{'../' * 20}{str(outside)[1:]}")
    starts = ("", "outputs/", "models/", f"{world.outputs}/", f"{world.models}/adult/versions/")
    climbing = [start + way for start, way in product(starts, ways_up)]
    queries = [
        disguise(path)
        for disguise in (_quoted, _twice_quoted, _backslashed, _doubled, _overlong)
        for path in climbing
    ]
    queries += [f"path={quote(path, safe='')}" for path in _others(world, outside, planted)]
    return queries


def _quoted(path: str) -> str:
    return "path=" + quote(path, safe="")


def _twice_quoted(path: str) -> str:
    return "path=" + quote(quote(path, safe=""), safe="")


def _backslashed(path: str) -> str:
    return "path=" + quote(path.replace("/", "\\"), safe="")


def _doubled(path: str) -> str:
    # A filter that removes '../' once leaves '../'.
    return "path=" + quote(path.replace("../", "....//"), safe="")


def _overlong(path: str) -> str:
    # '/' and '.' as the two bytes that UTF-8 forbids.
    return "path=" + path.replace("/", "%c0%af").replace(".", "%c0%ae")


def _others(world: World, outside: Path, planted: Path) -> list[str]:
    planted.mkdir()
    (link := planted / "link").symlink_to(outside)
    (above := planted / "above").symlink_to(world.directory)
    (hollow := planted / "hollow").mkdir()
    for file in outside.iterdir():
        (hollow / file.name).symlink_to(file)
    first = str(world.first)
    return [
        *map(str, (outside, link, above / "outside", hollow, planted, world.outputs, world.models)),
        f"{first}\0", f"{first}\0/../../../outside", f"\0{outside}",
        f"{first}/../../../outside", f"{first}/scorer", f"{first}/manifest.json",
        f"{first}\n", f"\t{first}", f"{first}\r\nX: y",
        f"file://{outside}", f"file://localhost{outside}", "http://localhost/run",
        "https://example.com/run.zip", "s3://bucket/run", "data:application/json,{}",
        "\\\\server\\share\\run", "C:\\run", "//server/share/run", f"//{str(outside)[1:]}",
        "~", "~/run", "~root/run", "$HOME/run", "${API_OUTPUTS}/../outside", "%API_OUTPUTS%",
        "/", ".", "..", "...", "/etc/passwd", "/proc/self/root" + str(outside), "/proc/self/cwd",
        "/dev/stdin", "/dev/fd/0", "CON", "a" * 5000, "a/" * 2000, "．．/outside", "‥/outside",
        "outputs／..／outside", "outputs/\u202e", "outputs/*", "outputs/[2]*", "outputs/{a,b}",
        "$(touch outside)", "`touch outside`", "; touch outside", "| true", "' OR 1=1 --",
        "{{7*7}}", "__import__('os').system('true')", "adult", "models/adult/../../outside",
    ]  # fmt: skip


def _fault_of(world: World, service: Service, query: str) -> str:
    answer = service.ask("POST", f"/reload?{query}", headers=world.authorization)
    return "" if answer.status in CLIENT_ERRORS else f"{query[:80]}: {answer}"


def _require_token(world: World, service: Service) -> int:
    token = world.token
    attempts = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {token[:-1]}"},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": f"Bearer {token.upper()}x"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"X-Authorization": f"Bearer {token}"},
    ]
    for headers in attempts:
        answer = service.ask("POST", "/reload", headers=headers)
        require(answer.status in (401, 403), f"{list(headers.values())} gets {answer}")
    return len(attempts)
