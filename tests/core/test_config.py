from pathlib import Path

import pytest

from luytre.core.config import Config, load_config
from luytre.core.errors import ConfigurationError


def written(folder: Path, text: str) -> Path:
    path = folder / "luytre.yaml"
    path.write_text(text)
    return path


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ""))

    assert config.workers == Config().workers
    assert config.data_dir == tmp_path / "data"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = "enrich: {assets: a.csv}\nship: {files: [{paths: [logs/*.log, /var/log/x]}]}\n"

    config = load_config(written(tmp_path, text))

    assert config.enrich.assets == tmp_path / "a.csv"
    assert config.ship.files[0].paths == (str(tmp_path / "logs/*.log"), "/var/log/x")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param(
            "workrs: 2", ['1: unknown setting "workrs"; did you mean "workers"?'], id="typo"
        ),
        pytest.param(
            "ship:\n  files:\n    - paths: [a]\n      log_sorce: x",
            ['4: unknown setting "ship.files.0.log_sorce"; did you mean "log_source"?'],
            id="typo deep inside a list",
        ),
        pytest.param(
            "workers: zero\nlog:\n  partitions: 0",
            [
                '1: "workers": Input should be a valid integer',
                '3: "log.partitions": Input should be',
            ],
            id="all faults at once, in the order of lines",
        ),
        pytest.param(
            'ship:\n  syslog:\n  - listen: a:1\n    time_zone: Asia/Hanoy\n  files:\n  - {paths: [], time_zone: +7:00}\n  - {paths: [], time_zone: "+7"}',
            [
                '4: "ship.syslog.0.time_zone": no time zone is named "Asia/Hanoy" here; ',
                '6: "ship.files.0.time_zone": 420 is no time zone: ',
                '7: "ship.files.1.time_zone": no time zone is named "+7" here; ',
            ],
            id="time zones",
        ),
        pytest.param("a: &x 1\nb: *x", ["1: YAML anchors and aliases are not allowed"], id="alias"),
        pytest.param("a: !!python/name:os.system x", ["1: the YAML tag"], id="tag"),
        pytest.param("workers: 1\nworkers: 2", ["2: the key 'workers' is there twice"], id="twice"),
        pytest.param("- 1", ["1: must be a mapping"], id="a list"),
        pytest.param("a: }", ["1: is not YAML"], id="no YAML"),
        pytest.param(
            "organization: ${LUYTRE_NOT_SET}", ["1: the environment has no"], id="variable"
        ),
        pytest.param("metrics: {listen: everywhere}", ["1: "], id="address"),
        pytest.param(
            "kafka:\n  sasl: {user: u, password: geheim}",
            ["2: a secret stands in the file; write ${NAME}"],
            id="a password in plain",
        ),
        pytest.param(
            "kafka:\n  sasl:\n    mechanism: PLAIN\n    user: u\n    password_file: p",
            ['1: "kafka": sasl.mechanism PLAIN shows the password'],
            id="a password over the open network",
        ),
        pytest.param(
            "kafka:\n  sasl: {user: u}\n  tls: {key: k}",
            ['2: "kafka.sasl": give password', '3: "kafka.tls": certificate and key'],
            id="half of what belongs together",
        ),
    ],
)
def test_every_fault_has_its_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as caught:
        load_config(path)

    lines = str(caught.value).splitlines()
    assert len(lines) == len(faults)
    assert all(
        line.startswith(f"{path}:{fault}") for line, fault in zip(lines, faults, strict=True)
    )


def test_environment_fills_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUYTRE_TEST_ORG", "000.00.01.H04")

    config = load_config(written(tmp_path, "organization: ${LUYTRE_TEST_ORG}"))

    assert config.organization == "000.00.01.H04"
