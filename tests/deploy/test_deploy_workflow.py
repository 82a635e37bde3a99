"""What deploy.yml runs, run here: against an account and a service on loopback.

Left out are what needs GitHub (its token, the attestation) and the change of the stack itself,
which moto does not roll out: there the service is put on the new revision by hand.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.cloud import STACK, Cloud, address_of, digest_of
from tests.service.serving import Server

JOB = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8"))["jobs"]
STEPS = {step["name"]: step for step in JOB["deploy"]["steps"]}
KEY = "a-key-of-many-letters"

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is absent: no step is run")


class Run:
    """A run of the workflow: the inputs and the outputs of its steps."""

    def __init__(self, directory: Path, url: str, **inputs: str) -> None:
        self.directory = directory
        self.given = {
            "vars.SERVICE_URL": url,
            "steps.key.outputs.key": KEY,
            **{f"inputs.{name}": value for name, value in inputs.items()},
        }

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        files = {n: self.directory / n for n in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]],
            cwd=ROOT,
            env={
                **os.environ,
                **self._filled({**JOB["deploy"]["env"], **step.get("env", {})}),
                "STACK": STACK,
                "RUNNER_TEMP": str(self.directory),
                **{name: str(path) for name, path in files.items()},
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        if "id" in step and files["GITHUB_OUTPUT"].is_file():
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                self.given[f"steps.{step['id']}.outputs.{key}"] = value
        return done

    def passes(self, name: str) -> str:
        done = self.step(name)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _filled(self, wanted: dict[str, str]) -> dict[str, str]:
        def value_of(expression: re.Match[str]) -> str:
            return self.given.get(expression[1], "")

        return {name: re.sub(r"\$\{\{ (.+?) \}\}", value_of, text) for name, text in wanted.items()}


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Any:
    with Server(tmp_path, newest=run, key=KEY) as server:
        yield server


def test_new_image_that_fails_the_smoke_test_is_rolled_back(
    cloud: Cloud, server: Server, tmp_path: Path
) -> None:
    cloud.rollout = ["COMPLETED"]
    # The third revision was bad, and was rolled back: it must not come back with the fourth.
    cloud.put_service_on(2)
    run = Run(tmp_path, f"http://127.0.0.1:{server.port}", image=digest_of("ccc"))
    run.passes("Read the current state")
    assert run.given["steps.before.outputs.revision"] == "2"

    cloud.put_service_on(cloud.register("ccc"))
    cloud.let_the_stack_say(4)
    run.given["steps.key.outputs.key"] = "not-the-one"
    failed = run.step("Smoke test")
    assert failed.returncode == 1
    assert "/predict: status 401" in failed.stderr

    run.given["steps.key.outputs.key"] = KEY
    result = run.passes("Roll back after a failed smoke test")
    assert cloud.running() == 2
    assert "lives and predicts by" in result
    assert (
        "::warning::the new image failed the smoke test: the service is back on revision 2"
        in result
    )
    run.passes("Summarize the state")
    assert "rolled back" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_first_deployment_has_no_revision_to_roll_back_to(cloud: Cloud, tmp_path: Path) -> None:
    run = Run(tmp_path, "http://127.0.0.1:9")
    done = run.step("Roll back after a failed smoke test")
    assert done.returncode == 1
    assert "there is no revision to return to" in done.stdout
    assert "UpdateService" not in cloud.front.calls


@pytest.mark.parametrize(
    ("inputs", "revision"), [({"revision": "1"}, 1), ({"image": digest_of("bbb")}, 2)]
)
def test_manual_rollback(
    cloud: Cloud, tmp_path: Path, inputs: dict[str, str], revision: int
) -> None:
    cloud.rollout = ["COMPLETED"]
    Run(tmp_path, "", **inputs).passes("Roll back")
    assert cloud.running() == revision


def test_both_a_revision_and_an_image_are_refused(cloud: Cloud, tmp_path: Path) -> None:
    done = Run(tmp_path, "", revision="1", image=digest_of("aaa")).step("Roll back")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert cloud.running() == 3


def test_image_that_is_in_the_stack_but_not_running_fails_the_check(
    cloud: Cloud, tmp_path: Path
) -> None:
    step = "Check that the image is running"
    Run(tmp_path, "", image="ccc").passes(step)
    Run(tmp_path, "", image=digest_of("ccc")).passes(step)
    cloud.put_service_on(2)
    done = Run(tmp_path, "", image=digest_of("ccc")).step(step)
    assert done.returncode == 1
    assert f"::error::the service runs {address_of('bbb')}, not {digest_of('ccc')}" in done.stdout


@pytest.mark.usefixtures("cloud")
def test_current_state_of_the_stack_is_read(tmp_path: Path) -> None:
    run = Run(tmp_path, "")
    run.passes("Read the current state")
    found = {n.rpartition(".")[2]: v for n, v in run.given.items() if n.startswith("steps.before")}
    assert found["url"].startswith("http://")
    assert found["repository"].endswith("/mlops/api")
    assert found["secret"]
