import json

import pytest

from luytre.core.log import configure_logs, escape_controls, get_logger


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("tỉnh Bắc Giang", "tỉnh Bắc Giang", id="Vietnamese stays"),
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="a terminal escape"),
        pytest.param("a\nb", "a\\nb", id="a forged line"),
        pytest.param("a\u202egpj.exe", "a\\u202egpj.exe", id="text that runs backwards"),
        pytest.param("\x9b2J", "\\x9b2J", id="a C1 control"),
    ],
)
def test_controls_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


def test_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(json=True)

    get_logger("test").warning("event", value="a\n{\x1b}")

    line = json.loads(capsys.readouterr().err)
    assert line["value"] == "a\\n{\\x1b}"
    assert line["room"] == "test"
