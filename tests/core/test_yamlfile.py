import time
from pathlib import Path

import pytest

from luytre.core.yamlfile import read_yaml

PATH = Path("some.yml")


def test_every_value_has_its_line() -> None:
    documents, faults = read_yaml(PATH, b"a: 1\nb:\n  - x\n  - y: 2\n---\nc: 3\n")

    assert not faults
    assert documents[0].data == {"a": 1, "b": ["x", {"y": 2}]}
    assert documents[0].line(("b", 1, "y")) == 4
    assert documents[0].line(("b", 1, "gone")) == 4
    assert documents[1].line(("c",)) == 6


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b"\n".join(b"a%d: &a%d [*a%d]" % (i, i, i - 1) for i in range(1, 60)), id="bomb"
        ),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"- 1\n" * 300_000, id="wide"),
        pytest.param(b"a: " + b"x" * 2_000_000, id="large"),
        pytest.param(b"a: !!python/object/apply:os.system [id]", id="object"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"a: \x00", id="NUL"),
        pytest.param(b"? [1, 2]\n: 3", id="a list as a key"),
        pytest.param(b"{a: b: c}", id="no YAML"),
    ],
)
def test_what_no_person_writes_is_refused_at_once(content: bytes) -> None:
    started = time.process_time()

    documents, faults = read_yaml(PATH, content)

    assert not documents
    assert len(faults) == 1
    assert time.process_time() - started < 1


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    documents, faults = read_yaml(tmp_path / "none.yml")

    assert not documents
    assert "cannot be read" in str(faults[0])
