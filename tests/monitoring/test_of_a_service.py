"""What a real service logs, and the labels that it is sent, are what a check reads."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tabproof import artifacts
from tests.conftest import typed_in
from tests.service.serving import Server

TOKEN = "a-token-for-labels-only"  # noqa: S105 - only for tests


def test_a_service_and_a_check_agree(champion: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    artifacts.Registry(tmp_path / "models").promote(champion, "table", "me", "")
    content = table.drop(columns="label").to_json(orient="records")
    rows = json.loads(content)[:110]
    rows[0]["job"], rows[1]["age"] = "astronaut", 1_000
    log = tmp_path / "log"
    settings = {"prediction_log": str(log), "labels_token": TOKEN}
    with Server(tmp_path, default_model="table", **settings) as server:
        batch = {"X-Request-Id": "batch"}
        answer = server.post("/predict_batch", {"rows": rows[:100]}, **batch).json
        predicted = list(answer["label"])
        for number, row in enumerate(rows[100:]):
            one = {"X-Request-Id": f"one-{number}"}
            predicted.append(server.post("/predict", {"features": row}, **one).json["label"])
        truth = table["label"].astype(str).tolist()[:110]
        labels = [
            {"request_id": "batch", "row": number, "label": label}
            for number, label in enumerate(truth[:100])
        ]
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert server.post("/labels", {"labels": labels}, **bearer).status == 200
        server.end()
    # Those of the single requests come in a file.
    path = tmp_path / "truth.csv"
    lines = [f"one-{number},{label}" for number, label in enumerate(truth[100:])]
    path.write_text("\n".join(["request_id,label", *lines, "one-0," + truth[100]]))
    done = typed_in("monitor", "labels", path, "--log", log)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()[:2]] == [
        ["accepted", "10"], ["repeated", "1"],
    ]  # fmt: skip
    words = ["--log", log, "--models", tmp_path / "models", "--outputs", tmp_path / "outputs"]
    done = typed_in("monitor", "check", *words, "--json")
    assert done.stderr == ""
    (model,) = json.loads(done.stdout)["models"]
    (run,) = model["runs"]
    assert (model["model"], model["n_rows"], model["n_requests"]) == ("table", 110, 11)
    assert run["run_id"] == artifacts.read_manifest(champion).run_id
    # Its only day is not over.
    assert (run["is_judged"], done.returncode) == (False, 2)
    quality = {each["name"]: each for each in run["quality"]}
    assert quality["job"]["unseen"] == quality["age"]["out_of_range"] == pytest.approx(1 / 110)
    n_missing = int(table["job"][:110].isna().sum()) - (pd.isna(table["job"][0]))
    assert quality["job"]["missing"] == pytest.approx(n_missing / 110)
    found = run["performance"]
    assert (found["n_labelled"], found["n_unlabelled"]) == (110, 0)
    right = sum(a == b for a, b in zip(predicted, truth, strict=True))
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(right / 110)
