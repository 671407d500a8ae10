"""How limits stand right now can be looked at without taking a call from anybody."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from limits.storage import MemoryStorage, Storage
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.keys.verify import Verifier
from tests.keys.verifying import Shop, Verifying, asked, open_counters, open_shop


@pytest.fixture
def shop(session: Session, now: datetime) -> Shop:
    return open_shop(session, now)


@pytest.fixture(params=["shared", "another storage"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return open_counters(tmp_path / "counters") if request.param == "shared" else MemoryStorage()


@pytest.fixture
def verifier(engine: Engine, now: datetime, storage: Storage) -> Iterator[Verifier]:
    verifier = Verifying(engine, now, storage).open()
    yield verifier
    verifier.close()


def standing(verifier: Verifier, credential_id: str, now: datetime) -> dict[str, tuple[int, bool]]:
    states = verifier.limits_of(credential_id, now)
    assert states is not None
    return {state.window.name: (state.remaining, state.fits) for state in states}


def test_a_look_says_what_is_left_and_takes_nothing(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("burst", 5, 10)], quota=("month", 100, 86_400))
    assert standing(verifier, given.credential_id, now) == {"burst": (5, True), "month": (100, True)}
    verifier.verify(asked(given, cost=3), now)
    for _ in range(3):
        assert standing(verifier, given.credential_id, now) == {"burst": (2, True), "month": (97, True)}


def test_of_an_unknown_credential_nothing_can_be_told(verifier: Verifier, now: datetime) -> None:
    assert verifier.limits_of("crd_unknown", now) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_counters_that_cannot_be_read_are_no_failure_of_the_page(
    engine: Engine, shop: Shop, now: datetime, tmp_path: Path
) -> None:
    given = shop.key(rate_limits=[("burst", 5, 10)])
    nowhere = open_counters(tmp_path / "no such folder" / "counters")
    verifier = Verifying(engine, now, nowhere).open()
    assert verifier.limits_of(given.credential_id, now) is None
    verifier.close()
