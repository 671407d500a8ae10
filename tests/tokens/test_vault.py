import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.vault import (
    DamagedRowError,
    Sealed,
    UnknownKekError,
    Vault,
    VaultError,
    WrongKekError,
)

OLD, NEW = b"o" * 32, b"n" * 32
ROW = "signing_key:km-a"


@pytest.fixture
def vault() -> Vault:
    return Vault({"2026": OLD}, "2026")


@given(st.binary(max_size=5000), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_for_a_row_is_unsealed_for_it(plaintext: bytes, row: str) -> None:
    vault = Vault({"2026": OLD}, "2026")
    sealed = vault.seal(plaintext, row=row)
    assert vault.unseal(sealed.kek_id, sealed.blob, row=row) == plaintext


def test_the_same_text_is_never_sealed_alike(vault: Vault) -> None:
    blobs = [vault.seal(b"private", row=ROW).blob for _ in range(100)]
    assert len(set(blobs)) == len({blob[:61] for blob in blobs}) == 100
    assert all(b"private" not in blob for blob in blobs)


def test_two_swapped_rows_do_not_open(vault: Vault) -> None:
    first, second = vault.seal(b"a", row="signing_key:km-a"), vault.seal(b"b", row="signing_key:km-b")
    with pytest.raises(DamagedRowError, match="signing_key:km-a was changed or swapped"):
        vault.unseal("2026", second.blob, row="signing_key:km-a")
    grafted = first.blob[:61] + second.blob[61:]
    with pytest.raises(DamagedRowError):
        vault.unseal("2026", grafted, row="signing_key:km-b")


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    vault = Vault({"2026": OLD}, "2026")
    blob = bytearray(vault.seal(b"private", row=ROW).blob)
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((WrongKekError, DamagedRowError)):
        vault.unseal("2026", bytes(blob), row=ROW)


@given(st.binary(max_size=200))
def test_junk_is_not_an_envelope(blob: bytes) -> None:
    with pytest.raises((WrongKekError, DamagedRowError)):
        Vault({"2026": OLD}, "2026").unseal("2026", blob, row=ROW)


def test_another_key_under_the_same_name_is_named_as_the_trouble(vault: Vault) -> None:
    sealed = vault.seal(b"private", row=ROW)
    with pytest.raises(WrongKekError, match="'2026' is not the one that sealed it"):
        Vault({"2026": NEW}, "2026").unseal(sealed.kek_id, sealed.blob, row=ROW)


def test_the_same_key_under_another_name_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(b"private", row=ROW)
    with pytest.raises(WrongKekError):
        Vault({"2026": OLD, "2027": OLD}, "2027").unseal("2027", sealed.blob, row=ROW)


def test_a_key_that_is_not_configured_is_named(vault: Vault) -> None:
    with pytest.raises(UnknownKekError, match="'2025', which is not configured"):
        vault.unseal("2025", vault.seal(b"private", row=ROW).blob, row=ROW)


def test_a_rotation_reseals_under_the_current_key_and_can_be_resumed(vault: Vault) -> None:
    sealed = vault.seal(b"private", row=ROW)
    both = Vault({"2026": OLD, "2027": NEW}, "2027")
    once = both.reseal(sealed.kek_id, sealed.blob, row=ROW)
    twice = both.reseal(once.kek_id, once.blob, row=ROW)
    assert once.kek_id == twice.kek_id == "2027"
    assert Vault({"2027": NEW}, "2027").unseal("2027", twice.blob, row=ROW) == b"private"
    assert both.unseal(sealed.kek_id, sealed.blob, row=ROW) == b"private"


def test_a_vault_needs_its_current_key() -> None:
    with pytest.raises(UnknownKekError, match="'2027' that should seal is not configured"):
        Vault({"2026": OLD}, "2027")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_encryption_key_has_32_bytes(length: int) -> None:
    with pytest.raises(VaultError, match=f"has {length} bytes; it needs exactly 32"):
        Vault({"2026": b"k" * length}, "2026")


def test_keys_stay_out_of_the_representation(vault: Vault) -> None:
    assert repr(OLD) not in repr(vault)
    assert repr(vault.seal(b"private", row=ROW)) == "Sealed(kek_id='2026')"
    assert Sealed("a", b"b") == Sealed("a", b"b")
