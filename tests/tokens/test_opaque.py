import re
import zlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.tokens.identifiers import new_id
from keymgr.tokens.opaque import (
    Opaque,
    OpaquePlan,
    OpaqueService,
    recognise,
    recognise_plan_credential,
    recognise_service_credential,
    render,
    render_plan_credential,
    render_service_credential,
)
from keymgr.tokens.secret import mint

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID = "crd_01kafp2c0000000000000000ab"
SERVICE_ID = "svc_01kafp2c0000000000000000ab"
PLAN_ID = "pln_01kafp2c0000000000000000ab"
SECRETS = st.integers(32, 64).map(mint)
ENVIRONMENTS = st.from_regex("[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return digits.rjust(6, "0")


@given(ENVIRONMENTS, SECRETS)
def test_what_is_rendered_is_recognised(environment: str, secret: str) -> None:
    assert recognise(render(environment, ID, secret)) == Opaque(environment, ID, secret)


@given(SECRETS)
def test_a_rendered_service_credential_is_recognised(secret: str) -> None:
    text = render_service_credential(SERVICE_ID, secret)
    assert recognise_service_credential(text) == OpaqueService(SERVICE_ID, secret)


@given(SECRETS)
def test_a_rendered_plan_credential_is_recognised_and_tells_no_secret(secret: str) -> None:
    found = recognise_plan_credential(render_plan_credential(PLAN_ID, secret))
    assert found == OpaquePlan(PLAN_ID, secret)
    assert secret not in repr(found)


@given(ENVIRONMENTS, SECRETS)
def test_one_double_click_selects_the_whole_key(environment: str, secret: str) -> None:
    assert re.fullmatch(r"\w+", render(environment, ID, secret), re.ASCII)


@given(ENVIRONMENTS, SECRETS)
def test_the_checksum_is_base62_of_the_crc32_of_the_rest(environment: str, secret: str) -> None:
    text = render(environment, ID, secret)
    assert text.endswith(checksum(text[:-6]))


def test_the_form_is_prefix_environment_id_and_secret(now: datetime) -> None:
    credential_id = new_id("crd", now, b"\x07" * 10)
    text = render("eu-prod", credential_id, mint(32))
    assert re.fullmatch(f"km_eu_prod_{credential_id[4:]}_[0-9A-Za-z]{{49}}", text)


@given(st.data())
def test_any_changed_character_is_not_recognised(data: st.DataObject) -> None:
    text = render("eu-prod", ID, mint())
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))
    assert recognise(text[:place] + other + text[place + 1 :]) is None


@given(st.data())
def test_a_lost_or_added_character_of_a_service_credential_is_not_recognised(data: st.DataObject) -> None:
    text = render_service_credential(SERVICE_ID, mint())
    place = data.draw(st.integers(0, len(text)))
    assert recognise_service_credential(text[:place] + data.draw(st.sampled_from(BASE62)) + text[place:]) is None
    assert recognise_service_credential(text[:-1]) is None


@given(st.text() | st.text(alphabet=BASE62 + "_").map(lambda text: f"km_{text}"))
def test_junk_is_not_recognised_and_never_raises(text: str) -> None:
    assert recognise(text) is None
    assert recognise_service_credential(text) is None
    assert recognise_plan_credential(text) is None


def test_the_three_kinds_are_not_taken_for_each_other() -> None:
    plan = render_plan_credential(PLAN_ID, mint())
    assert (recognise(plan), recognise_service_credential(plan)) == (None, None)
    assert recognise_plan_credential(render_service_credential(SERVICE_ID, mint())) is None
    assert recognise_plan_credential(plan[:-1]) is None
    assert recognise_plan_credential(plan[:-1] + ("0" if plan[-1] != "0" else "1")) is None
    assert recognise_service_credential(render("prod", ID, mint())) is None
    assert recognise(render_service_credential(SERVICE_ID, mint())) is None


@pytest.mark.parametrize("secret_part", ["0" * 44, "z" * 43], ids=["no such width", "number too great"])
def test_a_right_checksum_does_not_save_a_secret_that_was_never_minted(secret_part: str) -> None:
    key = f"km_prod_{ID[4:]}_{secret_part}"
    service = f"kms_{SERVICE_ID[4:]}_{secret_part}"
    plan = f"kmp_{PLAN_ID[4:]}_{secret_part}"
    assert recognise(key + checksum(key)) is None
    assert recognise_plan_credential(plan + checksum(plan)) is None
    assert recognise_service_credential(service + checksum(service)) is None


@pytest.mark.parametrize("environment", ["", "Prod", "eu_prod", "-prod", "p" * 64, "prod\n"])
def test_an_environment_that_is_no_name_is_not_rendered(environment: str) -> None:
    with pytest.raises(ValueError, match="environment"):
        render(environment, ID, mint())


@pytest.mark.parametrize("credential_id", ["", ID[4:], SERVICE_ID, ID.upper(), ID + "0", ID.replace("k", "u")])
def test_an_id_that_is_not_a_credentials_is_not_rendered(credential_id: str) -> None:
    with pytest.raises(ValueError, match="starts with crd_"):
        render("prod", credential_id, mint())


def test_a_plan_credential_needs_an_id_of_its_own_kind() -> None:
    with pytest.raises(ValueError, match="starts with pln_"):
        render_plan_credential(SERVICE_ID, mint())


def test_a_service_credential_needs_an_id_of_its_own_kind() -> None:
    with pytest.raises(ValueError, match="starts with svc_"):
        render_service_credential(ID, mint())


@pytest.mark.parametrize(
    "secret",
    ["", "short", "A" * 42, "A" * 42 + "B", "A" * 42 + "!", "A" * 43 + "=", "é" * 43, "A" * 45],
)
def test_a_secret_that_was_not_minted_is_not_rendered(secret: str) -> None:
    with pytest.raises(ValueError, match="must come from mint"):
        render("prod", ID, secret)


def test_the_secret_stays_out_of_the_representation() -> None:
    secret = mint()
    assert secret not in repr(recognise(render("prod", ID, secret)))
    assert secret not in repr(recognise_service_credential(render_service_credential(SERVICE_ID, secret)))
