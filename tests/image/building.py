"""Images built for real, without a registry: by buildah, over a base image that is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

# What an index needs to be found; an address of this machine's files is none inside a build.
INDEX = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def base_name() -> str:
    """Return the base image of the Dockerfile."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def missing() -> str:
    """Return what is missing to build; empty where nothing is."""
    name, command = base_name(), os.environ.get("BASE_IMAGE_COMMAND", "")
    if os.geteuid() != 0:
        return "the image is not checked: containers are run as root here"
    if shutil.which("buildah") is None or runtime() is None:
        return "the image is not checked: Debian's packages buildah and runc are not installed"
    if _is_there(name):
        return ""
    if command:
        subprocess.run([*command.split(), name], check=True)
        if _is_there(name):
            return ""
    return (
        f"the image is not checked: there is no local image {name}; `buildah pull {name}`, or set"
        " BASE_IMAGE_COMMAND to a command that makes the image it is given the name of"
    )


def runtime() -> str | None:
    """Find what runs containers as engines do; crun needs version 2 of control groups."""
    return shutil.which("runc") or shutil.which("crun")


@dataclass(frozen=True)
class Image:
    """An image in the local storage. name: with its tag."""

    name: str

    @property
    def config(self) -> dict[str, Any]:
        """Return the image configuration: Entrypoint, Env, Healthcheck, Labels, User, Volumes."""
        return dict(self._inspected["Docker"]["config"])

    @property
    def layers(self) -> list[str]:
        """Return the digests of the layers, those of the base image first."""
        return list(self._inspected["OCIv1"]["rootfs"]["diff_ids"])

    @property
    def command(self) -> list[str]:
        """Return the command that a container engine starts."""
        return [*self.config["Entrypoint"], *(self.config.get("Cmd") or [])]

    def sizes_above(self, base: "Image", directory: Path) -> tuple[int, int]:
        """Return the bytes added to the base image: on disk, and in a registry."""
        place = directory / "layout"
        run("buildah", "push", "--quiet", self.name, f"oci:{place}:it")
        blobs = place / "blobs" / "sha256"
        index = json.loads((place / "index.json").read_text())
        manifest = json.loads((blobs / _digest(index["manifests"][0])).read_text())
        added = [blobs / _digest(layer) for layer in manifest["layers"][len(base.layers) :]]
        sizes = sum(map(_unpacked, added)), sum(path.stat().st_size for path in added)
        shutil.rmtree(place)
        return sizes

    def remove(self) -> None:
        """Remove it from the local storage."""
        run("buildah", "rmi", "--force", self.name)

    @property
    def _inspected(self) -> dict[str, Any]:
        return dict(json.loads(run("buildah", "inspect", "--type", "image", self.name)))


def copy_sources(target: Path) -> None:
    """Copy what a build reads, so that nobody changes it between two builds."""
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, target / name)
    for name in ("api", "conf", "deploy/image", "requirements", "src"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target / name, ignore=ignored)


def build(name: str, target: str, sources: Path, *options: str) -> Image:
    """Build a target of the Dockerfile, as `docker build` does; nothing is taken from before.

    The same sources give the same layers, since no time is kept.
    """
    pip_conf = sources.with_name("pip.conf")
    pip_conf.write_text(_index(), encoding="utf-8")
    run(
        *("buildah", "bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
        *("--no-cache", "--timestamp", "0", "--secret", f"id=pip,src={pip_conf}"),
        *("--target", target, "--tag", name, *options, str(sources)),
    )
    return Image(name)


def run(*command: str, **options: Any) -> str:
    """Run a command and give what it prints; what it says when it fails is the failure."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _index() -> str:
    """Word this machine's pip configuration for the build."""
    lines = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    chosen = {}
    for line in lines:
        key, _, value = line.partition("=")
        text = " ".join(w for w in value.strip("'").split() if not w.startswith("file:"))
        if (option := key.rpartition(".")[2]) in INDEX and text:
            chosen[option] = text
    return "".join(["[global]\n", *(f"{key} = {value}\n" for key, value in chosen.items())])


def _is_there(name: str) -> bool:
    done: Sequence[str] = ("buildah", "inspect", "--type", "image", name)
    return subprocess.run(done, capture_output=True, check=False).returncode == 0


def _digest(description: dict[str, Any]) -> str:
    return str(description["digest"]).removeprefix("sha256:")


def _unpacked(layer: Path) -> int:
    unzip, size = zlib.decompressobj(wbits=31), 0
    with layer.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(unzip.decompress(block))
    return size
