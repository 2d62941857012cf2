"""What the Sigma specification 2.1.0 can say, each with events that must match and that must not.

The table behind `docs/reference/sigma-conformance.md`; `tests.conformance` runs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any] | str
"""Fields and values, or a line of a log that is no JSON."""


@dataclass(frozen=True)
class Case:
    """One feature: a rule with it, events that match, events that do not, or why it is refused.

    ``search`` is the detection's only search, unless ``detection`` is given.
    """

    section: str
    feature: str
    id: str
    search: Any = None
    hits: Sequence[Event] = ()
    misses: Sequence[Event] = ()
    detection: Mapping[str, Any] | None = None
    refused: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    placeholders: Mapping[str, Sequence[str | int | float]] = field(default_factory=dict)
    pipeline: Sequence[Mapping[str, Any]] = ()
    filters: Sequence[Mapping[str, Any]] = ()


def f(*values: Any) -> list[Event]:
    """Return events with one field F each."""
    return [{"F": value} for value in values]


YES: Any = True
NO: Any = False
EN, EM, BAR = "\N{EN DASH}", "\N{EM DASH}", "\N{HORIZONTAL BAR}"
DASHES = ("-", "/", EN, EM, BAR)
ABC = {"a": {"A": 1}, "b": {"B": 1}, "c": {"C": 1}}
A, B, C = {"A": 1}, {"B": 1}, {"C": 1}


def condition(feature: str, id_: str, text: Any, hits: Sequence[Event], misses: Sequence[Event],
              **searches: Any) -> Case:  # fmt: skip
    return Case("Condition", feature, id_, detection={**(searches or ABC), "condition": text},
                hits=hits, misses=misses)  # fmt: skip


HEADER = "Rule: header"
HEADERS = [
    Case(HEADER, "title is mandatory", "title-missing", {"F": "x"}, refused="title", header={"title": None}),
    Case(HEADER, "title of at most 256 characters", "title-long", {"F": "x"}, refused="256", header={"title": "t" * 257}),
    Case(HEADER, "id is optional", "id-none", {"F": "x"}, f("x"), header={"id": None}),
    Case(HEADER, "id is a UUID", "id-no-uuid", {"F": "x"}, refused="UUID", header={"id": "one"}),
    Case(HEADER, "name", "name", {"F": "x"}, f("x"), header={"name": "a_rule"}),
    Case(HEADER, "related: derived, obsolete, merged, renamed, similar", "related", {"F": "x"}, f("x"), header={
        "related": [{"id": "08fbc97d-0a2f-491c-ae21-8ffcfd3174e9", "type": kind}
                    for kind in ("derived", "obsolete", "merged", "renamed", "similar")]}),
    Case(HEADER, "taxonomy sigma is the default", "taxonomy-sigma", {"F": "x"}, f("x"), header={"taxonomy": "sigma"}),
    Case(HEADER, "another taxonomy must be handled or refused", "taxonomy-other", {"F": "x"}, refused="taxonomy", header={"taxonomy": "mine"}),
    *(Case(HEADER, f"status {status}", f"status-{status}", {"F": "x"}, f("x"), header={"status": status})
      for status in ("stable", "test", "experimental", "deprecated")),
    Case(HEADER, "status unsupported cannot be used", "status-unsupported", {"F": "x"}, refused="unsupported", header={"status": "unsupported"}),
    Case(HEADER, "description, license, author, references, date, modified", "texts", {"F": "x"}, f("x"), header={
        "description": "d", "license": "MIT", "author": "a, b", "references": ["https://example.org"],
        "date": "2026-11-23", "modified": "2026-11-24"}),
    Case(HEADER, "fields, falsepositives, scope", "lists", {"F": "x"}, f("x"), header={
        "fields": ["F"], "falsepositives": ["none"], "scope": ["server"]}),
    *(Case(HEADER, f"level {level}", f"level-{level}", {"F": "x"}, f("x"), header={"level": level})
      for level in ("informational", "low", "medium", "high", "critical")),
    Case(HEADER, "no other level", "level-other", {"F": "x"}, refused="urgent", header={"level": "urgent"}),
    Case(HEADER, "tags have a namespace", "tags", {"F": "x"}, f("x"), header={"tags": ["attack.t1059", "cve.2026-1", "a.b.c"]}),
    Case(HEADER, "a tag without namespace", "tag-plain", {"F": "x"}, refused="namespace", header={"tags": ["t1059"]}),
    Case(HEADER, "arbitrary custom fields", "custom", {"F": "x"}, f("x"), header={"our_owner": {"team": ["soc"]}}),
]  # fmt: skip

SOURCE = "Rule: log source"
SOURCES = [
    *(Case(SOURCE, f"{' and '.join(source)} alone or together", f"logsource-{'-'.join(source)}", {"F": "x"}, f("x"), header={"logsource": source})
      for source in ({"product": "linux"}, {"service": "app"}, {"category": "process_creation"},
                     {"product": "linux", "service": "app"}, {"product": "linux", "category": "process_creation"})),
    Case(SOURCE, "definition and more are not evaluated", "logsource-definition", {"F": "x"}, f("x"), header={"logsource": {"product": "linux", "definition": "d", "other": "o"}}),
    Case(SOURCE, "a rule of another product", "logsource-other", {"F": "x"}, (), f("x"), header={"logsource": {"product": "windows"}}),
    Case(SOURCE, "a rule whose service is another", "logsource-other-service", {"F": "x"}, (), f("x"), header={"logsource": {"product": "linux", "service": "sshd"}}),
    Case(SOURCE, "is mandatory", "logsource-missing", {"F": "x"}, refused="logsource", header={"logsource": None}),
]  # fmt: skip

VALUE = "Detection: values"
VALUES = [
    Case(VALUE, "strings ignore case", "case", {"F": "aBc"}, f("abc", "ABC"), f("abcd", "")),
    Case(VALUE, "case beyond ASCII", "case-unicode", {"F": "Đường"}, f("ĐƯỜNG", "đường"), f("duong")),
    Case(VALUE, "`*`: any number of characters", "star", {"F": "a*c"}, f("ac", "abbc", "a\nc"), f("acd")),
    Case(VALUE, "`?`: exactly one character", "question", {"F": "prog?.exe"}, f("progA.exe", "prog1.exe"), f("prog.exe", "prog12.exe")),
    Case(VALUE, r"`\` alone is plain", "backslash", {"F": r"C:\Windows"}, f(r"C:\Windows"), f(r"C:\\Windows", "C:Windows")),
    Case(VALUE, r"`\\` is one backslash", "backslash-two", {"F": r"C:\\Windows"}, f(r"C:\Windows"), f(r"C:\\Windows")),
    Case(VALUE, r"`\*` and `\?` are plain", "escaped", {"F": r"a\*b\?"}, f("a*b?"), f("axb?", "a*bx")),
    Case(VALUE, r"`\\*` is a backslash and a wildcard", "backslash-star", {"F": r"a\\*"}, f("a\\", r"a\b"), f("a*", "ab")),
    Case(VALUE, r"`\\\*` is a backslash and a plain `*`", "backslash-plain-star", {"F": r"a\\\*"}, f(r"a\*"), f(r"a\b", "a*")),
    Case(VALUE, r"`\\\\` is two backslashes", "backslash-four", {"F": r"\\\\srv\share"}, f(r"\\srv\share"), f(r"\srv\share")),
    Case(VALUE, r"`\\\` is two backslashes", "backslash-three", {"F": "\\\\\\srv"}, f(r"\\srv"), f(r"\srv")),
    Case(VALUE, "whole numbers", "number", {"F": 4688}, f(4688, "4688", "0x1250", 4688.0), f(46880, "x4688", YES)),
    Case(VALUE, "other numbers", "number-float", {"F": 1.5}, f(1.5, "1.50", "15e-1"), f(1, 15)),
    Case(VALUE, "a number in quotes is text", "number-text", {"F": "0x17"}, f("0X17"), f(23, "23")),
    Case(VALUE, "true and false", "boolean", {"F": True}, f(YES, "TRUE"), f(NO, 1)),
    Case(VALUE, "a list of values is or", "list", {"F": ["a", 2, "c*"]}, f("A", 2, "cd"), f("b", 3)),
    Case(VALUE, "a map is and", "map", {"A": "x", "B": "y"}, [{"A": "x", "B": "y"}], [{"A": "x"}, {"B": "y"}, {"A": "x", "B": "x"}]),
    Case(VALUE, "a list of maps is or", "maps", [{"A": "x", "B": "y"}, {"C": "z"}], [{"A": "x", "B": "y"}, {"C": "z"}], [{"A": "x"}, {"B": "y"}]),
    Case(VALUE, "a list of maps and strings is or", "mixed", [{"A": "x"}, "word"], [{"A": "x"}, {"B": "a word"}], [{"A": "y"}]),
    Case(VALUE, "`''` is an empty value", "empty", {"F": ""}, f("", ["a", ""]), [{}, *f(None, " ", "x")]),
    Case(VALUE, "`null` is a null value, or no field", "null", {"F": None}, [{}, *f(None)], f("", "null", 0, [])),
    Case(VALUE, "`null` in a list of values (forbidden, but its meaning is clear)", "null-list", {"F": ["x", None]}, [{}, *f("x", None)], f("y", "")),
    Case(VALUE, "not null is another search, negated", "not-null", detection={"s": {"A": 1}, "none": {"F": None}, "condition": "s and not none"}, hits=[{"A": 1, "F": ""}], misses=[{"A": 1}, {"A": 1, "F": None}]),
    Case(VALUE, "a list in an event: any of its values", "event-list", {"F": "b"}, f(["a", "b"], [["b"]]), f(["ab"], [])),
    Case(VALUE, "field names with dots", "nested", {"a.b.c": "x"}, [{"a.b.c": "x"}], [{"c": "x"}]),
    Case(VALUE, "field names that the log source maps", "mapped", {"Image": "x"}, [{"Image": "x"}], [{"Imag": "x"}]),
    Case(VALUE, "a missing field: the condition does not hold", "missing", {"F|contains": ""}, f("", "x"), [{}, *f(None)]),
    Case(VALUE, "unknown modifiers are refused", "modifier-unknown", {"F|contain": "x"}, refused='"contains"'),
]  # fmt: skip

KEYWORD = "Detection: keywords"
KEYWORDS = [
    Case(KEYWORD, "a list of strings is or, anywhere in the event", "keywords", ["event::clear", "DROP"], [{"A": "x event::CLEAR y"}, {"B": ["drop"]}, "a line that drops"], [{"event::clear": "a"}, "a line"]),
    Case(KEYWORD, "one string", "keyword", "evil", [{"A": "Evil"}], [{"A": "vil"}]),
    Case(KEYWORD, "`'|all'` is and", "keywords-all", {"|all": ["one", "two"]}, [{"A": "one", "B": "two"}, "two one"], [{"A": "one"}]),
    Case(KEYWORD, "wildcards in keywords", "keywords-star", ["a*z", "b?d"], [{"A": "-a-z-"}, {"A": "bcd"}], [{"A": "a", "B": "z"}, {"A": "bd"}]),
    Case(KEYWORD, "numbers as keywords", "keywords-number", [4688], [{"A": 4688}, {"A": "id 4688"}], [{"A": 4687}]),
    Case(KEYWORD, "regular expressions as keywords", "keywords-re", {"|re": "a[0-9]{2}z"}, [{"A": "-a12z-"}], [{"A": "a1z"}]),
    Case(KEYWORD, "case-sensitive keywords", "keywords-cased", {"|cased": "Evil"}, [{"A": "Evil"}], [{"A": "evil"}]),
    Case(KEYWORD, "type modifiers ask for a field", "keywords-cidr", {"|cidr": "10.0.0.0/8"}, refused="keyword"),
]  # fmt: skip

CONDITIONS = [
    condition("and", "and", "a and b", [{**A, **B}], [A, B]),
    condition("or", "or", "a or b", [A, B], [C]),
    condition("not", "not", "not a", [B], [A]),
    condition("not binds tighter than and", "not-and", "not a and b", [B], [A, C, {**A, **B}]),
    condition("and binds tighter than or", "and-or", "a or b and c", [A, {**B, **C}], [B, C]),
    condition("brackets", "brackets", "(a or b) and c", [{**A, **C}], [A, {**A, **B}]),
    condition("not of brackets", "not-brackets", "not (a or b)", [C], [A, B]),
    condition("not of not", "not-not", "not (not a)", [A], [B]),
    condition("1 of them", "one-of-them", "1 of them", [A, B, C], [{"D": 1}]),
    condition("any of them", "any-of-them", "any of them", [A, B, C], [{"D": 1}]),
    condition("all of them", "all-of-them", "all of them", [{**A, **B, **C}], [{**A, **B}]),
    condition("1 of a pattern", "one-of", "1 of sel_*", [A, B], [C], sel_1=A, sel_2=B, other=C),
    condition("all of a pattern", "all-of", "all of sel_*", [{**A, **B}], [A, C], sel_1=A, sel_2=B, other=C),
    condition("`*` in front of a pattern", "star-front", "1 of *_x", [A], [B], a_x=A, a_y=B),
    condition("`*` within a pattern", "star-within", "1 of a*z", [A], [B], a_z=A, a_y=B),
    condition("hyphens in names and patterns", "hyphens", "1 of s-* or x-y", [A, C], [B], **{"s-1": A, "t-1": B, "x-y": C}),
    condition("names that begin with a word of conditions", "names", "notes and not order", [A], [{**A, **B}, B], notes=A, order=B),
    condition("them leaves out names with `_`", "underscore", "1 of them", [A], [B], a=A, _b=B),
    condition("a name with `_` by itself", "underscore-name", "_b", [B], [A], a=A, _b=B),
    condition("1 of and not 1 of", "one-of-not", "1 of s* and not 1 of f*", [A], [{**A, **B}, C], s1=A, f1=B, f2=C),
    condition("precedence of x of", "not-one-of", "not 1 of s* and x", [C], [A, {**A, **C}], s1=A, s2=B, x=C),
    condition("a list of conditions is or", "list-of-conditions", ["a", "b and c"], [A, {**B, **C}], [B, C]),
    Case("Condition", "is mandatory", "condition-missing", detection={"s": A}, refused="condition"),
    Case("Condition", "names that are not there are refused", "name-missing", detection={"s": A, "condition": "t"}, refused='"t"'),
    Case("Condition", "pipes were replaced by correlations", "pipe", detection={"s": A, "condition": "s | count() > 5"}, refused="as Sigma 1 did"),
]  # fmt: skip

GENERIC = "Modifiers: generic"
STRING = "Modifiers: strings"
REGEX = "Modifiers: regular expressions"
ENCODING = "Modifiers: encodings"
NUMERIC = "Modifiers: numbers"
TIME = "Modifiers: times"
IP = "Modifiers: addresses"
SPECIFIC = "Modifiers: specific"
STAMP = "2026-11-23T07:08:09Z"  # a Monday, in week 48
MODIFIERS = [
    Case(GENERIC, "all", "all", {"F|contains|all": ["a", "b"]}, f("ab", ["a", "b"]), f("a", "b")),
    Case(GENERIC, "all before another modifier", "all-first", {"F|all|contains": ["a", "b"]}, f("ba"), f("a")),
    Case(GENERIC, "all of a single value (forbidden, but its meaning is clear)", "all-single", {"F|contains|all": "a"}, f("ab"), f("b")),
    Case(GENERIC, "startswith", "startswith", {"F|startswith": "adm"}, f("ADMIN", "adm"), f("badm")),
    Case(GENERIC, "endswith", "endswith", {"F|endswith": r"\cmd.exe"}, f(r"C:\CMD.EXE"), f(r"\cmd.exe ")),
    Case(GENERIC, "contains", "contains", {"F|contains": "b"}, f("abc", "B"), f("ac")),
    Case(GENERIC, "contains with wildcards", "contains-star", {"F|contains": "a*z"}, f("-a-z-"), f("za")),
    *(Case(GENERIC, f"{name} of a number", f"{name}-number", {f"F|{name}": 46}, f(46, text), f("4-6"))
      for name, text in (("startswith", "4688"), ("endswith", "1246"), ("contains", "1462"))),
    Case(GENERIC, "exists: true, be it empty or null", "exists", {"F|exists": True}, f("x", "", None, []), [{}]),
    Case(GENERIC, "exists: false", "exists-false", {"F|exists": False}, [{}], f("x", "", None)),
    Case(GENERIC, "cased", "cased", {"F|cased": "aB"}, f("aB"), f("ab")),
    *(Case(GENERIC, f"cased and {name}, in either order", f"cased-{name}-{n}", {key: "aB"}, f("aBaB"), f("abab"))
      for name in ("contains", "startswith", "endswith")
      for n, key in enumerate((f"F|cased|{name}", f"F|{name}|cased"))),
    Case(GENERIC, "neq", "neq", {"F|neq": "x"}, [{}, *f("y", "", None)], f("x", "X")),
    Case(GENERIC, "neq of several values", "neq-list", {"F|neq": ["x", "y"]}, f("z"), f("x", "y")),
    Case(GENERIC, "neq and contains", "neq-contains", {"F|contains|neq": "x"}, f("y"), f("axb")),
    Case(GENERIC, "neq of a number", "neq-number", {"F|neq": 5}, f(6, "x"), f(5, "5.0")),
    Case(GENERIC, "neq with null", "neq-null", {"F|neq": None}, f("x", ""), [{}, *f(None)]),
    Case(STRING, "windash", "windash", {"F|windash|contains": " -enc "}, f(*(f"ps {d}enc x" for d in DASHES)), f("ps enc x")),
    Case(STRING, "windash of any of the five", "windash-any", {"F|windash": f"a {EN}b"}, f("a /b", "a -b", f"a {BAR}b"), f("a b")),
    Case(STRING, "windash of several flags", "windash-two", {"F|windash": "-a -b"}, f(f"/a {EM}b", "-a /b"), f("-a b")),
    Case(STRING, "windash leaves what is inside words", "windash-word", {"F|windash": "a-b"}, f("a-b"), f("a/b")),
    Case(STRING, "windash and cased", "windash-cased", {"F|cased|windash": "-A"}, f("/A"), f("/a")),
    Case(REGEX, "re, case-sensitive and unanchored", "re", {"F|re": "a.c"}, f("xabcx"), f("ABC", "ac")),
    Case(REGEX, "anchors, quantifiers, classes, alternation, grouping", "re-syntax", {"F|re": "^(ab+|c{2,3})[x-z][^0-9]?$"}, f("abbx", "ccz_"), f("ax", "cccc", "abz1")),
    Case(REGEX, "i", "re-i", {"F|re|i": "a.c"}, f("ABC"), f("AC")),
    Case(REGEX, "m", "re-m", {"F|re|m": "^b$"}, f("a\nb\nc", "b"), f("ab")),
    Case(REGEX, "without m", "re-not-m", {"F|re": "^b$"}, f("b"), f("a\nb\nc")),
    Case(REGEX, "s", "re-s", {"F|re|s": "a.b"}, f("a\nb", "axb"), f("ab")),
    Case(REGEX, "without s", "re-not-s", {"F|re": "a.b"}, f("axb"), f("a\nb")),
    Case(REGEX, "i, m, s together", "re-ims", {"F|re|i|m|s": "^b.c$"}, f("a\nB\nC"), f("abc")),
    Case(REGEX, "all", "re-all", {"F|re|all": ["a+", "b+"]}, f("ab"), f("a")),
    Case(REGEX, "neq", "re-neq", {"F|re|neq": "a+"}, [{}, *f("b")], f("ba")),
    Case(REGEX, "what is no linear time is refused", "re-look", {"F|re": "(?=a)b"}, refused="regex"),
    Case(ENCODING, "base64", "base64", {"F|base64": "ping"}, f("cGluZw=="), f("ping", "xcGluZw==")),
    Case(ENCODING, "base64 and contains", "base64-contains", {"F|base64|contains": "foo"}, f("-Zm9v-"), f("Zm9")),
    Case(ENCODING, "base64offset: any of three places", "base64offset", {"F|base64offset|contains": "foobar"}, f("Zm9vYmFy", "eGZvb2Jhcg==", "eHhmb29iYXI="), f("Zm9vYmF6")),
    *(Case(ENCODING, f"{name} and base64", name, {f"F|{name}|base64": "cmd"}, f(text), f("Y21k"))
      for name, text in (("utf16le", "YwBtAGQA"), ("wide", "YwBtAGQA"), ("utf16be", "AGMAbQBk"), ("utf16", "//5jAG0AZAA="))),
    Case(ENCODING, "wide, base64offset, contains", "wide-offset", {"F|wide|base64offset|contains": "IEX"}, f("SQBFAFgA", "eABJAEUAWAA=", "eHhJAEUAWAA="), f("SUVY")),
    Case(ENCODING, "not only ASCII", "wide-unicode", {"F|wide|base64": "é"}, f("6QA="), f("w6k=")),
    Case(ENCODING, "cased and base64", "base64-cased", {"F|cased|base64": "ping"}, f("cGluZw=="), f("CGLUZW==")),
    Case(ENCODING, "wildcards cannot be encoded", "base64-star", {"F|base64": "a*"}, refused="Base64"),
    *(Case(NUMERIC, name, name, {f"F|{name}": 5}, f(*hits), [{}, *f(*misses, "x", "", YES)])
      for name, hits, misses in (("lt", (4, "4.9", "-7"), (5, 6)), ("lte", (5, "0x5", 4), (5.1, 6)),
                                 ("gt", (6, "5.1", "0x10"), (5, 4)), ("gte", (5, "5.0", 6), (4.9, -5)))),
    Case(NUMERIC, "of several values", "gt-list", {"F|gt": [5, 9]}, f(6), f(5)),
    Case(NUMERIC, "with neq", "gt-neq", {"F|gt|neq": 5}, [{}, *f(5)], f(6)),
    Case(NUMERIC, "a text is no number", "gt-text", {"F|gt": "5"}, refused="incompatible"),
    *(Case(TIME, name, name, {f"F|{name}": value}, f(STAMP, "2026-11-23 07:08:09.5"), f(other, "x", ""))
      for name, value, other in (("minute", 8, "2026-11-23T07:09:09Z"), ("hour", 7, "2026-11-23T08:08:09Z"), ("day", 23, "2026-11-22T07:08:09Z"),
                                 ("week", 48, "2026-11-22T07:08:09Z"), ("month", 11, "2026-12-23T07:08:09Z"), ("year", 2026, "2025-11-23T07:08:09Z"))),
    Case(TIME, "a list of hours", "hour-list", {"F|hour": [0, 7]}, f(STAMP), f("2026-11-23T01:00:00Z")),
    Case(TIME, "compared: outside working hours", "hour-compared", detection={"early": {"F|hour|lt": 8}, "late": {"F|hour|gte": 17}, "condition": "1 of them"}, hits=f(STAMP, "2026-11-23T17:00:00Z"), misses=f("2026-11-23T16:59:59Z")),
    Case(TIME, "with neq", "hour-neq", {"F|hour|neq": 7}, f("2026-11-23T08:00:00Z"), f(STAMP)),
    Case(TIME, "other zones are taken to UTC", "hour-zone", {"F|hour": 7}, f("2026-11-23T14:08:09+07:00"), f("2026-11-23T07:08:09+07:00")),
    Case(TIME, "seconds since 1970", "hour-epoch", {"F|hour": 7}, f("1763881689", 1763881689123), f("17638")),
    Case(TIME, "the time of the event", "hour-timestamp", {"@timestamp|year": 2026}, [{"A": 1}]),
    Case(TIME, "no such hour", "hour-range", {"F|hour": 24}, refused="no hour"),
    Case(IP, "cidr, IPv4", "cidr", {"F|cidr": "10.0.0.0/8"}, f("10.1.2.3", "::ffff:10.0.0.1"), f("11.0.0.1", "10.1", "x", "")),
    Case(IP, "cidr, IPv6", "cidr-6", {"F|cidr": "fe80::/10"}, f("fe80::1", "FE80::1%eth0", "febf::"), f("2001:db8::1", "10.0.0.1")),
    Case(IP, "a list of networks", "cidr-list", {"F|cidr": ["10.0.0.0/8", "::1/128"]}, f("10.0.0.1", "::1"), f("::2")),
    Case(IP, "with neq", "cidr-neq", {"F|cidr|neq": "10.0.0.0/8"}, f("11.0.0.1"), f("10.0.0.1")),
    Case(IP, "no network", "cidr-bad", {"F|cidr": "10.0.0.1/8"}, refused="host bits"),
    Case(SPECIFIC, "fieldref", "fieldref", {"F|fieldref": "G"}, [{"F": "a", "G": "A"}], [{"F": "a", "G": "b"}, {"F": "a"}, {"G": "a"}, {}]),
    Case(SPECIFIC, "fieldref and neq", "fieldref-neq", {"F|fieldref|neq": "G"}, [{"F": "a", "G": "b"}, {"F": "a"}], [{"F": "a", "G": "A"}]),
    *(Case(SPECIFIC, f"fieldref and {name}, in either order", f"fieldref-{name}-{n}", {key: "G"}, [{"F": text, "G": "ab"}], [{"F": "b", "G": "ab"}])
      for name, text in (("startswith", "ABc"), ("endswith", "cAB"), ("contains", "cABc"))
      for n, key in enumerate((f"F|fieldref|{name}", f"F|{name}|fieldref"))),
    *(Case(SPECIFIC, "fieldref and cased, in either order", f"fieldref-cased-{n}", {key: "G"}, [{"F": "a", "G": "a"}], [{"F": "a", "G": "A"}])
      for n, key in enumerate(("F|fieldref|cased", "F|cased|fieldref"))),
    Case(SPECIFIC, "fieldref, contains, cased, neq", "fieldref-chain", {"F|fieldref|contains|cased|neq": "G"}, [{"F": "xay", "G": "A"}], [{"F": "xay", "G": "a"}]),
    Case(SPECIFIC, "fieldref of several fields", "fieldref-all", {"F|fieldref|all": ["G", "H"]}, [{"F": "a", "G": "a", "H": "A"}], [{"F": "a", "G": "a"}]),
]  # fmt: skip

PLACEHOLDER = "Placeholders"
NAMED = {"Servers": ["srv*", "db-1"], "Administrators": ["root"]}
PLACEHOLDERS = [
    Case(PLACEHOLDER, "`%name%` without expand is plain", "placeholder-plain", {"F": "%Servers%"}, f("%servers%"), f("srv1"), placeholders=NAMED),
    Case(PLACEHOLDER, "expand: any of its values", "placeholder", {"F|expand": "%Servers%"}, f("SRV-9", "db-1"), f("db-2"), placeholders=NAMED),
    Case(PLACEHOLDER, "a plain percent is escaped", "placeholder-escaped", {"F|expand": r"\%plain%Administrators%"}, f("%plainroot"), f("root"), placeholders=NAMED),
    Case(PLACEHOLDER, "within a text, and with other modifiers", "placeholder-chain", {"F|contains|expand": "@%Servers%."}, f("x@db-1.example"), f("db-1"), placeholders=NAMED),
    Case(PLACEHOLDER, "in regular expressions", "placeholder-re", {"F|re|expand": "^%Servers%$"}, f("srv9", "db-1"), f("db-11"), placeholders=NAMED),
    *(Case(PLACEHOLDER, f"standard placeholder %{name}%", f"placeholder-{name}", {"F|expand": f"%{name}%"}, f("x"), f("y"), placeholders={name: ["x"]})
      for name in ("Administrators", "JumpServers", "Workstations", "Servers", "DomainControllers")),
    Case(PLACEHOLDER, "without values the rule is rejected", "placeholder-unknown", {"F|expand": "%Servers%"}, refused="has no values"),
    Case(PLACEHOLDER, "filled in by a pipeline", "placeholder-pipeline", {"F|expand": "%Any%-1"}, f("x-1"), f("x-2"), pipeline=[{"type": "wildcard_placeholders"}]),
]  # fmt: skip

FILTER = "Filters"
RULE_ID = "00000000-0000-4000-8000-000000000001"
HIDDEN = {"F": "x", "User": "adm_1"}


def hiding(
    rules: Any = "any", title: str = "Known", logsource: Any = None, **searches: Any
) -> dict[str, Any]:
    """Return a filter; without ``searches`` it hides administrators."""
    written = searches or {"selection": {"User|startswith": "adm_"}, "condition": "selection"}
    return {"title": title, "logsource": logsource or {"product": "linux"}, "filter": {"rules": rules, **written}}  # fmt: skip


FILTERS = [
    Case(FILTER, "rules: a list of ids", "filter-id", {"F": "x"}, f("x"), [HIDDEN], filters=[hiding([RULE_ID])]),
    Case(FILTER, "rules: names", "filter-name", {"F": "x"}, f("x"), [HIDDEN], header={"name": "a_rule"}, filters=[hiding(["a_rule"])]),
    Case(FILTER, "rules: any", "filter-any", {"F": "x"}, f("x"), [HIDDEN], filters=[hiding()]),
    Case(FILTER, "a rule that is not there is refused", "filter-unknown", {"F": "x"}, refused='"nobody"', filters=[hiding(["nobody"])]),
    Case(FILTER, "several filters of one rule", "filter-several", {"F": "x"}, f("x"), [HIDDEN, {"F": "x", "Host": "test"}],
         filters=[hiding([RULE_ID]), hiding(title="B", s={"Host": "test"}, condition="s")]),
    Case(FILTER, "conditions with brackets, not, and patterns", "filter-condition", {"F": "x"}, [{"F": "x", "A": 1, "C": 1}, {"F": "x"}], [{"F": "x", "A": 1}, {"F": "x", "B": 1}],
         filters=[hiding(s1=A, s2=B, c=C, condition="1 of s* and not (c)")]),
    Case(FILTER, "modifiers in filters", "filter-modifiers", {"F": "x"}, [{"F": "x", "User": "ADM"}], [{"F": "x", "User": "adm"}], filters=[hiding(s={"User|cased": "adm"}, condition="s")]),
    Case(FILTER, "a log source of its own", "filter-logsource", {"F": "x"}, [HIDDEN], filters=[hiding(logsource={"product": "linux", "service": "sshd"})]),
    Case(FILTER, "a condition that would hide nearly everything is refused", "filter-polarity", {"F": "x"}, refused="nearly everything", filters=[hiding(s=A, condition="not s")]),
]  # fmt: skip

PIPELINE = "Processing pipelines (field mapping)"
PIPELINES = [
    Case(PIPELINE, "field names", "pipeline-field", {"F": "x"}, [{"G": "x"}], f("x"), pipeline=[{"type": "field_name_mapping", "mapping": {"F": "G"}}]),
    Case(PIPELINE, "one field to several", "pipeline-fields", {"F": "x"}, [{"G": "x"}, {"H": "x"}], f("x"), pipeline=[{"type": "field_name_mapping", "mapping": {"F": ["G", "H"]}}]),
    Case(PIPELINE, "added conditions", "pipeline-condition", {"F": "x"}, [{"F": "x", "EventID": 1}], f("x"), pipeline=[{"type": "add_condition", "conditions": {"EventID": 1}}]),
    Case(PIPELINE, "another log source", "pipeline-logsource", {"F": "x"}, f("x"), header={"logsource": {"product": "mine"}}, pipeline=[{"type": "change_logsource", "product": "linux"}]),
    Case(PIPELINE, "another taxonomy", "pipeline-taxonomy", {"f": "x"}, f("x"), header={"taxonomy": "mine"}, pipeline=[{"type": "field_name_mapping", "mapping": {"f": "F"}}]),
    Case(PIPELINE, "rules that it refuses", "pipeline-failure", {"F": "x"}, refused="not here", pipeline=[{"type": "rule_failure", "message": "not here"}]),
]  # fmt: skip

CASES = [*HEADERS, *SOURCES, *VALUES, *KEYWORDS, *CONDITIONS, *MODIFIERS, *PLACEHOLDERS, *FILTERS, *PIPELINES]  # fmt: skip
