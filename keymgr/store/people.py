"""Tables of who may ask: people, service accounts, sign-in sessions, the one-time set-up token."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record


class PersonState(StrEnum):
    """Whether a person or service account may act; only `active` ones may."""

    ACTIVE = "active"
    LEFT = "left"
    SUSPENDED = "suspended"


class Person(Record):
    """Somebody who signs in. `name` is the normalised sign-in name; `password_hash` is Argon2id or None.

    `bootstrap_admin` marks the first admin of an empty install, who is admin whatever the policy says;
    `sample` marks people of the demo, who can sign in only in demo mode. `time_zone` is an IANA name, such as
    `Europe/Lisbon`; `shortcuts` switches single-key shortcuts on (WCAG 2.1.4: off unless chosen).
    """

    __tablename__ = "person"
    __table_args__ = (CheckConstraint("state in ('active', 'suspended', 'left')", name="state"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    email: Mapped[str | None] = mapped_column(String(320), default=None)
    password_hash: Mapped[str | None] = mapped_column(String(200), default=None)
    state: Mapped[str] = mapped_column(String(16), default=PersonState.ACTIVE)
    idp_groups: Mapped[list[str]] = mapped_column(default_factory=list)
    bootstrap_admin: Mapped[bool] = mapped_column(default=False)
    sample: Mapped[bool] = mapped_column(default=False)
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    shortcuts: Mapped[bool] = mapped_column(default=False)


class ServiceAccount(Record):
    """A machine owner, answered for by a team of the policy."""

    __tablename__ = "service_account"
    __table_args__ = (CheckConstraint("state in ('active', 'suspended', 'left')", name="state"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    team: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), default=PersonState.ACTIVE)
    sample: Mapped[bool] = mapped_column(default=False)


class SignInSession(Record):
    """One browser's sign-in. The cookie holds a random token; the row holds only its SHA-256."""

    __tablename__ = "sign_in_session"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    signed_in_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(300))


class SetupToken(Record):
    """The one-time token that lets the first admin in; only its SHA-256 is kept. At most one row."""

    __tablename__ = "setup_token"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
