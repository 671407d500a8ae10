"""The real application over a fresh database with the example policy, keys in it, and services that ask."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from keymgr.config import Settings, load
from keymgr.keys.issuer import Issuer
from keymgr.keys.service_credentials import Created, create_service_credential
from keymgr.parts import make_issuer
from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor
from keymgr.store.engine import connect
from tests.keys.verifying import Given, add_key, add_owner, add_revision

ROOT = Path(__file__).parent.parent.parent
PUBLIC_URL = "http://127.0.0.1:8000"


def variables(database_url: str, folder: Path, **other: str) -> dict[str, str]:
    """The environment of a server process: every setting that has no default, and small ones."""
    return {
        "KEYMGR_PUBLIC_URL": PUBLIC_URL,
        "KEYMGR_SECRET_KEY": "s" * 40,
        "KEYMGR_PEPPER": base64.b64encode(b"p" * 32).decode(),
        "KEYMGR_KEK": base64.b64encode(b"k" * 32).decode(),
        "KEYMGR_DATABASE_URL": database_url,
        "KEYMGR_COUNTERS": str(folder / "counters.db"),
        **other,
    }


def apply_example(database_url: str) -> None:
    engine = connect(database_url)
    files = read_folder(ROOT / "policies")
    assert isinstance(files, dict), files
    with Session(engine) as session:
        applied = apply_policy(
            session, files, revision=None, ref=None, author=None, applied_by="cli:test", now=datetime.now(UTC)
        )
        assert isinstance(applied, Applied), applied
        session.commit()
    engine.dispose()


@dataclass
class Machine:
    """A database with the example policy; everything it does is committed."""

    session: Session
    settings: Settings
    issuer: Issuer
    revision: int
    environ: dict[str, str]

    def key(self, **other: Any) -> Given:  # noqa: ANN401 - the terms of add_key, by name.
        terms = {"service": "payments", "issuer": self.issuer, **other}
        return add_key(self.session, datetime.now(UTC), self.revision, **terms)

    def caller(self, service: str = "payments") -> Created:
        created = create_service_credential(
            self.session,
            in_force(self.session),
            service=service,
            actor=Actor("user:root"),
            issuer=self.issuer,
            now=datetime.now(UTC),
        )
        assert isinstance(created, Created), created
        self.session.commit()
        return created


def open_machine(session: Session, database_url: str, folder: Path, **other: str) -> Machine:
    environ = variables(database_url, folder, **other)
    settings = load(environ)
    now = datetime.now(UTC)
    for owner in ("user:ana", "svc:pay-ci"):
        add_owner(session, owner, now)
    return Machine(session, settings, make_issuer(settings), add_revision(session, now), environ)
