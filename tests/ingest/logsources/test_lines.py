"""Log sources of text lines: one row per shape."""

from typing import Any

import pytest

from luytre.core.batch import LogSource
from luytre.core.cells import texts
from tests.ingest.logsources.samples import RECEIVED, cells, read, time

SSHD = "Mar  1 11:59:00 web-1 sshd[42]: "
SUDO = "Mar  1 11:59:00 web-1 sudo[42]: "
MAIL = "Mar  1 11:59:00 mail postfix/smtpd[42]: "
AUDIT = "audit(1772366340.250:99): "
ZIMBRA = "2026-03-01 11:59:00,435 "
NGINX = '192.0.2.1 - ann [01/Mar/2026:18:59:00 +0700] "{}" 200 512 "-" "Mozilla/5.0 \\"x\\""'


@pytest.mark.parametrize(
    ("line", "part", "expected"),
    [
        pytest.param(
            SSHD + "Failed password for invalid user admin from 192.0.2.7 port 4242 ssh2",
            "linux/sshd",
            {"user.name": "admin", "source.ip": "192.0.2.7", "source.port": "4242",
             "event.outcome": "failure", "ssh.method": "password", "host.name": "web-1",
             "process.pid": "42", "event.category": "authentication"},
            id="sshd: failed password",
        ),
        pytest.param(
            SSHD + "Accepted publickey for ann from 2001:db8::1 port 1 ssh2: RSA SHA256:x",
            "linux/sshd",
            {"user.name": "ann", "source.ip": "2001:db8::1", "event.outcome": "success"},
            id="sshd: accepted key over IPv6",
        ),
        pytest.param(
            SSHD + "Failed password for a from 9.9.9.9 port 1 from 192.0.2.7 port 22 ssh2",
            "linux/sshd",
            {"user.name": "a from 9.9.9.9 port 1", "source.ip": "192.0.2.7"},
            id="sshd: a user name that plays an address",
        ),
        pytest.param(
            SSHD + "Connection closed by authenticating user root 192.0.2.7 port 55 [preauth]",
            "linux/sshd",
            {"user.name": "root", "source.ip": "192.0.2.7", "source.port": "55"},
            id="sshd: closed",
        ),
        pytest.param(
            SSHD + "Received disconnect from 192.0.2.7 port 55:11: Bye [preauth]",
            "linux/sshd",
            {"source.ip": "192.0.2.7", "source.port": "55"},
            id="sshd: disconnect",
        ),
        pytest.param(
            SUDO + "     ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/sh -c a;b",
            "linux/sudo",
            {"user.name": "ann", "user.target.name": "root", "event.outcome": "success",
             "process.command_line": "/bin/sh -c a;b", "process.working_directory": "/home/ann"},
            id="sudo: command",
        ),
        pytest.param(
            SUDO + "bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            "linux/sudo",
            {"user.name": "bob", "event.outcome": "failure", "user.target.name": "root"},
            id="sudo: refused",
        ),
        pytest.param(
            "<86>Mar  1 11:59:00 web-1 su: pam_unix(su:session): session opened for user "
            "root(uid=0) by ann(uid=1000)",
            "linux/auth",
            {"user.target.name": "root", "user.name": "ann", "log.syslog.priority": "86"},
            id="su: session",
        ),
        pytest.param(
            "Mar  1 11:59:00 web-1 CRON[7]: (root) CMD (run-parts /etc/cron.hourly)",
            "linux/cron",
            {"user.name": "root", "event.action": "cmd"},
            id="cron",
        ),
        pytest.param(
            '<13>1 2026-03-01T11:59:00Z web-1 app 9 ID1 [a@1 k="v\\"]"][b@1 n=""] \ufeffhello',
            "linux/syslog",
            {"message": "hello", "process.name": "app", "process.pid": "9"},
            id="RFC 5424 with structured data",
        ),
        pytest.param(
            "2026-03-01T11:59:00+00:00 web-1 kernel: stopping firewalld",
            "linux/syslog",
            {"message": "stopping firewalld", "process.name": "kernel"},
            id="rsyslog's own time",
        ),
        pytest.param(
            MAIL + "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <b@x.vn>: Relay access"
            " denied; from=<a@evil.example> to=<b@x.vn> proto=ESMTP helo=<h>",
            "postfix/mail",
            {"event.action": "reject", "source.ip": "192.0.2.7", "postfix.code": "554",
             "email.from.address": "a@evil.example", "email.to.address": "b@x.vn",
             "event.outcome": "failure"},
            id="postfix: reject",
        ),
        pytest.param(
            "Mar  1 11:59:00 mail postfix/cleanup[4]: 4BhXy0F1z2c3d4: warning: header Subject: "
            "pay; from=<x> now from h.example[192.0.2.9]; from=<a@e.example> to=<b@x.vn>",
            "postfix/mail",
            {"event.action": "warning", "email.subject": "pay; from=<x> now",
             "email.from.address": "a@e.example", "source.ip": "192.0.2.9"},
            id="postfix: header check, a subject that plays a sender",
        ),
        pytest.param(
            "Mar  1 11:59:00 mail postfix/smtp[4]: 0123ABCDEF: to=<b@x.vn>, relay=mx[192.0.2.3]:25,"
            " delay=1, dsn=2.0.0, status=sent (250 ok)",
            "postfix/mail",
            {"postfix.queue_id": "0123ABCDEF", "email.to.address": "b@x.vn",
             "postfix.status": "sent", "event.outcome": "success", "event.reason": "250 ok"},
            id="postfix: delivery",
        ),
        pytest.param(
            MAIL + "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: bad, "
            "sasl_username=ann@x.vn",
            "postfix/mail",
            {"event.action": "sasl_login", "event.outcome": "failure", "source.ip": "192.0.2.7",
             "user.name": "ann@x.vn"},
            id="postfix: failed login",
        ),
        pytest.param(
            "type=EXECVE msg=" + AUDIT + 'argc=3 a0="sh" a1="-c" a2=6964202D75',
            "linux/auditd",
            {"type": "EXECVE", "a2": "id -u", "process.command_line": "sh -c id -u"},
            id="auditd: arguments in hexadecimal",
        ),
        pytest.param(
            "node=db-1 type=SYSCALL msg=" + AUDIT + "arch=c000003e syscall=59 success=yes "
            'a0=55AA pid=9 uid=33 comm="sh" exe="/bin/sh" key=(null)\x1dARCH=x86_64 UID="www-data"',
            "linux/auditd",
            {"type": "SYSCALL", "syscall": "59", "SYSCALL": "execve", "a0": "55AA",
             "process.executable": "/bin/sh", "user.id": "33", "event.outcome": "success",
             "host.name": "db-1"},
            id="auditd: system call",
        ),
        pytest.param(
            "type=USER_LOGIN msg=" + AUDIT + "pid=1 msg='op=login acct=28696E76616C696429 "
            "exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 res=failed'",
            "linux/auditd",
            {"user.name": "(invalid)", "source.ip": "192.0.2.7", "event.outcome": "failure"},
            id="auditd: words of msg",
        ),
        pytest.param(
            "Mar  1 11:59:00 web-1 kernel: audit: type=1400 " + AUDIT + 'apparmor="DENIED" pid=5',
            "linux/auditd",
            {"type": "AVC", "process.pid": "5", "host.name": "web-1"},
            id="auditd: through the kernel's syslog",
        ),
        pytest.param(
            ZIMBRA + "WARN  [qtp1:https:https://mail:7073/service/admin/soap/] [name=admin@x.vn;"
            "oip=192.0.2.5, 10.0.0.1;oport=5;oproto=smtp;] security - cmd=Auth; "
            "account=admin@x.vn; protocol=soap; error=authentication failed; for [admin];",
            "zimbra/audit",
            {"source.ip": "192.0.2.5", "user.name": "admin@x.vn", "event.action": "smtp_login",
             "event.outcome": "failure", "oproto": "smtp", "network.protocol": "smtp",
             "error.message": "authentication failed; for [admin]"},
            id="zimbra: a password that SMTP checks is no login of the administration",
        ),
        pytest.param(
            ZIMBRA + "INFO  [qtp1:https://mail:7071/service/admin/soap/AuthRequest] "
            "[name=a@x.vn;ip=192.0.2.5;] security - cmd=Auth; account=a@x.vn; protocol=soap;",
            "zimbra/audit",
            {"event.action": "admin_login", "event.outcome": "success", "source.ip": "192.0.2.5",
             "url.domain": "mail"},
            id="zimbra: the administration",
        ),
        pytest.param(
            NGINX.format("GET /a%2f..?q=%27 x HTTP/1.1"),
            "web/access",
            {"source.ip": "192.0.2.1", "user.name": "ann", "url.original": "/a%2f..?q=%27 x",
             "url.path": "/a%2f..", "url.query": "q=%27 x", "http.request.method": "GET",
             "http.response.status_code": "200", "user_agent.original": 'Mozilla/5.0 \\"x\\"'},
            id="access: nothing is decoded",
        ),
        pytest.param(
            NGINX.format("\\x16\\x03"),
            "web/access",
            {"url.original": "\\x16\\x03", "http.response.status_code": "200"},
            id="access: no HTTP",
        ),
        pytest.param(
            'www.x.vn:443 192.0.2.1 - - [01/Mar/2026:11:59:00 +0000] "GET / HTTP/1.1" 404 -',
            "web/access",
            {"url.domain": "www.x.vn", "source.ip": "192.0.2.1",
             "http.response.status_code": "404"},
            id="access: common with a virtual host",
        ),
        pytest.param(
            '2026/03/01 11:59:00 [error] 9#0: *1 open() "/x" failed, client: 192.0.2.1, server: s,'
            ' request: "GET /x HTTP/1.1", host: "www.x.vn"',
            "nginx/error",
            {"source.ip": "192.0.2.1", "url.original": "/x", "url.domain": "www.x.vn",
             "log.level": "error"},
            id="nginx: error",
        ),
        pytest.param(
            "[Sun Mar 01 11:59:00.018764 2026] [core:error] [pid 9:tid 1] [client 192.0.2.1:55] "
            "AH00124: x",
            "apache/error",
            {"source.ip": "192.0.2.1", "source.port": "55", "process.pid": "9",
             "error.message": "AH00124: x"},
            id="apache: error",
        ),
    ],
)  # fmt: skip
def test_line(line: str, part: str, expected: dict[str, str]) -> None:
    batch = read(line)
    found = cells(batch)

    assert batch.part.name == part
    assert {name: found.get(name) for name in expected if name != "postfix.sasl_method"} == expected
    moment = batch.events["@timestamp"][0]
    assert moment is not None
    assert 0 <= (RECEIVED - moment).total_seconds() < 3600


