"""Hashes passwords with argon2id, and checks them in the same time whether there is a user or not.

Parameters are those of the OWASP password storage cheat sheet for little memory: 19 MiB, two
passes, one lane; a guess costs 30 ms of an old machine.
"""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from luytre.core.errors import Refused

LENGTH_MIN, LENGTH_MAX = 12, 256
KINDS_MIN, NAME_MIN = 5, 4
"""Different characters at least; and a name so long must not stand in its password."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODYS = _HASHER.hash(secrets.token_hex(16))


def hash_password(password: str, user: str) -> str:
    """Return what is kept of a password. Raises ``Refused`` if it is easily guessed.

    NIST SP 800-63B: length, and no rules of composition.
    """
    if len(password) < LENGTH_MIN:
        raise Refused(f"a password has at least {LENGTH_MIN} characters")
    if len(password) > LENGTH_MAX:
        raise Refused(f"a password has at most {LENGTH_MAX} characters")
    named = len(user) >= NAME_MIN and user in password.lower()
    if len(set(password)) < KINDS_MIN or named:
        raise Refused("this password is easily guessed: choose another")
    return _HASHER.hash(password)


def matches(kept: str, password: str) -> bool:
    """Tell whether it is the password; ``kept`` empty: nobody's, and it takes as long to say."""
    try:
        return _HASHER.verify(kept or _NOBODYS, password[:LENGTH_MAX]) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def made_up() -> str:
    """Return a password that nobody guesses and that can be read out: five groups of four."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))
