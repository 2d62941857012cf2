"""Schemathesis as each role: whatever is sent, no fault of ours, and nothing beyond the role."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from luytre.console.routes import NEEDS
from luytre.core.actor import GRANTS
from tests.console.installation import PEOPLE, Installation, alert, signer

pytestmark = [pytest.mark.integration]

EXAMPLES = 8
"""Requests to each call, by each role: half as described, half not."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
USED = ("method", "url", "headers", "params", "json")
QUIET = settings(
    max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("schema")
    with signer(folder):
        made = Installation(folder)
        made.fill(alert(1, {"host.name": "srv-1"}), alert(3, at=7, organization="so-tai-chinh"))
        yield made
        made.close()


def headers_of(made: Installation, user: str) -> dict[str, str]:
    page = made.browser(user).post("/account/keys", title="schema", days="9").text
    secret = re.search(r"luytre_[\w-]+", page)
    assert secret
    return {"authorization": f"Bearer {secret[0]}"}


@pytest.mark.parametrize("user", PEOPLE)
def test_nothing_breaks_and_nobody_gets_beyond_their_role(filled: Installation, user: str) -> None:
    headers = headers_of(filled, user)
    client = filled.browser().client
    described = client.get("/api/v1/openapi.json", headers=headers).json()
    tried: Counter[int] = Counter()

    def may(needs: str) -> bool:
        return needs == "login" or any(needs in GRANTS[role] for role in PEOPLE[user][0])

    def send(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=filled.url, headers=headers)
        told = {name: sent[name] for name in USED if name in sent}
        if isinstance(sent.get("data"), str | bytes):
            told["content"] = sent["data"]
        answer = client.request(**told)
        allowed = may(case.operation.definition.raw[NEEDS])
        tried[answer.status_code] += 1
        assert answer.status_code < 500, (case.method, case.path, answer.text)
        # What is no address or no JSON is said so before anybody is asked for their role.
        unread = answer.status_code == 400 and answer.json()["error"] == "Nothing was done"
        refused = unread or answer.status_code in {403, 404, 405, 422}
        assert allowed or refused, (case.method, case.path, answer.text)
        assert not allowed or answer.status_code != 403, (case.method, case.path, answer.text)

    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        operation: Any = found.ok()
        kinds = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES))
        # A function of its own for each call: Hypothesis marks what it decorates.
        QUIET(given(kinds)(lambda case: send(case)))()  # noqa: PLW0108

    assert sum(tried.values()) > 150
    assert tried[200] > 2, "hardly anything that was sent made sense"
