"""Every piece of code on the pages for integrators, as it is printed there, against a portal with real keys.

A key that is good is let in, and one that is revoked is not; only the variables that a file names itself are set.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy.orm import Session

from keymgr.keys.ask import ask
from keymgr.keys.order import Order
from keymgr.keys.outcomes import Issued
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.service_credentials import Created, create_service_credential
from keymgr.people.whois import asker_of_owner
from keymgr.policy.model import Evidence, Wish
from keymgr.reconcile.live import in_force
from keymgr.store.engine import connect
from keymgr.store.people import Person
from keymgr.web.desk import Desk
from keymgr.web.docs_snippets import SOURCES, Proof
from keymgr.web.portal import DESK
from tests.api.serving import Server, listening, running
from tests.databases import fresh_file
from tests.keys.verifying import add_key
from tests.web.browsing import serving
from tests.web.house import BEN, ROOT, Browser, address_of, make_app, plant_people, put_in_force

# The pages speak of a service's last environment; keys for this one are granted at once.
DEV_LAST = ("environments: [dev, staging, prod]", "environments: [prod, staging, dev]")
PROGRAMS = {".sh": ["sh"], ".py": [sys.executable], ".mjs": ["node"], ".yml": ["sh"]}
MINE = Rights(frozenset({"user:ben"}))

SEES_A_REVOCATION = {
    "verify-sh": True,
    "verify-mjs": True,
    "verify-with-status-py": True,
    "verify-offline-sh": False,
    "verify-offline-py": False,
    "verify-offline-mjs": False,
}
CALLS = ("call-sh", "call-py", "call-mjs", "github-actions", "retry-py")
OTHERS = {"service-env", "service-py", "test-service-py", "check-service-sh", "rotating-py", "kubernetes", "docker"}
GATEWAYS = {"nginx": "nginx.conf.example", "caddy": "Caddyfile.example"}


@dataclass(frozen=True)
class Printed:
    """A piece of code as its page shows it."""

    file: str
    text: str


@dataclass
class House:
    """A portal that runs, and the code on its pages."""

    app: Flask
    session: Session
    base: str
    credential: str
    printed: dict[str, Printed]
    odd: dict[str, str] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        desk: Desk = self.app.extensions[DESK]
        return desk

    def issue(self) -> Issued:
        """A key from the real verb, for dev, good for reading charges."""
        opened = in_force(self.session)
        asker = asker_of_owner(self.session, "user:ben", opened.policy if opened else None)
        person = self.session.query(Person).filter_by(name="ben").one()
        wish = Wish("payments", "dev", frozenset({"charges:read"}), 86_400)
        name = f"snippet {os.urandom(4).hex()}"
        order = Order(name, wish, "To run a snippet.", Evidence({}), None, name, person.id)
        assert opened
        assert asker
        now = datetime.now(UTC)
        issued = ask(self.session, opened, asker=asker, actor=BEN, order=order, issuer=self.desk.issuer, now=now)
        assert isinstance(issued, Issued), issued
        self.session.commit()
        return issued

    def revoke(self, key_id: str) -> None:
        level, now = self.desk.issuer.audit_level, datetime.now(UTC)
        reason = RevokeReason.LEAKED
        revoke(self.session, key_id=key_id, actor=BEN, rights=MINE, reason=reason, submit=None, level=level, now=now)
        self.session.commit()

    def rotate(self, key_id: str) -> Issued:
        opened = in_force(self.session)
        asker = asker_of_owner(self.session, "user:ben", opened.policy if opened else None)
        assert asker
        issued = rotate(
            self.session,
            opened,
            key_id=key_id,
            asker=asker,
            actor=BEN,
            rights=MINE,
            evidence=Evidence({}),
            submit=None,
            issuer=self.desk.issuer,
            now=datetime.now(UTC),
        )
        assert isinstance(issued, Issued), issued
        self.session.commit()
        return issued

    def run(self, name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Write the code to its file, with the file it says it lies beside, and run that."""
        for each in {name, "verify-offline-py", "service-py"}:
            (folder / self.printed[each].file).write_text(self.printed[each].text)
        file = folder / self.printed[name].file
        if file.suffix == ".yml":
            file.write_text(step_of(file.read_text(), variables))
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
        return subprocess.run(
            [*PROGRAMS[file.suffix], file.name],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def step_of(workflow: str, variables: Mapping[str, str]) -> str:
    """What the runner of a workflow would run: its step, once its variables are there."""
    job = yaml.safe_load(workflow)["jobs"]["call"]
    for name, value in job["env"].items():
        assert re.fullmatch(rf"\$\{{\{{ (secrets|vars)\.{name} \}}\}}", value)
        assert name in variables
    (step,) = job["steps"]
    return str(step["run"])


def printed_on_the_pages(app: Flask, service: str) -> dict[str, Printed]:
    """Everything to copy on all pages that the first one leads to, each page's own tabs included."""
    ben = Browser(app)
    ben.enter("ben")
    found: dict[str, Printed] = {}
    waiting, seen = [f"/docs?service={service}"], set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        page = BeautifulSoup(ben.get(path).text, "html.parser")
        for figure in page.select("figure.shown"):
            code, caption = figure.select_one("pre"), figure.select_one("figcaption code")
            assert code
            assert caption
            found[str(code["id"]).removeprefix("code-")] = Printed(caption.text, code.text)
        links = {str(link["href"]) for link in page.select("main a[href^='/docs']")}
        waiting += sorted(link for link in links - seen if link not in waiting)
    return found


@pytest.fixture(scope="module")
def house(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("docs")
    url = fresh_file(migrated_file, folder)
    plant_people(url)
    put_in_force(url, change=DEV_LAST)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(url, folder, KEYMGR_PUBLIC_URL=base)
    engine = connect(address_of(app))
    with Session(engine) as session, serving(app, port):
        desk: Desk = app.extensions[DESK]
        now, opened = datetime.now(UTC), in_force(session)
        made = create_service_credential(session, opened, service="payments", actor=BEN, issuer=desk.issuer, now=now)
        assert isinstance(made, Created), made
        session.commit()
        house = House(app, session, base, made.credential, printed_on_the_pages(app, "payments"))
        house.odd = odd_keys(session, desk)
        yield house
    engine.dispose()
    app.extensions["keymgr.api"].close()


def odd_keys(session: Session, desk: Desk) -> dict[str, str]:
    """Tokens that nobody may come in with, as our own keys sign them, and one whose limit is soon used up."""
    terms: dict[str, dict[str, object]] = {
        "another service": {"service": "reports"},
        "another environment": {"environment": "prod"},
        "without the scope": {"scopes": ["charges:write"]},
        "expired": {"credential_expires_in": timedelta(minutes=-5)},
        "limited": {"rate_limits": [("burst", 1, 2)]},
    }
    usual = {"owner": "user:ben", "service": "payments", "environment": "dev", "scopes": ["charges:read"]}
    now = datetime.now(UTC)
    return {
        name: add_key(session, now, 1, issuer=desk.issuer, **{**usual, **other}).token  # type: ignore[arg-type]  # terms by name.
        for name, other in terms.items()
    }


@pytest.fixture(scope="module")
def service(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The printed service with the printed settings."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "service.py").write_text(house.printed["service-py"].text)
    settings = dict(line.split("=", 1) for line in house.printed["service-env"].text.splitlines())
    (folder / settings["KEYMGR_VERIFIER_CREDENTIAL_FILE"]).write_text(house.credential)
    bound = listening()
    command = [
        sys.executable, "-m", "gunicorn", "--no-control-socket", f"--bind=fd://{bound.fileno()}", f"--chdir={folder}",
        "--worker-class=gthread", "--threads=4", "service:app",
    ]  # fmt: skip
    with running(command, bound, folder / "service.log", settings) as server:
        yield server


def test_every_piece_of_code_is_on_a_page_and_run_here(house: House) -> None:
    assert set(house.printed) == set(SOURCES)
    assert set(SOURCES) == {*SEES_A_REVOCATION, *CALLS, *OTHERS, *GATEWAYS}
    checked = {name for name, source in SOURCES.items() if source.proof is Proof.CHECKED}
    assert checked == {"kubernetes", "docker"}
    left = {name: re.findall("@[A-Z]+@", each.text) for name, each in house.printed.items() if name not in GATEWAYS}
    assert {name: words for name, words in left.items() if words} == {}


@pytest.mark.parametrize("name", SEES_A_REVOCATION)
def test_a_good_key_is_let_in_and_a_bad_one_is_not(house: House, tmp_path: Path, name: str) -> None:
    issued = house.issue()

    def let_in(token: str) -> bool:
        ran = house.run(name, tmp_path, KEY=token, KEYMGR_CREDENTIAL=house.credential)
        assert token not in ran.stdout + ran.stderr
        return ran.returncode == 0

    assert let_in(issued.token)
    head, body, signature = issued.token.split(".")
    changed = f"{head}.{body[:-4]}AAAA.{signature}"
    forged = f"{head}.{body}.{signature[:-8]}AAAAAAAA"
    for bad in (
        "junk",
        "a.b.c",
        changed,
        forged,
        '"; echo',
        *(house.odd[way] for way in house.odd if way != "limited"),
    ):
        assert not let_in(bad)
    house.revoke(issued.key_id)
    assert let_in(issued.token) is not SEES_A_REVOCATION[name]


@pytest.mark.parametrize("name", ["verify-sh", "verify-mjs"])
def test_when_keymgr_does_not_answer_nobody_is_let_in(house: House, tmp_path: Path, name: str) -> None:
    ran = house.run(name, tmp_path, KEY=house.issue().token, KEYMGR_CREDENTIAL="kms_wrong")
    assert ran.returncode != 0


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_answered_until_its_key_is_revoked(house: House, service: Server, tmp_path: Path, name: str) -> None:
    issued = house.issue()
    variables = {"PAYMENTS_API_KEY": issued.token, "PAYMENTS_API_URL": f"http://127.0.0.1:{service.port}/"}
    ran = house.run(name, tmp_path, **variables)
    assert (ran.returncode, "Hello user:ben." in ran.stdout) == (0, True), ran.stderr
    house.revoke(issued.key_id)
    refused = house.run(name, tmp_path, **variables)
    assert refused.returncode != 0
    assert "Hello" not in refused.stdout
    assert issued.token not in refused.stdout + refused.stderr


def test_a_program_waits_as_long_as_it_is_asked_to(house: House, service: Server, tmp_path: Path) -> None:
    key = house.odd["limited"]
    while service.get("/", {"Authorization": f"Bearer {key}"})[0].status != 429:
        pass
    address = f"http://127.0.0.1:{service.port}/"
    ran = house.run("retry-py", tmp_path, PAYMENTS_API_KEY=key, PAYMENTS_API_URL=address)
    assert (ran.returncode, "Hello user:ben." in ran.stdout) == (0, True), ran.stderr


def test_a_key_is_replaced_without_a_restart_and_without_a_refusal(
    house: House, service: Server, tmp_path: Path
) -> None:
    first = house.issue()
    file = tmp_path / "key"
    variables = {"PAYMENTS_API_KEY_FILE": str(file), "PAYMENTS_API_URL": f"http://127.0.0.1:{service.port}/"}
    for token in (first.token, house.rotate(first.key_id).token):
        file.write_text(token + "\n")
        assert house.run("rotating-py", tmp_path, **variables).returncode == 0
    house.revoke(first.key_id)
    assert house.run("rotating-py", tmp_path, **variables).returncode != 0


def test_the_look_at_a_running_service_is_content_with_ours_and_not_with_an_open_one(
    house: House, service: Server, tmp_path: Path
) -> None:
    variables = {"PAYMENTS_API_KEY": house.issue().token, "PAYMENTS_API_URL": f"http://127.0.0.1:{service.port}/"}
    ran = house.run("check-service-sh", tmp_path, **variables)
    assert (ran.returncode, ran.stdout.count("ok ")) == (0, 6), ran.stdout
    is_open = house.run("check-service-sh", tmp_path, **{**variables, "PAYMENTS_API_URL": f"{house.base}/docs"})
    assert (is_open.returncode, is_open.stdout.count("WRONG")) == (1, 5)


def test_the_tests_without_keymgr_pass(house: House, tmp_path: Path) -> None:
    house.run("service-py", tmp_path)
    (tmp_path / "test_service.py").write_text(house.printed["test-service-py"].text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_service.py"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, "6 passed" in ran.stdout) == (0, True), ran.stdout


RECORDING = """#!/bin/sh
for word in "$@"; do case $word in --env-file|--from-env-file=*) ;; *.env) test -r "$word" || exit 9 ;; esac; done
case "$*" in *--from-env-file=*) test -r payments.env || exit 9 ;; esac
printf '%s\\n' "$0 $*" >>"$RECORD"
"""


@pytest.mark.parametrize("name", ["kubernetes", "docker"])
def test_a_command_for_a_cluster_is_written_as_it_is_meant(house: House, tmp_path: Path, name: str) -> None:
    for program in ("kubectl", "docker"):
        (tmp_path / program).write_text(RECORDING)
        (tmp_path / program).chmod(0o755)
    (tmp_path / "payments.env").write_text("PAYMENTS_API_KEY=x\n")
    path = f"{tmp_path}:{os.environ['PATH']}"
    ran = house.run(name, tmp_path, PATH=path, RECORD=str(tmp_path / "record"))
    assert ran.returncode == 0, ran.stderr
    said = (tmp_path / "record").read_text().replace(f"{tmp_path}/", "").splitlines()
    assert (
        said
        == {
            "kubernetes": [
                "kubectl create secret generic payments-key --from-env-file=payments.env",
                "kubectl set env deployment/YOUR-APP --from=secret/payments-key",
            ],
            "docker": ["docker run --rm --env-file payments.env YOUR-IMAGE"],
        }[name]
    )


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateways_page_shows_the_file_that_its_own_tests_run(house: House, name: str) -> None:
    example = (ROOT / "deploy" / "gateways" / GATEWAYS[name]).read_text().rstrip("\n")
    for word, value in {"SERVICE": "payments", "ENV": "dev", "SCOPE": "charges:read", "PATH": "charges"}.items():
        example = example.replace(f"@{word}@", value)
    assert house.printed[name].text == example
    assert set(re.findall("@[A-Z]+@", example)) == {"@LISTEN@", "@KEYMGR@", "@UPSTREAM@"}


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA", "HS256"])
def test_other_signatures_get_the_code_that_can_check_them(migrated_file: Path, tmp_path: Path, algorithm: str) -> None:
    url = fresh_file(migrated_file, tmp_path)
    plant_people(url)
    put_in_force(url, change=DEV_LAST)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(url, tmp_path, KEYMGR_PUBLIC_URL=base, KEYMGR_SIGNING_ALGORITHM=algorithm)
    engine = connect(url)
    with Session(engine) as session, serving(app, port):
        house = House(app, session, base, "", printed_on_the_pages(app, "payments"))
        gone = set(SOURCES) - set(house.printed)
        assert gone >= {"verify-offline-sh", "verify-offline-mjs"}
        if algorithm == "HS256":
            assert gone >= {"verify-offline-py", "verify-with-status-py"}
        else:
            issued = house.issue()
            assert house.run("verify-with-status-py", tmp_path, KEY=issued.token).returncode == 0
            house.revoke(issued.key_id)
            assert house.run("verify-with-status-py", tmp_path, KEY=issued.token).returncode != 0
    engine.dispose()
    app.extensions["keymgr.api"].close()
