"""The containers: limited, unprivileged, without a secret in the environment, and ours to run."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ingest.logsources import HINTS
from luytre.core.config import load_config
from luytre.processor.supervise import DRAIN_S
from tests.deploy.lines import DEPLOY, ROOT, UsageError, parse

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("luytre:")]
LOOPS = [name for name in OURS if SERVICES[name]["restart"] != "no"]
WRITES_INTO_ITSELF = {"elasticsearch"}
"""Its image makes a keystore in its own folder."""
KEYS = {
    "image",
    "build",
    "user",
    "read_only",
    "cap_drop",
    "security_opt",
    "pids_limit",
    "mem_limit",
    "cpus",
    "tmpfs",
    "environment",
    "command",
    "entrypoint",
    "volumes",
    "secrets",
    "networks",
    "ports",
    "restart",
    "stop_grace_period",
    "logging",
    "healthcheck",
    "depends_on",
    "scale",
}
"""Of the Compose specification's service, those that are used here."""
SECRET = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


@pytest.mark.parametrize("name", SERVICES)
class TestEveryService:
    def test_has_limits(self, name: str) -> None:
        service = SERVICES[name]

        assert set(service) <= KEYS
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
        assert 0 < service["cpus"] <= 2
        assert service["pids_limit"]
        assert service["logging"]["options"]["max-size"]

    def test_has_no_rights_beyond_its_own(self, name: str) -> None:
        service = SERVICES[name]
        user = service.get("user", "10001:10001")

        assert not user.startswith(("0", "root"))
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("read_only") or name in WRITES_INTO_ITSELF
        assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))

    def test_says_whether_it_is_well(self, name: str) -> None:
        check = SERVICES[name]["healthcheck"]

        assert check.get("test") or (check["disable"] and SERVICES[name]["restart"] == "no")

    def test_has_no_secret_in_its_environment(self, name: str) -> None:
        for key, value in SERVICES[name].get("environment", {}).items():
            names_a_file = key.endswith("_FILE") or str(value).startswith(("certs/", "/run/"))
            assert names_a_file or not SECRET.search(key), key

    def test_waits_for_what_can_become_ready(self, name: str) -> None:
        for other, wanted in SERVICES[name].get("depends_on", {}).items():
            once = SERVICES[other]["restart"] == "no"
            assert wanted["condition"] == (
                "service_completed_successfully" if once else "service_healthy"
            )

    def test_names_what_is_there(self, name: str) -> None:
        service = SERVICES[name]
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in COMPOSE["volumes"] or source.startswith("${LUYTRE_LOGS")
        for secret in service.get("secrets", ()):
            source = secret if isinstance(secret, str) else secret["source"]
            assert source in COMPOSE["secrets"]
        assert set(service["networks"]) <= set(COMPOSE["networks"])


@pytest.mark.parametrize("name", OURS)
def test_its_command_is_one_of_luytre(name: str) -> None:
    parse(SERVICES[name]["command"])


def test_a_command_that_luytre_does_not_have_is_found() -> None:
    for wrong in (["ship", "--twice"], ["backup"], ["detect", "--worker", "first"]):
        with pytest.raises(UsageError):
            parse(wrong)
    with pytest.raises(KeyError):
        parse(["teleport"])


def test_every_loop_has_a_container() -> None:
    roles = {
        "ship",
        "detect",
        "correlate",
        "index",
        "triage",
        "respond",
        "upkeep",
        "signer",
        "console",
    }

    assert set(LOOPS) == roles


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_has_time_to_drain(name: str) -> None:
    assert seconds(SERVICES[name]["stop_grace_period"]) > DRAIN_S


def test_the_configuration_is_good_and_answers_where_it_is_asked() -> None:
    config = load_config(DEPLOY / "config" / "luytre.yaml", HINTS)
    asked = SERVICES["detect"]["healthcheck"]["test"][-1]

    assert config.metrics.one_port
    assert f"http://127.0.0.1:{config.metrics.listen.rpartition(':')[2]}/healthz" in asked
    assert not config.audit.start_signer
    assert {"10002:10001"} == {SERVICES["signer"]["user"]}
    assert config.kafka.tls is not None
    files = [config.kafka.tls.ca, config.kafka.tls.certificate, config.kafka.tls.key]
    files += [config.alerts.elastic.password_file, config.alerts.elastic.ca_file]
    files += [source.token_file for source in config.ship.http]
    files += [config.console.certificate_file, config.console.key_file]
    assert {path.name for path in files if path} <= set(COMPOSE["secrets"])
    assert SERVICES["console"]["ports"] == [f"{config.console.listen.rpartition(':')[2]}:8460"]
    published = {port.split(":")[-1].split("/")[0] for port in SERVICES["ship"]["ports"]}
    listens = [source.listen for source in config.ship.syslog]
    listens += [source.listen for source in config.ship.http]
    assert {listen.rpartition(":")[2] for listen in listens} == published


def test_the_signer_sees_neither_the_case_database_nor_a_password() -> None:
    signer = SERVICES["signer"]

    assert not any("luytre-data" in volume for volume in signer["volumes"])
    assert signer["secrets"] == []


def test_elasticsearch_gives_luytre_what_the_reference_says() -> None:
    page = (ROOT / "docs" / "reference" / "elasticsearch.md").read_text()
    documented = re.search(r'\{"name": "luytre".*?\n```', page, re.DOTALL)
    assert documented
    role = yaml.safe_load(documented[0].removesuffix("```"))["role_descriptors"]["luytre"]

    assert yaml.safe_load((DEPLOY / "elastic" / "role.json").read_text()) == role


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to the users of containers: root")
def test_every_secret_is_made_for_who_reads_it(tmp_path: Path) -> None:
    script = DEPLOY / "make-secrets.sh"
    environment = {"PATH": os.environ["PATH"], "LUYTRE_SECRETS": str(tmp_path)}
    for arguments in (["centre.example.gov.vn", "192.0.2.7"], [], ["office", "dong-son"]):
        subprocess.run(["sh", str(script), *arguments], env=environment, check=True, capture_output=True)  # fmt: skip

    made = {path.name: path.stat() for path in tmp_path.iterdir() if path.is_file()}
    assert set(COMPOSE["secrets"]) <= set(made)
    for name, found in made.items():
        if name.endswith((".crt", ".pem")) and name != "kafka.pem":
            continue
        assert found.st_mode & 0o007 == 0, name
    assert made["luytre.key"].st_uid == 10001
    assert made["elastic-password"].st_mode & 0o777 == 0o400  # its image refuses others
    shown = subprocess.run(
        ["openssl", "verify", "-CAfile", "ca.pem", "-verify_hostname", "centre.example.gov.vn", "kafka.crt"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "office-dong-son" / "office-dong-son.key").stat().st_mode & 0o077 == 0