@pytest.mark.parametrize(
    ("native", "column"),
    [
        ("cs-uri-query", "url.original"), ("cs-method", "http.request.method"),
        ("sc-status", "http.response.status_code"), ("c-ip", "source.ip"),
        ("cs-user-agent", "user_agent.original"), ("cs-referer", "http.request.referrer"),
        ("cs-host", "url.domain"), ("cs-uri-stem", "url.path"),
    ],
)  # fmt: skip
def test_sigma_name_of_web_access(native: str, column: str) -> None:
    assert read(NGINX.format("GET / HTTP/1.1")).part.column(native) == column


@pytest.mark.parametrize(
    ("headers", "part", "source"),
    [
        pytest.param({"hint": "nginx"}, "nginx/access", "nginx", id="by the hint"),
        pytest.param({"path": "/var/log/httpd/a"}, "apache/access", "apache", id="by the path"),
        pytest.param({}, "web/access", None, id="any server"),
    ],
)
def test_web_server(headers: dict[str, str], part: str, source: str | None) -> None:
    batch = read(NGINX.format("GET / HTTP/1.1"), **headers)

    assert batch.part.name == part
    assert batch.logsource == LogSource(source, "webserver", source)


def test_no_referrer_is_a_missing_field() -> None:
    assert "http.request.referrer" not in cells(read(NGINX.format("GET / HTTP/1.1")))


