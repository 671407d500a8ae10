"""Four real gunicorn workers: limits exact over all of them, revocation seen by each, no usage lost at a stop."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.usage import calls_per_day
from keymgr.store.engine import connect
from keymgr.store.keys import KeyState
from tests.api.machine import Machine, open_machine
from tests.api.serving import Server, serving
from tests.databases import fresh_file
from tests.keys.verifying import set_key

LIMIT = 40


@pytest.fixture(scope="module")
def machine(applied_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("workers")
    database_url = fresh_file(applied_file, folder)
    engine = connect(database_url)
    with Session(engine) as session:
        yield open_machine(session, database_url, folder)
    engine.dispose()


@pytest.fixture(scope="module")
def server(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(machine, tmp_path_factory.mktemp("server"), workers=4, threads=4) as server:
        yield server


def at_once(calls: int, call: Callable[[int], int]) -> Counter[int]:
    with ThreadPoolExecutor(32) as pool:
        return Counter(pool.map(call, range(calls)))


def test_of_five_times_the_limit_exactly_the_limit_passes(server: Server, machine: Machine) -> None:
    given = machine.key(rate_limits=[("burst", LIMIT, 3600)])
    headers = {"Authorization": f"Bearer {given.token}"}
    statuses = at_once(5 * LIMIT, lambda _: server.get("/gateway/check?aud=payments", headers)[0].status)
    assert statuses == {204: LIMIT, 429: 4 * LIMIT}


def test_a_normal_stop_loses_no_count(machine: Machine, tmp_path: Path) -> None:
    given = machine.key(rate_limits=[("burst", LIMIT, 3600)])
    headers = {"Authorization": f"Bearer {given.token}"}
    with serving(machine, tmp_path, workers=2) as server:
        at_once(2 * LIMIT, lambda _: server.get("/gateway/check?aud=payments", headers)[0].status)
        assert server.stop() == 0
    (day,) = calls_per_day(machine.session, given.key_id, days=1, now=datetime.now(UTC))
    assert day.calls == {"ok": LIMIT, "rate_limited": LIMIT}


def test_keys_of_one_owner_share_what_is_shared_exactly(server: Server, machine: Machine) -> None:
    shared = {"owner_rate_limits": [("daily", LIMIT, 3600)]}
    tokens = [machine.key(**shared).token for _ in range(3)]

    def call(number: int) -> int:
        headers = {"Authorization": f"Bearer {tokens[number % 3]}"}
        return server.get("/gateway/check?aud=payments", headers)[0].status

    assert at_once(3 * LIMIT, call) == {204: LIMIT, 429: 2 * LIMIT}


def test_no_worker_accepts_after_an_acknowledged_revocation(server: Server, machine: Machine) -> None:
    now = datetime.now(UTC)
    for _ in range(5):
        given = machine.key()
        headers = {"Authorization": f"Bearer {given.token}"}
        call = lambda _, headers=headers: server.get("/gateway/check?aud=payments", headers)[0].status  # noqa: E731 - one call, bound to this key.
        assert at_once(32, call) == {204: 32}
        set_key(machine.session, given, now, state=KeyState.REVOKED, revoked_at=now)
        assert at_once(32, call) == {401: 32}


def test_while_revoking_nothing_is_accepted_that_was_sent_after_the_acknowledgement(
    server: Server, machine: Machine
) -> None:
    """A journal of what was sent when, checked afterwards: other keys never suffer, revoked ones never come back."""
    keys = [machine.key() for _ in range(6)]
    acknowledged: dict[str, float] = {}
    journal: list[tuple[str, float, int]] = []
    clock = datetime.now

    def call(number: int) -> int:
        given = keys[number % len(keys)]
        sent = clock(UTC).timestamp()
        status = server.get("/gateway/check?aud=payments", {"Authorization": f"Bearer {given.token}"})[0].status
        journal.append((given.key_id, sent, status))
        return status

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call, number) for number in range(900)]
        for given in keys[:3]:
            while sum(key_id == given.key_id for key_id, _, _ in list(journal)) < 20 * (len(acknowledged) + 1):
                assert not all(each.done() for each in calls)
            now = clock(UTC)
            set_key(machine.session, given, now, state=KeyState.REVOKED, revoked_at=now)
            acknowledged[given.key_id] = clock(UTC).timestamp()
        assert {each.result() for each in calls} == {204, 401}
    for key_id, sent, status in journal:
        if sent > acknowledged.get(key_id, float("inf")):
            assert status == 401
        if key_id not in acknowledged:
            assert status == 204


def test_what_is_not_http_gets_a_clear_answer(server: Server) -> None:
    """Smuggling gadgets and broken chunks end in 400, never in a verdict or in 500."""
    start = (
        b"POST /api/v1/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    gadgets = [
        start + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        start + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        start + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        start + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        start + b"Content-Length: +5\r\n\r\nabcde",
        start + b"SCRIPT_NAME: /api\r\nContent-Length: 0\r\n\r\n",
        start + b"PATH_INFO: /healthz\r\nContent-Length: 0\r\n\r\n",
        start + b"X_Key_Owner: user:root\r\nContent-Length: 0\r\n\r\n",
    ]
    for gadget in gadgets:
        assert server.cut_off(gadget)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501"), gadget


def test_a_body_that_breaks_off_is_400(server: Server, machine: Machine) -> None:
    credential = machine.caller().credential.encode()
    start = (
        b"POST /api/v1/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Authorization: Bearer " + credential + b"\r\n"
    )
    for rest in (
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"Content-Length: 50\r\n\r\n{}",
    ):
        assert server.cut_off(start + rest)[:12] == b"HTTP/1.1 400", rest
    chunked = b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"token":"junk"}\r\n0\r\n\r\n'
    assert b'"key_invalid"' in server.raw(start + chunked)
