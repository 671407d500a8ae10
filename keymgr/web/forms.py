"""What forms share: Flask-WTF with our own token check, one-time numbers, and problems as values."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from flask_wtf import FlaskForm
from wtforms import Field, ValidationError


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


def whole(most: int, message: str) -> Callable[[FlaskForm, Field], None]:
    """Make a validator of whole numbers from -`most` to `most`; WTForms' own fails on numbers beyond a float."""

    def check(_form: FlaskForm, field: Field) -> None:
        if field.data is not None and not -most <= field.data <= most:
            raise ValidationError(message)

    return check


def new_nonce() -> str:
    """Return a one-time number for a form that has an effect."""
    return secrets.token_urlsafe(16)


def tidy(text: str | None) -> str:
    """Take the spaces off both ends of what was typed; nothing typed is the empty text."""
    return (text or "").strip()


def one_line(text: str | None) -> str:
    """Leave out what cannot be shown in a list, such as control and direction characters."""
    return "".join(character for character in text or "" if character.isprintable()).strip()
