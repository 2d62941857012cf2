"""Windows events in every shape that shippers write."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.decode.layout import Origin, Row
from ingest.logsources import windows
from ingest.logsources.windows_channels import PER_EVENT_ID
from ingest.logsources.windows_shapes import flatten
from luytre.core.batch import LogSource
from luytre.core.cells import MARK, NULL, texts
from tests.ingest.logsources.samples import cells, read, time

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def evtx(
    event_id: Any, channel: str, data: Any, provider: str = "P", **event: Any
) -> dict[str, Any]:
    system = {
        "Provider": {"#attributes": {"Name": provider, "Guid": "1"}},
        "EventID": event_id,
        "Level": 4,
        "Keywords": "0x8000000000000000",
        "TimeCreated": {"#attributes": {"SystemTime": "2026-02-05T22:17:34.558070Z"}},
        "Channel": channel,
        "Computer": "pc-1",
        "Execution": {"#attributes": {"ProcessID": 11, "ThreadID": 12}},
        "Security": {"#attributes": {"UserID": "S-1-5-18"}},
    }
    return {"Event": {"System": system, "EventData": data, **event}}


PROCESS = {"Image": r"C:\a.exe", "CommandLine": "a.exe  -x ", "ProcessId": 5}
SHAPES = {
    "EVTX": evtx(1, SYSMON, PROCESS),
    "EVTX with a text id": evtx("1", SYSMON, PROCESS),
    "EVTX with qualifiers": evtx({"#attributes": {"Qualifiers": 0}, "#text": 1}, SYSMON, PROCESS),
    "EVTX after a source file": {"source_file": "x.evtx", **evtx(1, SYSMON, PROCESS)},
    "EVTX without the outer element": evtx(1, SYSMON, PROCESS)["Event"],
    "named Data elements": evtx(
        1,
        SYSMON,
        {"Data": [{"#attributes": {"Name": n}, "#text": v} for n, v in PROCESS.items()]},
    ),
    "xmltodict": {
        "Event": {
            "System": {
                "EventID": "1",
                "Channel": SYSMON,
                "Computer": "pc-1",
                "Provider": {"@Name": "P"},
                "TimeCreated": {"@SystemTime": "2026-02-05T22:17:34.558070Z"},
            },
            "EventData": {"Data": [{"@Name": n, "#text": v} for n, v in PROCESS.items()]},
        }
    },
    "Winlogbeat": {
        "@timestamp": "2026-02-05T22:17:34.558070Z",
        "winlog": {
            "channel": SYSMON,
            "event_id": "1",
            "provider_name": "P",
            "computer_name": "pc-1",
            "event_data": PROCESS,
        },
    },
    "Winlogbeat, dotted": {
        "@timestamp": "2026-02-05T22:17:34.558070Z",
        "winlog.channel": SYSMON,
        "winlog.event_id": 1,
        "winlog.provider_name": "P",
        "winlog.computer_name": "pc-1",
        **{f"winlog.event_data.{n}": v for n, v in PROCESS.items()},
    },
    "Winlogbeat 6": {
        "@timestamp": "2026-02-05T22:17:34.558070Z",
        "log_name": SYSMON,
        "event_id": 1,
        "source_name": "P",
        "computer_name": "pc-1",
        "event_data": PROCESS,
    },
    "NXLog": {
        "EventTime": "2026-02-05 23:17:34",
        "@timestamp": "2026-02-05T22:17:34.558070Z",
        "Channel": SYSMON,
        "EventID": 1,
        "SourceName": "P",
        "Hostname": "pc-1",
        **PROCESS,
    },
    "flat, provider instead of channel": {
        "TimeCreated": "2026-02-05T22:17:34.558070Z",
        "EventID": 1,
        "ProviderName": "Microsoft-Windows-Sysmon",
        "Computer": "pc-1",
        **PROCESS,
    },
}


@pytest.mark.parametrize("hint", ["auto", "windows"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_event(shape: str, hint: str) -> None:
    batch = read(SHAPES[shape], hint)
    found = cells(batch)

    assert batch.part.name == "windows/sysmon/1"
    assert found["process.executable"] == r"C:\a.exe"
    assert found["process.command_line"] == "a.exe  -x "
    assert found["process.pid"] == "5"
    assert found["process.name"] == "a.exe"
    assert found["host.name"] == "pc-1"
    assert found["event.code"] == "1"
    assert time(batch) == "2026-02-05T22:17:34.558070+00:00"


def test_xml_inside_syslog_is_sysmon_for_linux() -> None:
    batch = read(
        "Mar  1 11:59:00 web-1 sysmon: <Event><System>"
        '<Provider Name="Linux-Sysmon" Guid="{f}"/><EventID>1</EventID><Version>5</Version>'
        '<TimeCreated SystemTime="2026-03-01T11:59:00.5Z"/><Channel>Linux-Sysmon/Operational'
        "</Channel><Computer>web-1</Computer></System><EventData>"
        '<Data Name="Image">/bin/sh</Data><Data Name="CommandLine">sh -c &quot;id&quot;</Data>'
        "</EventData></Event>"
    )

    assert batch.logsource == LogSource("linux", "process_creation", "sysmon")
    assert cells(batch)["process.command_line"] == 'sh -c "id"'
    assert time(batch) == "2026-03-01T11:59:00.500000+00:00"


@pytest.mark.parametrize(
    ("document", "part", "sources"),
    [
        pytest.param(
            evtx(12, SYSMON, {"EventType": "CreateKey"}),
            "windows/sysmon/12/CreateKey",
            [("registry_add", "sysmon"), ("registry_event", "sysmon")],
            id="a key was added",
        ),
        pytest.param(
            evtx(12, SYSMON, {"EventType": "DeleteValue"}),
            "windows/sysmon/12/DeleteValue",
            [("registry_delete", "sysmon"), ("registry_event", "sysmon")],
            id="a value was deleted",
        ),
        pytest.param(
            evtx(12, SYSMON, {"EventType": "x" * 99}),
            "windows/sysmon/12",
            [("registry_event", "sysmon")],
            id="an event type that nobody knows names no part",
        ),
        pytest.param(
            evtx(13, SYSMON, {}),
            "windows/sysmon/13",
            [("registry_set", "sysmon"), ("registry_event", "sysmon")],
            id="registry value",
        ),
        pytest.param(
            evtx(4688, "SECURITY", {}),
            "windows/security/4688",
            [("process_creation", "security")],
            id="a channel in other letters",
        ),
        pytest.param(
            evtx(1116, "Microsoft-Windows-Windows Defender/Operational", {}),
            "windows/windefend/1116",
            [("antivirus", "windefend")],
            id="Defender is an antivirus",
        ),
        pytest.param(
            evtx(70000, "Security", {}),
            "windows/security/other",
            [(None, "security")],
            id="an id that cannot be",
        ),
        pytest.param(
            evtx("04624", "Security", {}),
            "windows/security/other",
            [(None, "security")],
            id="an id that does not stand for its own text",
        ),
        pytest.param(
            evtx(5, "Vendor/Own", {}), "windows/other", [(None, None)], id="unknown channel"
        ),
        pytest.param(
            evtx(8001, "Microsoft-Windows-NTLM/Operational", {}),
            "windows/ntlm",
            [(None, "ntlm")],
            id="a small channel is one part",
        ),
    ],
)
def test_part(document: dict[str, Any], part: str, sources: list[tuple[str, str]]) -> None:
    found = read(document).part

    assert found.name == part
    assert list(found.logsources) == [LogSource("windows", *source) for source in sources]


@pytest.mark.parametrize(
    ("event_id", "channel", "data", "native", "cell"),
    [
        pytest.param(4688, "Security", {"NewProcessName": "a"}, "Image", "a", id="Image of 4688"),
        pytest.param(4688, "Security", {"NewProcessName": "a"}, "NewProcessName", "a", id="itself"),
        pytest.param(
            4688, "Security", {"ParentProcessName": "p"}, "ParentImage", "p", id="its parent"
        ),
        pytest.param(
            1116,
            "Microsoft-Windows-Windows Defender/Operational",
            {"Threat Name": "EICAR"},
            "ThreatName",
            "EICAR",
            id="blanks in names",
        ),
        pytest.param(
            1116,
            "Microsoft-Windows-Windows Defender/Operational",
            {"Threat Name": "EICAR"},
            "Signature",
            "EICAR",
            id="antivirus rules call it Signature",
        ),
        pytest.param(
            1116,
            "Microsoft-Windows-Windows Defender/Operational",
            {"Detection User": "ann"},
            "DetectionUser",
            "ann",
            id="a name without an ECS home",
        ),
        pytest.param(10, SYSMON, {"SourceImage": "s"}, "SourceImage", "s", id="the source acts"),
        pytest.param(10, SYSMON, {"TargetImage": "t"}, "TargetImage", "t", id="the target"),
        pytest.param(7, SYSMON, {"Image": "i", "ImageLoaded": "d"}, "Image", "i", id="loader"),
        pytest.param(1, SYSMON, {"Level": "high"}, "Level", "high", id="event data come first"),
        pytest.param(1, SYSMON, {}, "Level", "4", id="then System"),
        pytest.param(1, SYSMON, {}, "Provider_Name", "P", id="the provider"),
        pytest.param(1, SYSMON, {}, "Security_UserID", "S-1-5-18", id="an attribute"),
        pytest.param(1, SYSMON, {}, "ProcessID", "11", id="of Execution"),
        pytest.param(1, SYSMON, {"commandline": "x"}, "CommandLine", None, id="case counts"),
        pytest.param(1, SYSMON, {"CommandLine": None}, "CommandLine", NULL, id="null"),
        pytest.param(1, SYSMON, {"CommandLine": ""}, "CommandLine", "", id="empty is not null"),
        pytest.param(1, SYSMON, {"CommandLine": True}, "CommandLine", "true", id="boolean"),
        pytest.param(1, SYSMON, {"CommandLine": 1.50}, "CommandLine", "1.5", id="number"),
        pytest.param(1, SYSMON, {"CommandLine": {"#text": "x"}}, "CommandLine", "x", id="element"),
        pytest.param(1, SYSMON, None, "CommandLine", None, id="null event data"),
        pytest.param(1, SYSMON, "text", "Data", "text", id="event data that are a text"),
    ],
)
def test_native_field(
    event_id: int, channel: str, data: Any, native: str, cell: str | None
) -> None:
    batch = read(evtx(event_id, channel, data))

    assert cells(batch).get(batch.part.column(native)) == cell


def test_unnamed_data_is_a_list() -> None:
    batch = read(evtx(6009, "System", {"Data": {"#text": ["10.00.", "x"]}, "Binary": None}))

    assert texts(cells(batch)["Data"]) == ("10.00.", "x")
    assert cells(batch)["Binary"] == NULL


def test_user_data_are_read_from_the_first_element_inside() -> None:
    document = evtx(5, "System", None, UserData={"EventXML": {"#attributes": {}, "Image": "i"}})

    assert cells(read(document))["Image"] == "i"


def test_parameters_of_winlogbeat_are_data_too() -> None:
    batch = read({"winlog": {"channel": "System", "event_id": 1, "event_data": {"param1": "a"}}})

    assert cells(batch)["param1"] == "a"
    assert texts(cells(batch)["Data"]) == ("a",)


def test_hash_is_taken_from_the_list_of_hashes() -> None:
    batch = read(evtx(7, SYSMON, {"Hashes": "MD5=AA,SHA256=BB"}))

    assert cells(batch)["file.hash.sha256"] == "bb"
    assert cells(batch)["Hashes"] == "MD5=AA,SHA256=BB"


def test_content_cannot_pass_for_a_list() -> None:
    batch = read(evtx(1, SYSMON, {"CommandLine": MARK + "[a" + MARK + "b"}))

    assert texts(cells(batch)["process.command_line"]) == ("\ufffd[a\ufffdb",)


ALIASES = (
    {"NewProcessName", "Image"}, {"ParentProcessName", "ParentImage"}, {"ProcessID", "ProcessId"},
    {"Path", "Filename"}, {"ThreatName", "Signature"},
)  # fmt: skip


def test_no_two_fields_of_a_part_share_a_column_unless_they_are_aliases() -> None:
    ids = (*range(1, 30), 4624, 4625, 4688, 5156, 1116, 4104, None)
    layouts = [windows.layout(s, i) for s in (*PER_EVENT_ID, "taskscheduler", None) for i in ids]

    shared = [
        spelled
        for layout in layouts
        for names in layout.natives.values()
        if len(spelled := {name.replace(" ", "").replace("_", "") for name in names} - {"EventID"})
        > 1
        and spelled != {"ProviderName"}
    ]

    assert [names for names in shared if names not in ALIASES] == []


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(max_size=3), max_size=3),
)  # fmt: skip
NAMES = st.sampled_from(["Image", "CommandLine", "Level", "User", "Hashes", "EventType", "x.y"])


@given(data=st.none() | st.dictionaries(NAMES, VALUES, max_size=5), code=st.integers(0, 40))
def test_the_fast_way_equals_the_slow_one(data: Mapping[str, Any] | None, code: int) -> None:
    document = evtx(code, SYSMON, data)
    raw = json.dumps(document).encode()
    names = ["Image", "CommandLine", "Level", "User", "Hashes", "EventType", "Computer", "EventID"]

    found, slow = windows.read_raw(raw), windows.read_document(json.loads(raw))

    assert found is not None
    assert slow is not None
    fast = Row(*found)
    assert fast.layout is slow.layout
    assert fast.time == slow.time
    assert fast.layout.decode([fast.fields], names) == slow.layout.decode([slow.fields], names)


@given(
    fields=st.dictionaries(
        st.sampled_from(
            ["Image", "Hostname", "Computer", "SourceName", "Provider", "Provider_Name", "EventTime",
             "TimeCreated", "@timestamp", "EventType", "SeverityValue", "Level", "Data", "Message",
             "event_id", "winlog", "UserID", "Security_UserID"]
        ),
        VALUES | st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "CreateKey"]),
        max_size=9,
    ),
    code=st.integers(0, 20) | st.sampled_from(["12", True, 1.0, None]),
)  # fmt: skip
@example({"EventTime": 1e16}, 1)
@example({"EventTime": ["2026-01-02T03:04:05Z"]}, 1)
def test_a_flat_line_is_read_as_its_dictionary_is(fields: Mapping[str, Any], code: object) -> None:
    document = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": code, **fields}
    raw = json.dumps(document).encode()
    names = ["Image", "Computer", "Provider_Name", "TimeCreated", "EventTime", "Level", "Data",
             "Security_UserID", "UserID", "EventID", "Message"]  # fmt: skip

    found, slow = windows.read_raw(raw), windows.read_document(json.loads(raw))

    assert slow is not None
    if found is None:
        assert "winlog" in fields
        return
    fast = Row(*found)
    assert fast.layout is slow.layout
    assert fast.time == slow.time
    for rows in ([(fast, slow)], [(fast, slow), (slow, fast)]):
        ours, theirs = ([pair[i].fields for pair in rows] for i in (0, 1))
        assert fast.layout.decode(ours, names) == slow.layout.decode(theirs, names)


def test_what_is_no_windows_event_is_no_shape() -> None:
    assert flatten({"Event": {"EventData": {}}}) is None
    assert flatten({"EventID": 1}) is None
    assert windows.read_raw(b'{"Event":{"EventData":{}}}') is None


def test_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_layouts", {})
    monkeypatch.setattr(windows, "_known", {})
    monkeypatch.setattr(windows, "_LAYOUTS_MAX", 3)
    rows = [
        Row(*windows.read(json.dumps(evtx(i, "Security", {})).encode(), Origin()))
        for i in range(1, 9)
    ]

    assert [row.layout.part.name for row in rows[3:]] == ["windows/security/other"] * 5