def test_several_audit_keys_are_a_list() -> None:
    batch = read("type=SYSCALL msg=" + AUDIT + "syscall=1 key=6B31016B32")

    assert texts(cells(batch)["key"]) == ("k1", "k2")


def test_pieces_of_a_long_audit_argument_are_joined() -> None:
    found = cells(read("type=EXECVE msg=" + AUDIT + 'argc=1 a0_len=4 a0[0]="ab" a0[1]=6364'))

    assert found["a0"] == "abcd"


@pytest.mark.parametrize(
    ("line", "hint", "reason"),
    [
        pytest.param("nothing at all", "auto", "no log source recognises this line", id="auto"),
        pytest.param("nothing", "syslog", "is no syslog line", id="no header"),
        pytest.param("nothing", "auth", "is no syslog line", id="auth"),
        pytest.param("nothing", "auditd", "is no line of auditd", id="auditd"),
        pytest.param("nothing", "zimbra", "is no line of Zimbra", id="zimbra"),
        pytest.param("nothing", "nginx", "is no access or error line of nginx", id="nginx"),
        pytest.param("[1]", "windows", "is JSON but not an object: list", id="array"),
        pytest.param("{}", "windows", "is JSON but no Windows event", id="empty object"),
        pytest.param("{}", "zeek", "is an empty JSON object", id="empty Zeek"),
        pytest.param("{}", "suricata", "is JSON but not Suricata's EVE", id="empty EVE"),
        pytest.param("{}", "cloudtrail", "is JSON but no CloudTrail event", id="empty CloudTrail"),
        pytest.param('{"a": 1}', "egov", "no e-government event", id="no contract"),
        pytest.param("{", "json", "is not JSON", id="cut off"),
        pytest.param('{"a":' + "[" * 200 + "]" * 200 + "}", "json", "nested", id="deep"),
        pytest.param("[" * 100_000, "json", "nested too deeply", id="a bomb"),
        pytest.param("<Event><x/></Event>", "auto", "is XML but no Windows event", id="XML"),
    ],
)
def test_unreadable_line(line: str, hint: str, reason: str) -> None:
    batch = read(line, hint)

    assert batch.events.height == 0
    assert reason in batch.rejects["error.message"][0]
    assert batch.rejects["event.original"][0] == line.encode()


