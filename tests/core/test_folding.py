"""Search compares text without case and Vietnamese marks."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luytre.core.folding import EQUAL_TERMS, TEXT_LENGTH_MAX, Phrase, fold_text, parse_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("Trung tâm giám sát", "trung tam giam sat", id="composed"),
        pytest.param("Tru\u031bo\u031b\u0300ng", "truong", id="decomposed"),
        pytest.param("Đặng ĐÌNH đ", "dang dinh d", id="d with stroke does not decompose"),
        pytest.param("ỨNG CỨU SỰ CỐ", "ung cuu su co", id="capitals"),
        pytest.param("powershell -ENC", "powershell -enc", id="ascii"),
        pytest.param("Straße 東京 Ω", "straße 東京 ω", id="other scripts keep their letters"),
        pytest.param("a\x00b\uffff", "a\x00b\uffff", id="controls stay"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_text_folds(text: str, folded: str) -> None:
    assert fold_text(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(st.text())
def test_how_marks_are_encoded_does_not_matter(text: str) -> None:
    assert fold_text(unicodedata.normalize("NFC", text)) == fold_text(text)
    assert fold_text(unicodedata.normalize("NFD", text)) == fold_text(text)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param(" -- !", (), id="no word"),
        pytest.param("a b", ((Phrase(("a",)),), (Phrase(("b",)),)), id="words"),
        pytest.param('"a b" c', ((Phrase(("a", "b")),), (Phrase(("c",)),)), id="phrase"),
        pytest.param('"a b', ((Phrase(("a", "b")),),), id="quote left open"),
        pytest.param("cmd.exe", ((Phrase(("cmd", "exe")),),), id="a word with a dot"),
        pytest.param("ab*", ((Phrase(("ab",), prefix=True),),), id="prefix"),
        pytest.param("a*b", ((Phrase(("a", "b")),),), id="a star inside only separates"),
        pytest.param("*", (), id="a star alone"),
    ],
)
def test_text_asks_for(text: str, groups: tuple[tuple[Phrase, ...], ...]) -> None:
    assert parse_text(text) == groups


EQUALS = tuple(Phrase(tuple(term.split())) for term in EQUAL_TERMS[0])


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        pytest.param("an ninh mạng", (EQUALS,), id="words"),
        pytest.param('"an toàn thông tin"', (EQUALS,), id="phrase"),
        pytest.param("an-toàn thông tin mạng", (EQUALS,), id="the longest term wins"),
        pytest.param("ATTT", (EQUALS,), id="short form"),
        pytest.param("sự ANM", ((Phrase(("su",)),), EQUALS), id="among other words"),
        pytest.param("an ninh", ((Phrase(("an",)),), (Phrase(("ninh",)),)), id="half a term"),
        pytest.param("anm*", ((Phrase(("anm",), prefix=True),),), id="a prefix is no term"),
    ],
)
def test_terms_of_one_meaning_are_asked_for_together(
    text: str, groups: tuple[tuple[Phrase, ...], ...]
) -> None:
    assert parse_text(text) == groups


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_word_asked_for_is_letters_and_digits(text: str) -> None:
    words = [word for group in parse_text(text) for phrase in group for word in phrase.words]

    assert all(word.isalnum() for word in words)


def test_endless_text_is_looked_at_in_part() -> None:
    assert len(parse_text("a " * 10**6)) == TEXT_LENGTH_MAX // 2
