import os
from pathlib import Path

import pytest

from luytre.audit import merkle
from luytre.audit.notes import VerifierKey, is_signed_by, parse_note
from luytre.audit.signer import Growth, Signer
from luytre.core.errors import NeighbourError, Refused
from tests.audit.test_merkle import DATA, NODE, stored

FORKED = stored([*DATA[:3], b"another", *DATA[4:]])


def growth(old: int, new: int, node: merkle.Nodes = NODE) -> Growth:
    proof = tuple(merkle.consistency_proof(old, new, node))
    return Growth(old, new, merkle.root(new, node), proof)


def test_what_extends_the_last_state_is_signed(signer: Signer) -> None:
    signer.sign(growth(0, 5))

    state = signer.sign(growth(5, 9))

    checkpoint, signatures = parse_note(state.note)
    assert (checkpoint.size, checkpoint.root) == (9, merkle.root(9, NODE))
    assert is_signed_by(checkpoint, signatures, VerifierKey.parse(state.key))


def test_the_last_state_is_given_again(signer: Signer) -> None:
    first = signer.sign(growth(0, 5))

    assert signer.sign(growth(0, 5)) == first


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param(growth(0, 4), "signed last", id="fewer entries"),
        pytest.param(Growth(5, 4, merkle.root(4, NODE), ()), "roll-back", id="fewer entries, knowingly"),
        pytest.param(growth(5, 9, FORKED), "fork", id="another past"),
        pytest.param(growth(5, 5, FORKED), "fork", id="another past of the same size"),
        pytest.param(growth(4, 9), "signed last", id="a proof from an older state"),
        pytest.param(Growth(5, 9, merkle.root(9, NODE), ()), "fork", id="no proof"),
        pytest.param(Growth(0, 9, merkle.root(9, FORKED), ()), "signed last", id="as if nothing was signed"),
    ],
)  # fmt: skip
def test_any_other_state_is_refused_also_after_a_restart(
    tmp_path: Path, signer: Signer, asked: Growth, reason: str
) -> None:
    signed = signer.sign(growth(0, 5))

    for again in (signer, Signer(tmp_path / "signer")):
        with pytest.raises(Refused, match=reason):
            again.sign(asked)
        assert again.state() == signed


def test_nothing_is_signed_that_cannot_be_kept(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signer.sign(growth(0, 5))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NeighbourError, match="No space left"):
            signer.sign(growth(5, 9))

    assert signer.state() == before == Signer(tmp_path / "signer").state()
    assert signer.sign(growth(5, 9)).size == 9


def test_only_its_user_can_read_the_key(tmp_path: Path, signer: Signer) -> None:
    signer.sign(growth(0, 5))

    assert (tmp_path / "signer" / "signer.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "signer").stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_never_begun_anew(tmp_path: Path, signer: Signer) -> None:
    signer.sign(growth(0, 5))
    (tmp_path / "signer" / "signer.json").write_bytes(b"{")

    with pytest.raises(NeighbourError, match="backup"):
        Signer(tmp_path / "signer")
