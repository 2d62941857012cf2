import pytest

from playbooks.conditions import ConditionError, read_condition

VALUES = {"__a__": "5", "__b__": "bad", "__none__": None, "__ip__": "10.1.2.3", "__yes__": "true"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("__a__:value = 5", True),
        ("__a__:value = '5'", True),
        ("__a__:value != 5", False),
        ("__a__:value > 4 AND __a__:value <= 5", True),
        ("__a__:value < 4 OR __b__:value = 'bad'", True),
        ("NOT (__b__:value = 'bad')", False),
        ("NOT __b__:value = 'good' AND __a__:value >= 5", True),
        ("__b__:value IN ('good', 'bad')", True),
        ("__b__:value IN ('good')", False),
        ("__b__:value LIKE 'b%d'", True),
        ("__b__:value LIKE 'b_d'", True),
        ("__b__:value LIKE '[b]ad'", False),
        ("__ip__:value ISSUBSET '10.0.0.0/8'", True),
        ("__ip__:value ISSUBSET '2001:db8::/32'", False),
        ("__b__:value ISSUBSET '10.0.0.0/8'", False),
        ("__none__:value = ''", False),
        ("__none__:value != 'x'", True),
        ("__none__:value > 0", False),
        ("__b__:value > 0", False),
        ("__yes__:value = true", True),
        ("'it\\'s' = 'it\\'s'", True),
    ],
)
def test_condition(text: str, *, holds: bool) -> None:
    assert read_condition(text)(VALUES) is holds


@pytest.mark.parametrize(
    "text",
    ["", "__a__:value", "= 5", "__a__:value = ", "(__a__:value = 5", "__a__:value = 5)",
     "__a__:value MATCHES 'x'", "__a__:value IN 5", "__a__:value IN ('a'", "__a__ = 5",
     "import os", "__a__:value = 5; 1", "(" * 50 + "1 = 1" + ")" * 50, "1 = 1 " + "x" * 5000],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(ConditionError):
        read_condition(text)
