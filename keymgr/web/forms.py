"""What forms share: Flask-WTF with our own token check, one-time numbers, and problems as values."""

import secrets
from dataclasses import dataclass

from flask_wtf import FlaskForm


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a form; `field` is the id of the input to go to, empty for the form as a whole."""

    field: str
    sentence: str


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF carries no types.
    """A form of ours; the token was checked for the whole request already (guard.py)."""

    class Meta:
        """What Flask-WTF reads from a form class."""

        csrf = False

    def problems(self) -> tuple[Problem, ...]:
        """Return what validation found, in the order of the fields."""
        return tuple(Problem(name, str(errors[0])) for name, errors in self.errors.items() if errors)


def new_nonce() -> str:
    """Return a one-time number for a form that has an effect."""
    return secrets.token_urlsafe(16)


def tidy(text: str | None) -> str:
    """Take the spaces off both ends of what was typed; nothing typed is the empty text."""
    return (text or "").strip()
