"""Containers run for real: by `buildah run`, through an OCI runtime, as an engine would with
`--read-only --cap-drop ALL --security-opt no-new-privileges` and a network of its own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.image.building import Image, run, runtime

SECONDS = 60.0

# buildah has no option for a read-only root, and of a volume that is given and the image's own of
# the same path it takes either: between it and the runtime stands this.
STRICT_RUNTIME = """#!{python}
import json, subprocess, sys, time
from pathlib import Path
here, arguments = Path(__file__).parent, sys.argv[1:]
if "create" in arguments:
    path = Path(arguments[arguments.index("--bundle") + 1], "config.json")
    config = json.loads(path.read_text())
    config["root"]["readonly"] = True
    config["process"]["capabilities"] = {{}}
    config["process"]["noNewPrivileges"] = True
    given = json.loads((here / "volumes").read_text())
    inside = [mount["destination"] for mount in given]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in inside] + given
    path.write_text(json.dumps(config))
started = time.time()
code = subprocess.call(["{runtime}", *arguments], close_fds=False)
if "create" in arguments:
    pid = Path(arguments[arguments.index("--pid-file") + 1])
    facts = {{"id": arguments[-1], "pid": int(pid.read_text()) if pid.exists() else None}}
    (here / "facts").write_text(json.dumps(facts))
if "start" in arguments:
    (here / "started").write_text(str(started))
sys.exit(code)
"""

# Speaks from inside of the container's network; waits while nobody listens.
CLIENT = """
import http.client, json, sys, time
method, path, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
body = sys.stdin.read() or None
while True:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=10)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        break
    except ConnectionRefusedError:
        if time.time() > until:
            raise
        time.sleep(0.005)
print(json.dumps([time.time(), answer.status, answer.read().decode()]))
"""


class Container:
    """Runs a command in an image, its own unless told another, until the block ends.

    volumes: directories of this machine by the path they have inside, read-only; writable: the
    same, and the command's own.
    """

    def __init__(
        self,
        image: Image,
        command: Sequence[str] = (),
        volumes: Mapping[str, Path] | None = None,
        writable: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.image = image
        self._command = command or image.command
        self._volumes = [
            *(_mounted(path, inside, "ro") for inside, path in (volumes or {}).items()),
            *(_mounted(path, inside, "rw") for inside, path in (writable or {}).items()),
        ]
        self._options = [
            *(f"--env={name}={value}" for name, value in (environment or {}).items()),
        ]

    def __enter__(self) -> "Container":
        # Readable for the runtime alone, and short: its path stands in a script's first lines.
        self._directory = tempfile.TemporaryDirectory()
        here = Path(self._directory.name)
        self._printed = (here / "printed").open("w+")
        (here / "volumes").write_text(json.dumps(self._volumes))
        strict = here / "strict-runtime"
        strict.write_text(STRICT_RUNTIME.format(python=sys.executable, runtime=runtime()))
        strict.chmod(0o700)
        self._working = run("buildah", "from", "--pull-never", self.image.name).strip()
        self.process = subprocess.Popen(
            [
                *("buildah", "run", "--isolation", "oci", "--runtime", str(strict)),
                *("--network", "none", *self._options, self._working, "--", *self._command),
            ],
            stdout=self._printed,
            stderr=subprocess.STDOUT,
        )
        self._facts = json.loads(self._awaited(here / "facts"))
        self.started = float(self._awaited(here / "started"))
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.kill(self._facts["pid"], signal.SIGKILL)
            self.process.wait(SECONDS)
        run("buildah", "rm", self._working)
        self._printed.close()
        self._directory.cleanup()

    def ask(self, path: str, body: object = None) -> tuple[float, int, Any]:
        """Send a request; gives when the answer came, its status and its JSON."""
        words = "" if body is None else json.dumps(body)
        method = "GET" if body is None else "POST"
        until = str(time.time() + SECONDS)
        printed = run(
            *("nsenter", "--net", "--target", str(self._facts["pid"]), sys.executable),
            *("-c", CLIENT, method, path, until),
            input=words,
        )
        when, status, text = json.loads(printed)
        return when, status, json.loads(text)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the first process, as `docker exec` and health checks do."""
        return subprocess.run(
            [str(runtime()), "exec", self._facts["id"], *command], capture_output=True, text=True
        )

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM to the first process; gives the exit code, and the seconds it took."""
        begun = time.monotonic()
        os.kill(self._facts["pid"], signal.SIGTERM)
        return self.process.wait(SECONDS), time.monotonic() - begun

    def finish(self) -> str:
        """Wait until the command ends well, and give what it printed."""
        code = self.process.wait(5 * SECONDS)
        assert code == 0, self.printed()
        return self.printed()

    def printed(self) -> str:
        """Return what was printed so far."""
        self._printed.seek(0)
        return self._printed.read()

    def _awaited(self, path: Path) -> str:
        deadline = time.monotonic() + SECONDS
        while not (path.exists() and (text := path.read_text())):
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.005)
        return text


def _mounted(path: Path, inside: str, mode: str) -> dict[str, object]:
    options = ["rbind", mode, "nosuid", "nodev"]
    return {"destination": inside, "source": str(path), "type": "bind", "options": options}
