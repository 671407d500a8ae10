"""Passwords are stored as Argon2id and judged by their length and by what is guessed first."""

import pytest
from argon2 import PasswordHasher

from keymgr.people.passwords import HASHER, check_strength, hash_password, verify
from keymgr.people.sample import SAMPLE_PEOPLE


def test_a_hash_is_argon2id_and_never_the_same_twice(hasher: PasswordHasher) -> None:
    one, two = hash_password("a-long-enough-one", hasher), hash_password("a-long-enough-one", hasher)
    assert one.startswith("$argon2id$")
    assert one != two
    assert verify(one, "a-long-enough-one", hasher)
    assert not verify(one, "a-long-enough-two", hasher)


def test_the_hash_of_an_install_costs_64_mebibytes() -> None:
    assert (HASHER.memory_cost, HASHER.time_cost) == (64 * 1024, 3)


def test_one_password_can_be_typed_on_any_keyboard(hasher: PasswordHasher) -> None:
    assert verify(hash_password("fenêtre-à-la-mer", hasher), "fene\u0302tre-a\u0300-la-mer", hasher)


def test_nobody_has_no_password(hasher: PasswordHasher) -> None:
    assert not verify(None, "", hasher)
    assert not verify("not a hash", "anything at all", hasher)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "fourteen-chars",
        "x" * 201,
        "aaaaaaaaaaaaaaaaaaaa",
        "passwordpassword",
        "Password12345678!",
        "123456789012345678",
        "qwertyuiopasdfghjkl",
        "correct horse battery staple",
        "KEYMGR-keymgr-keymgr",
    ],
)
def test_a_weak_password_is_refused_with_advice(password: str) -> None:
    problem = check_strength(password)
    assert problem is not None
    assert "Use" in problem
    assert password not in problem


@pytest.mark.parametrize("password", ["ben-likes-blue-doors", "x9!kQ2mm#zzPl0Tr", "пароль-из-пяти-слов"])
def test_a_good_password_is_good(password: str) -> None:
    assert check_strength(password) is None


def test_the_passwords_of_the_demo_are_good() -> None:
    assert [check_strength(person.password) for person in SAMPLE_PEOPLE] == [None] * 6
