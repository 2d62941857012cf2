"""The image: built in stages from hashed locks, small, not root; and the script for machines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib

import pytest

from tests.deploy.lines import DEPLOY, ROOT, parse

TEXT = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
LINES = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and line[0] not in "# "]
SCRIPTS = ("install.sh", "make-secrets.sh", "elastic/make-user.sh")


def of(instruction: str, *, stage: int) -> list[str]:
    """Return the arguments of an instruction in a stage, counted from 1."""
    at, found = 0, []
    for name, rest in LINES:
        at += name == "FROM"
        if name == instruction and at == stage:
            found.append(rest)
    return found


def test_the_last_stage_is_not_root_and_has_no_build_tools() -> None:
    assert of("FROM", stage=3) == []
    assert of("USER", stage=2) == ["10001:10001"]
    (run,) = of("RUN", stage=2)
    assert "rm -rf" in run
    assert "site-packages/pip*" in run
    assert not re.search(r"apt-get|apk|gcc|pip install", run)
    assert of("COPY", stage=2) == ["--from=build /opt/luytre /opt/luytre"]
    assert "uninstall --yes uv-build pip" in of("RUN", stage=1)[-1]


def test_everything_is_checked_against_its_hash() -> None:
    installed = " ".join(of("RUN", stage=1))

    assert "--require-hashes -r locks/run.txt" in installed
    assert "--no-index --no-deps" in installed
    assert "--no-index --find-links /wheelhouse" in installed  # and without the Internet
    assert not [line for line in LINES if line[0] == "ADD"]


def test_it_runs_luytre() -> None:
    assert json.loads(of("ENTRYPOINT", stage=2)[0]) == ["luytre"]
    parse(json.loads(of("CMD", stage=2)[0]))


def test_what_is_copied_is_there_and_goes_to_the_builder() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in ignored if line.startswith("!")}
    copied = [name for line in of("COPY", stage=1) for name in line.split()[:-1]]

    assert {name.rstrip("/") for name in copied} == admitted
    assert all((ROOT / name).exists() for name in copied)


def test_every_package_of_the_project_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["uv"]["build-backend"]["module-name"])
    install = (DEPLOY / "install.sh").read_text()

    assert packages <= {line.split()[0] for line in of("COPY", stage=1)}
    assert all(f" {name} " in install for name in packages)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)
    assert (DEPLOY / script).read_text().count("set -eu\n") == 1
    shellcheck = shutil.which("shellcheck")
    if shellcheck is not None:
        subprocess.run([shellcheck, "--shell=sh", str(DEPLOY / script)], check=True)
