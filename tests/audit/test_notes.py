import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from luytre.audit.notes import (
    Checkpoint,
    NoteError,
    VerifierKey,
    is_signed_by,
    note,
    parse_note,
    sign,
)
from luytre_verify.checkpoint import Unreadable, read_key, read_note

# The example of golang.org/x/mod/sumdb/note, which C2SP's signed-note describes.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
# The example of C2SP's tlog-checkpoint.
C2SP = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = VerifierKey("luytre/1", KEY.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint("luytre/1", 7, bytes(32))
OURS = note(CHECKPOINT, sign(CHECKPOINT, "luytre/1", KEY))


def test_a_key_of_others_is_read_and_its_id_is_theirs() -> None:
    key = VerifierKey.parse(GO_KEY)
    data = base64.b64decode(GO_SIGNATURE)

    assert str(key) == GO_KEY
    assert key.id == data[:4]
    Ed25519PublicKey.from_public_bytes(key.public).verify(data[4:], GO_TEXT)


def test_a_checkpoint_of_others_is_read() -> None:
    checkpoint, signatures = parse_note(C2SP)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert note(checkpoint, *signatures) == C2SP
    assert read_note(C2SP).root == checkpoint.root


def test_a_signature_holds_for_its_key_and_text_only() -> None:
    checkpoint, signatures = parse_note(OURS)
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    assert is_signed_by(checkpoint, signatures, PUBLIC)
    assert not is_signed_by(checkpoint, signatures, VerifierKey("luytre/1", other))
    assert not is_signed_by(Checkpoint("luytre/1", 8, bytes(32)), signatures, PUBLIC)


@pytest.mark.parametrize("text", [
    pytest.param("", id="nothing"),
    pytest.param(OURS.replace("\n\n", "\n"), id="no blank line"),
    pytest.param(OURS.replace("\n7\n", "\n07\n"), id="a size with a zero before it"),
    pytest.param(OURS.replace("\n7\n", "\n-7\n"), id="a negative size"),
    pytest.param(OURS.replace("\n7\n", "\n\u0667\n"), id="a size in other digits"),
    pytest.param(OURS.replace("\n7\n", f"\n{10**18}\n"), id="a size beyond all logs"),
    pytest.param(OURS.split("—", maxsplit=1)[0], id="no signature"),
    pytest.param(OURS + "\n", id="a line more"),
    pytest.param(OURS[:-1], id="a line end less"),
    pytest.param(OURS.replace("—", "-"), id="another dash"),
    pytest.param(OURS.replace("AAAA=", "AAAA"), id="a root that is no base64"),
])  # fmt: skip
def test_what_is_no_checkpoint_is_refused_by_both_readers(text: str) -> None:
    with pytest.raises(NoteError):
        parse_note(text)
    with pytest.raises(Unreadable):
        read_note(text)


@pytest.mark.parametrize("text", [
    pytest.param("", id="nothing"),
    pytest.param(GO_KEY.replace("c74f20a3", "c74f20a4"), id="an id of another key"),
    pytest.param(GO_KEY.replace("ARpc", "AhpC"), id="no Ed25519"),
    pytest.param(GO_KEY[:-4], id="too short"),
    pytest.param(GO_KEY.replace("PeterNeumann", "Peter Neumann"), id="a name with a space"),
])  # fmt: skip
def test_what_is_no_key_is_refused_by_both_readers(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)
    with pytest.raises(Unreadable):
        read_key(text)
