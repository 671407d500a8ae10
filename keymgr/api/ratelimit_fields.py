"""Limits as HTTP fields: RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After."""

from keymgr.keys.limiting import WindowState
from keymgr.keys.verdict import Verdict


def limit_fields(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """List the fields for a verdict; none where nothing was counted, so that no stranger learns a key's limits."""
    fields: list[tuple[str, str]] = []
    if verdict.limits:
        fields.append(("RateLimit-Policy", ", ".join(_policy(state) for state in verdict.limits)))
        fields.append(("RateLimit", ", ".join(_standing(state) for state in verdict.limits)))
    if verdict.retry_after_seconds is not None:
        fields.append(("Retry-After", str(verdict.retry_after_seconds)))
    return tuple(fields)


def _policy(state: WindowState) -> str:
    return f"{_string(state.window.name)};q={state.window.draw.amount};w={state.window.draw.seconds}"


def _standing(state: WindowState) -> str:
    return f"{_string(state.window.name)};r={state.remaining};t={state.resets_in_seconds}"


def _string(text: str) -> str:
    """Write a String of RFC 9651; what it cannot hold becomes a question mark."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
