"""What can be read off a presented token, with the secret part left out; the page's own script says the same."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from keymgr.tokens.claims import LEEWAY_SECONDS, from_payload
from keymgr.tokens.rejected import Rejected
from keymgr.tokens.signed import check
from keymgr.tokens.signing import VerifyingKey
from keymgr.web.docs_claims import CLAIMS, DATES, HEADER, SECRET
from keymgr.web.wording import clock, distance

_PREFIXES = {
    "km_": "This is an opaque key: it has no meaning outside keymgr. Ask the verifier about it.",
    "kms_": "This is what a service presents to keymgr, no key. Keep it secret: it asks as that service.",
    "kmp_": "This is what a pull-request job presents to keymgr, no key. Keep it secret.",
}
_NO_TOKEN = "This is not a token: three parts in base64url with dots between were expected."  # noqa: S105 - a sentence.
_LATEST = 253_402_300_799


class Tone(StrEnum):
    """How a sentence sounds: the same three words as an explanation's."""

    GOOD = "granted"
    UNSURE = "pending"
    BAD = "refused"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is found out about a token."""

    tone: Tone
    sentence: str


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a header or a payload, ready to be shown."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a token says; `place` is its index in our status list and `key_id` its key, both only when it is ours."""

    said: tuple[Said, ...]
    header: tuple[Member, ...] = ()
    claims: tuple[Member, ...] = ()
    place: int | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class House:
    """Whose tokens are ours: the issuer, its keys, the type of token, and the service that asks, if any."""

    issuer: str
    verifying: Mapping[str, VerifyingKey]
    service: str | None


def inspect_token(token: str, house: House, now: datetime) -> Inspected:
    """Decode a token and judge what its text alone can tell; the wrapped secret is never in the result."""
    for prefix, sentence in _PREFIXES.items():
        if token.startswith(prefix):
            return Inspected((Said(Tone.UNSURE, sentence),))
    parts = token.split(".")
    header, payload = (_object(part) for part in (*parts, "", "")[:2])
    if len(parts) != 3 or header is None or payload is None:  # noqa: PLR2004 - header, payload and signature.
        return Inspected((Said(Tone.BAD, _NO_TOKEN),))
    checked = check(token, house.verifying, typ="at+jwt")
    claims = checked if isinstance(checked, Rejected) else from_payload(checked)
    said = (_origin(claims, payload, house), *_dates(payload, now), *_audience(payload, house))
    shown = tuple(_member(name, value, HEADER, now) for name, value in header.items())
    listed = tuple(_member(name, value, CLAIMS, now) for name, value in payload.items())
    if isinstance(claims, Rejected):
        return Inspected(said, shown, listed)
    return Inspected(said, shown, listed, claims.status_index, claims.client_id)


def _origin(claims: object, payload: Mapping[str, Any], house: House) -> Said:
    if payload.get("iss") != house.issuer:
        return Said(Tone.BAD, "Not ours: it names another issuer.")
    if isinstance(claims, Rejected):
        return Said(Tone.BAD, f"Not ours: {claims.sentence[0].lower()}{claims.sentence[1:]}")
    return Said(Tone.GOOD, "Ours: the signature fits one of our keys.")


def _dates(payload: Mapping[str, Any], now: datetime) -> tuple[Said, ...]:
    end = _moment(payload.get("exp"))
    if end is None:
        return (Said(Tone.BAD, "It does not say until when it is good."),)
    words = f"{clock(end)} ({distance(end, now)})"
    start = _moment(payload.get("nbf"))
    if end.timestamp() <= now.timestamp():
        return (Said(Tone.BAD, f"Expired: it was good until {words}."),)
    if start is not None and start.timestamp() > now.timestamp() + LEEWAY_SECONDS:
        return (Said(Tone.BAD, f"Not valid yet: it is good from {clock(start)} ({distance(start, now)})."),)
    return (Said(Tone.GOOD, f"In its dates: good until {words}."),)


def _audience(payload: Mapping[str, Any], house: House) -> tuple[Said, ...]:
    audience = payload.get("aud")
    if not isinstance(audience, str):
        return (Said(Tone.BAD, "It does not name the one service it is for."),)
    if house.service is None:
        return (Said(Tone.UNSURE, f"It is for the service {audience}, and no other may accept it."),)
    if audience != house.service:
        return (Said(Tone.BAD, f"Wrong audience: it is for {audience}, not for {house.service}."),)
    return (Said(Tone.GOOD, f"It is for {audience}."),)


def _member(name: str, value: object, meanings: Mapping[str, str], now: datetime) -> Member:
    meaning = meanings.get(name, "Not a claim of ours.")
    if name == SECRET:
        length = len(value) if isinstance(value, str) else 0
        return Member(name, f"hidden, {length} characters", meaning)
    moment = _moment(value) if name in DATES else None
    if moment is not None:
        return Member(name, f"{clock(moment)} ({distance(moment, now)}) · {value}", meaning)
    return Member(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), meaning)


def _moment(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and 0 <= seconds <= _LATEST else None


def _object(part: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
