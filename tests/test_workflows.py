"""The workflows cannot run here: what can be known of them without GitHub and an account."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.commands import parser
from tabproof.cli.runs import runs
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
(DEPLOY,) = (path for path in WORKFLOWS if path.name == "deploy.yml")
(RETRAIN,) = (path for path in WORKFLOWS if path.name == "retrain.yml")
PIN = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# What a job may change. Of its own repository, nothing.
MAY_WRITE = {"id-token", "attestations"}
OUTSIDE = re.compile(r"\$\{\{")

each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def loaded(path: Path) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for a truth.
    text = re.sub(r"^on:", '"on":', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in loaded(path)["jobs"].values():
        yield from job.get("steps", [])


def blocks() -> list[Any]:
    return [
        pytest.param(step["run"], id=f"{path.stem}: {step['name']}")
        for path in WORKFLOWS
        for step in steps(path)
        if "run" in step
    ]


def clean(*command: str | Path, **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_four() -> None:
    names = ["build-and-push.yml", "ci.yml", "deploy.yml", "retrain.yml"]
    assert [path.name for path in WORKFLOWS] == names


@pytest.mark.parametrize(
    "schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"]
)
def test_they_have_the_form_that_github_reads(schema: str) -> None:
    clean(BIN / "check-jsonschema", "--builtin-schema", schema, *WORKFLOWS)


def test_no_audit_finds_anything() -> None:
    clean(BIN / "zizmor", "--offline", "--persona", "auditor", "--no-ignores", ".github")


def test_pins_are_kept_fresh() -> None:
    schema = "vendor.dependabot"
    clean(BIN / "check-jsonschema", "--builtin-schema", schema, ".github/dependabot.yml")


@pytest.mark.parametrize("block", blocks())
def test_what_they_run_is_sound_bash(block: str) -> None:
    clean("bash", "-n", input=block)
    clean(
        BIN / "shellcheck",
        "--shell",
        "bash",
        "--enable",
        "check-set-e-suppressed",
        "-",
        input=block,
    )


@pytest.mark.parametrize("script", sorted((ROOT / ".ci").iterdir()), ids=lambda path: path.name)
def test_what_they_start_is_sound_bash(script: Path) -> None:
    clean(BIN / "shellcheck", script)


@each
def test_what_they_use_is_pinned(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    for name in used:
        if name.startswith("$/"):
            assert (ROOT / name.removeprefix("$/")).is_file()
        else:
            assert PIN.fullmatch(name), name


def test_an_action_is_of_one_version_everywhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w.-]+/[^@\s]+)@(.+)", text))
    assert len(pins) == len({name for name, _ in pins})


@each
def test_each_job_shows_what_it_may(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert isinstance(job["permissions"], dict)
        written = {name for name, level in job["permissions"].items() if level == "write"}
        assert written <= MAY_WRITE


@each
def test_strangers_start_nothing_that_has_rights(path: Path) -> None:
    workflow = loaded(path)
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(workflow["on"])
    if "pull_request" in workflow["on"]:
        assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())


@each
def test_no_secret_is_kept_and_no_value_becomes_a_command(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "AWS_SECRET_ACCESS_KEY" not in text
    assert not [step["name"] for step in steps(path) if OUTSIDE.search(step.get("run", ""))]


@each
def test_the_token_is_not_left_in_the_checkout(path: Path) -> None:
    checkouts = [step for step in steps(path) if "actions/checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_what_they_run_of_this_project_is_there() -> None:
    text = "\n".join(str(block.values[0]) for block in blocks())
    targets = re.findall(r"^make ([\w-]+)", text, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)
    scripts = set(re.findall(r"^\.ci/[\w-]+", text, flags=re.MULTILINE))
    assert scripts == {".ci/run", ".ci/build-image"}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    modules = set(re.findall(r"python -m ([\w.]+)", text))
    assert modules == {"deploy", "deploy.smoke", "src.runs"}
    assert (ROOT / "deploy" / "smoke.py").is_file()


def test_what_they_say_to_deploy_is_understood() -> None:
    text = "\n".join(str(block.values[0]) for block in blocks()).replace("\\\n", " ")
    commands = re.findall(r"python -m deploy ([a-z].*?)(?:\)$|[>|]|$)", text, flags=re.MULTILINE)
    assert {command.split()[0] for command in commands} == {"deploy", "rollback", "status"}
    for command in commands:
        # ${REVISION:+--to "$REVISION"} says either nothing or all of it.
        either = re.sub(r'\$\{\w+:\+(--\w+) "\$\w+"\}', r"\1 7", command).replace("--image 7", "")
        parser().parse_args(shlex.split(re.sub(r'"\$\w+"', "7", either)))


def test_status_shows_what_they_read_of_the_stack() -> None:
    # Its short forms of functions are no plain YAML.
    template = (ROOT / "deploy" / "stack.yaml").read_text(encoding="utf-8")
    outputs = set(re.findall(r"^  (\w+):$", template.partition("\nOutputs:\n")[2], re.MULTILINE))
    asked = set(re.findall(r"\.outputs\.([A-Z]\w+)", DEPLOY.read_text(encoding="utf-8")))
    assert asked
    assert asked <= outputs


@pytest.mark.parametrize(
    ("action", "image", "is_fine"),
    [
        ("deploy", "a" * 40, True),
        ("deploy", f"sha256:{'0' * 64}", True),
        ("deploy", "", False),
        ("deploy", "latest", False),
        ("deploy", "a" * 7, False),
        ("deploy", f"{'a' * 40}; echo", False),
        ("rollback", "", True),
    ],
)
def test_what_cannot_be_deployed_is_refused_first(action: str, image: str, is_fine: bool) -> None:
    first = next(steps(DEPLOY))
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", first["run"]],
        env={"ACTION": action, "IMAGE": image},
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == is_fine
    assert (done.stdout == "") == is_fine


@pytest.mark.parametrize(
    ("code", "last", "ends"),
    [
        (0, "promoted  adult 1f26: AUC 0.93", 0),
        (0, "adult: no alarm, nothing to do", 0),
        # It was trained and is not better: an answer.
        (1, "error: not promoted: AUC 0.9, current version 0.9", 0),
        (1, "error: OSError: boom", 1),
        (2, "error: cannot be trained again: new columns", 2),
    ],
)
def test_a_model_that_is_not_promoted_is_no_failure_of_retraining(
    code: int, last: str, ends: int, tmp_path: Path
) -> None:
    (step,) = (each for each in steps(RETRAIN) if each.get("id") == "retrain")
    program = tmp_path / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho \"$@\"\necho '{last}' >&2\nexit {code}\n")
    program.chmod(0o755)
    names = {"MODEL": "adult", "LOG": "s3://b/log", "IF_ALARM": "--if-alarm"}
    summary = tmp_path / "summary"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={
            **os.environ,
            **names,
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == ends
    typed = "-m src.runs retrain adult --log s3://b/log --if-alarm"
    assert done.stdout.splitlines() == [typed, last]
    assert last in summary.read_text()


def test_nothing_is_trained_again_before_a_variable_names_the_model() -> None:
    (job,) = loaded(RETRAIN)["jobs"].values()
    assert job["if"] == "${{ vars.RETRAIN_MODEL != '' }}"
    assert set(loaded(RETRAIN)["on"]) == {"schedule", "workflow_dispatch"}
    text = "\n".join(step.get("run", "") for step in steps(RETRAIN)).replace("\\\n", " ")
    commands = re.findall(r"python -m src\.runs (.+?)(?: +>|$)", text, flags=re.MULTILINE)
    # ${IF_ALARM:+"$IF_ALARM"} says either nothing or all of it.
    typed = [shlex.split(re.sub(r"\$\{\w+:\+.*?\}", "--if-alarm", each)) for each in commands]
    assert [words[0] for words in typed] == ["pull", "retrain", "push"]
    for name, *words in typed:
        # Raises for a word that the command does not know.
        runs.commands[name].make_context(name, words)
