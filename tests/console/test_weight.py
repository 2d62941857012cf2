"""What a page weighs on a thin line."""

from collections.abc import Iterator

import pytest

from luytre.console.files import files
from tests.console.installation import Installation, alert, signer
from tests.console.test_alerts import archive

PAGE_BYTES_MAX = STATIC_BYTES_MAX = 30_000
EVENT = {f"process.field_{n}": f"C:\\Program Files\\Part {n}\\a long value {n * 7919}.exe"
         for n in range(40)}  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """More incidents than a page shows, each with a long event."""
    folder = tmp_path_factory.mktemp("full")
    with signer(folder):
        made = Installation(folder)
        made.fill(*(
            alert(n, {"host.name": f"srv-{n}", "user.name": f"user{n}", **EVENT}, at=n / 10,
                  rule=f"rule-{n % 9}", original=str(EVENT).encode())
            for n in range(1, 61)
        ))  # fmt: skip
        archive(made)
        yield made
        made.close()


@pytest.mark.parametrize(
    "path",
    ["/login", "/incidents", "/incidents?group=rule", "/incidents/many", "/incidents/1", "/alerts",
     "/alerts/00000001", "/alerts/00000001/context", "/runs", "/account", "/rules", "/rules/matrix", "/rules/refused", "/rules/drafts"],
)  # fmt: skip
def test_a_page_is_light(full: Installation, path: str) -> None:
    answer = full.browser("lan", "vi").get(path)

    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) <= PAGE_BYTES_MAX


def test_style_and_script_are_light_and_kept(full: Installation) -> None:
    weights = []
    for file in files().values():
        answer = full.browser().get(f"/static/{file.name}")
        again = full.browser().get(
            f"/static/{file.name}", headers={"if-none-match": answer.headers["etag"]}
        )
        weights.append(int(answer.headers["content-length"]))
        assert "immutable" in answer.headers["cache-control"]
        assert (again.status_code, again.content) == (304, b"")

    assert sum(weights) <= STATIC_BYTES_MAX