@pytest.mark.parametrize("hint", ["sshd", "sudo", "auth"])
def test_what_no_reader_of_auth_log_knows_is_auth(hint: str) -> None:
    batch = read("Mar  1 11:59:00 web-1 something: hello", hint)

    assert batch.part.name == "linux/auth"


def test_json_inside_syslog_is_read_as_json() -> None:
    batch = read('<14>Mar  1 11:59:00 web-1 app: {"outer":{"inner":5},"time":1772366340}')

    assert batch.part.name == "json"
    assert cells(batch)["outer.inner"] == "5"
    assert cells(batch)["host.name"] == "web-1"
    assert time(batch) == "2026-03-01T11:59:00+00:00"


DOCUMENTS: list[Any] = [
    pytest.param(
        {"_path": "dns", "ts": 1772366340.5, "uid": "C", "id.orig_h": "192.0.2.1",
         "id.resp_p": 53, "query": "x.vn", "answers": ["a", "b"], "Z": 0, "proto": "udp"},
        {}, "zeek/dns",
        {"source.ip": "192.0.2.1", "destination.port": "53", "dns.question.name": "x.vn", "Z": "0",
         "network.transport": "udp"},
        id="Zeek by _path",
    ),
    pytest.param(
        {"ts": 1772366340.5, "uid": "C", "id": {"orig_h": "192.0.2.1"}},
        {"path": "/logs/conn.10:00:00-11:00:00.log"}, "zeek/conn", {"source.ip": "192.0.2.1"},
        id="Zeek by the file's name, nested ids",
    ),
    pytest.param(
        {"_path": "attacker_made", "ts": 1772366340.5}, {}, "zeek/other", {}, id="an unknown log",
    ),
    pytest.param(
        {"timestamp": "2026-03-01T11:59:00.457984+0000", "flow_id": 1, "event_type": "alert",
         "src_ip": "192.0.2.1", "dest_port": 445, "alert": {"signature": "ET X", "severity": 2}},
        {}, "suricata/alert",
        {"source.ip": "192.0.2.1", "destination.port": "445", "rule.name": "ET X",
         "alert.severity": "2"},
        id="Suricata",
    ),
    pytest.param(
        {"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "r",
         "eventTime": "2026-03-01T11:59:00Z", "userIdentity": {"type": "Root"},
         "requestParameters": {"x": None}, "sourceIPAddress": "192.0.2.1"},
        {}, "aws/cloudtrail",
        {"event.action": "GetObject", "userIdentity.type": "Root", "source.ip": "192.0.2.1",
         "requestParameters.x": "\uffff0"},
        id="CloudTrail",
    ),
    pytest.param(
        {"@timestamp": "2026-03-01T18:59:00+07:00", "event": {"action": "export"},
         "vn": {"egov": {"system": "dvc", "record_count": 1200}}, "user": {"name": "lan"},
         "source.ip": "10.31.7.21", "organization": {"id": "forged"}},
        {}, "egov/audit",
        {"event.action": "export", "vn.egov.record_count": "1200", "user.name": "lan",
         "source.ip": "10.31.7.21", "event.dataset": "egov.audit"},
        id="an application told by its fields",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("document", "headers", "part", "expected"), DOCUMENTS)
def test_document(
    document: dict[str, Any], headers: dict[str, str], part: str, expected: dict[str, str]
) -> None:
    batch = read(document, **headers)

    assert batch.part.name == part
    assert cells(batch).items() >= expected.items()
    assert str(time(batch)).startswith("2026-03-01T11:59:00")
