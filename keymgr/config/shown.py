"""Every setting as a page may show it: of a secret only whether it is set."""

from collections.abc import Iterable
from dataclasses import dataclass

from keymgr.config.settings import Settings, variables


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting: `value` is text for people, empty where there is none; a secret's is `set` at most."""

    name: str
    value: str
    default: str
    description: str
    secret: bool


def shown(settings: Settings) -> tuple[Shown, ...]:
    """List all settings in the order of the documentation."""
    return tuple(
        Shown(
            name=name,
            value=_secret(getattr(settings, item.name))
            if item.metadata["secret"]
            else _text(getattr(settings, item.name)),
            default="required" if item.metadata["default"] is None else item.metadata["default"],
            description=item.metadata["description"],
            secret=item.metadata["secret"],
        )
        for name, item in variables().items()
    )


def _secret(value: object) -> str:
    return "set" if value else ""


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case str():
            return value
        case Iterable():
            return ", ".join(map(str, value))
        case _:
            text = str(value)
            return "" if text == "." else text
