"""What `POST /api/v1/verify` answered, read strictly: anything odd is an error and so never a yes."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keymgr.tokens.verdicts import VerdictCode
from keymgr.verifier.key import Key, Limit
from keymgr.verifier.refusal import Refusal


class BadAnswerError(ValueError):
    """The server answered something else than the contract says; the message names what."""


def read_answer(raw: bytes, *, service: str, scopes: frozenset[str]) -> Key | Refusal:
    """Turn an answer's JSON into a key or a refusal.

    A key for another service than the one that asks is refused here, too. Raises ValueError for what is no answer.
    """
    answer = json.loads(raw)
    if not isinstance(answer, dict):
        raise BadAnswerError("the answer is not a JSON object")
    code = VerdictCode(_text(answer, "code"))
    if answer.get("valid") is not (code is VerdictCode.OK):
        raise BadAnswerError("the answer's valid and code contradict each other")
    limits = tuple(_limit(limit) for limit in _list(answer, "limits"))
    if code is not VerdictCode.OK:
        return Refusal(code, _text(answer, "message"), scopes, limits, _seconds(answer, "retry_after"))
    key = _key(answer, limits)
    if key.service != service:
        return Refusal(VerdictCode.KEY_WRONG_AUDIENCE, "The key is for another service.")
    if not scopes <= key.scopes:
        raise BadAnswerError("the answer says yes to scopes that it does not list")
    return key


def _key(answer: Mapping[str, Any], limits: tuple[Limit, ...]) -> Key:
    scopes = _list(answer, "scopes")
    if not all(isinstance(scope, str) for scope in scopes):
        raise BadAnswerError("scopes must be text")
    expires_at = datetime.fromisoformat(_text(answer, "expires_at"))
    if expires_at.tzinfo is None:
        raise BadAnswerError("expires_at must have a time zone")
    return Key(
        key_id=_text(answer, "key_id"),
        owner=_text(answer, "owner"),
        service=_text(answer, "service"),
        environment=_text(answer, "environment"),
        scopes=frozenset(scopes),
        expires_at=expires_at,
        limits=limits,
    )


def _limit(limit: object) -> Limit:
    if not isinstance(limit, dict):
        raise BadAnswerError("a limit must be an object")
    return Limit(
        _text(limit, "name"),
        _number(limit.get("limit")),
        _number(limit.get("remaining")),
        _number(limit.get("resets_in")),
        _seconds(limit, "window"),
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise BadAnswerError(f"{name} must be text")
    return value


def _list(members: Mapping[str, Any], name: str) -> list[Any]:
    value = members.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadAnswerError(f"{name} must be a list")
    return value


def _seconds(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    return None if value is None else _number(value)


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise BadAnswerError("numbers must be whole and not negative")
    return value
