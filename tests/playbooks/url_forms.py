"""Five hundred and more ways to write a URL that leads where it must not."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

from collections.abc import Iterator
from itertools import product

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "192.0.0.1", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1",
]  # fmt: skip
PRIVATE6 = [
    "::1", "::", "fe80::1", "fc00::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "fec0::1", "100::1", "::127.0.0.1",
]  # fmt: skip
SPELLED = [
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "127.000.000.001", "0x7f.1",
    "00.00.00.00", "0", "0x0", "4294967295", "127.0.0.1.", "127。0。0。1", "127%2e0%2e0%2e1", "①②⑦.⓪.⓪.①", "１２７.0.0.1",
    "localhost", "LOCALHOST", "localhost.", "localtest.me", "localhost.localdomain", "ip6-localhost", "metadata.google.internal",
]  # fmt: skip
AROUND = [
    "{s}://{h}/", "{s}://{h}:80/", "{s}://{h}:{p}/hook", "{s}://allowed.test@{h}/hook", "{s}://allowed.test:pw@{h}:{p}/hook",
    "{s}://{h}#@allowed.test/hook", "{s}://{h}?@allowed.test/hook", "{s}://{h}\\@allowed.test/hook", "{s}:\\\\{h}\\hook",
    "{s}://allowed.test\\@{h}/hook", "{s}:{h}/hook", "{s}:///{h}/hook", "//{h}/hook", "{s}://{h}%00.allowed.test/hook",
    " {s}://{h}/hook", "{s}://{h}/hook\r\nHost: allowed.test", "{s}://{h}\t/hook", "{s}://{h}:{p}/hook\n",
]  # fmt: skip
OTHER = [
    "file:///etc/passwd", "ftp://allowed.test/hook", "gopher://allowed.test/_x", "dict://allowed.test/", "data:text/plain,x",
    "javascript:alert(1)", "ldap://allowed.test/", "jar:http://allowed.test!/", "unix:///run/docker.sock", "http+unix://%2Frun/x",
    "", "http", "http:", "http:/", "http://", "https://", "http://:80/", "http://[/", "http://]/", "http://[::1/", "http://::1/",
    "http://allowed.test:0/hook", "http://allowed.test:99999/hook", "http://allowed.test:-1/hook", "http://allowed.test:8080/hook",
    "http://allowed.test:{p}/", "http://allowed.test:{p}/other", "http://allowed.test:{p}/hookx", "http://allowed.test:{p}/hook/../admin",
    "http://allowed.test:{p}/hook/./x", "http://allowed.test:{p}/hook//x", "http://allowed.test:{p}/hook/%2e%2e/admin",
    "http://allowed.test:{p}/hook%2f..%2fadmin", "http://allowed.test:{p}/hook\\..\\admin", "http://allowed.test:{p}/hook#x",
    "http://ALLOWED.test:{p}/hook", "http://allowed.test.:{p}/hook", "http://allowed.test.evil.test:{p}/hook", "http://xallowed.test:{p}/hook",
    "http://allowed.test:{p}@evil.test/hook", "http://evil.test/http://allowed.test:{p}/hook", "http://allowed。test:{p}/hook",
    "http://аllowed.test:{p}/hook", "http://xn--llowed-9fg.test:{p}/hook", "https://allowed.test:{p}/hook", "HTTP://allowed.test:{p}/hook",
    "http://allowed.test:{p}/hook\x00", "http://allowed.test:{p}/hook ", "http://a" + "a" * 3000 + ".test/",
]  # fmt: skip


def forms(port: int) -> Iterator[str]:
    """Yield every form; ``http://allowed.test:PORT/hook`` alone would be allowed."""
    hosts = [*PRIVATE, *(f"[{h}]" for h in PRIVATE6), *SPELLED]
    for around, host in product(AROUND, hosts):
        yield around.format(s="http", h=host, p=port)
    for around, host in product(AROUND[:3], hosts):
        yield around.format(s="https", h=host, p=port)
    for other in OTHER:
        yield other.replace("{p}", str(port))
