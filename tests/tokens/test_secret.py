import base64
import hashlib
import hmac

import pytest

from keymgr.tokens.secret import digest, matches, mint, token_digest

PEPPER = b"p" * 32


@pytest.mark.parametrize("n_bytes", [32, 33, 48, 64])
def test_a_minted_secret_has_the_bytes_that_were_asked_for(n_bytes: int) -> None:
    secret = mint(n_bytes)
    assert len(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))) == n_bytes


def test_a_secret_has_256_bits_unless_more_are_asked_for() -> None:
    assert len(mint()) == 43


def test_no_two_minted_secrets_are_alike() -> None:
    assert len({mint() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("n_bytes", [-1, 0, 16, 31, 65, 1000])
def test_a_secret_length_outside_32_to_64_is_refused_in_words(n_bytes: int) -> None:
    with pytest.raises(ValueError, match=f"secret of {n_bytes} bytes .* from 32 bytes"):
        mint(n_bytes)


def test_the_digest_is_hmac_sha256_under_the_pepper() -> None:
    assert digest("secret", PEPPER) == hmac.new(PEPPER, b"secret", hashlib.sha256).digest()


def test_a_secret_matches_only_its_own_digest_under_the_same_pepper() -> None:
    stored = digest("secret", PEPPER)
    assert matches("secret", stored, PEPPER)
    assert not matches("Secret", stored, PEPPER)
    assert not matches("secret", stored, b"q" * 32)
    assert not matches("secret", stored[:-1], PEPPER)


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match="pepper has 31 bytes"):
        digest("secret", b"p" * 31)


def test_text_that_is_not_valid_unicode_is_digested_without_raising() -> None:
    assert not matches("\ud800", digest("secret", PEPPER), PEPPER)
    assert token_digest("\ud800") != token_digest("\ud801")


def test_the_digest_of_a_token_is_the_sha256_of_its_characters() -> None:
    assert token_digest("a.b.c") == hashlib.sha256(b"a.b.c").digest()
