"""The pictures of the documentation: the portal with sample data in Chromium, light and dark, wide and on a phone.

`make images` draws them anew into docs/images/ and says what they weigh. The data is the tests' house: the example
policy, the sample people, and keys and requests in every state, with some more keys and calls so that lists look lived
in. PNGs are brought down to 256 colours, which is what keeps a page's picture at some fifty kilobytes.
"""

import re
import socket
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.usage import Calls, record_batch
from keymgr.store.engine import connect
from keymgr.store.keys import Credential
from keymgr.store.migrate import upgrade
from keymgr.tokens.verdicts import VerdictCode
from tests.web.browsing import serving
from tests.web.house import Browser, make_app, plant_people, put_in_force, seed

FOLDER = Path(__file__).parent.parent / "docs" / "images"
WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=360, height=740)
BYTES_MAX = 2_500_000
_COLOURS = 256
_DAYS = 30
_ORDERS = (
    ("invoice importer", "payments", "staging", ("charges:read",)),
    ("ledger notebook", "ledger", "dev", ("balances:read", "entries:read")),
    ("parcel tracker", "shipping", "prod", ("parcels:read", "rates:read")),
    ("rate finder", "shipping", "prod", ("rates:read",)),
)
_ADDRESSES = ("10.2.0.7", "10.2.0.8", "10.20.4.31")


@dataclass(frozen=True, slots=True)
class Picture:
    """One page: what its files are called, where it is, who looks at it, and whether a phone looks as well."""

    name: str
    path: str
    person: str = "ben"
    on_phone: bool = False
    press: str = ""


_MIXED = "/keys/new?name=refund+worker&service=payments&environment=prod&scope=charges:read&scope=refunds:write"
_GRANTED = "/keys/new?name=checkout+worker&service=payments&environment=dev&scope=charges:read&scope=charges:write"
PICTURES = (
    Picture("home", "/"),
    Picture("keys", "/keys", on_phone=True),
    Picture("ask", _MIXED, on_phone=True),
    Picture("reveal", _GRANTED, press="#send"),
    Picture("key", "/keys/{active}", on_phone=True),
    Picture("requests", "/requests"),
    Picture("approvals", "/approvals", "cleo"),
    Picture("approval", "/approvals/{waiting}", "cleo", on_phone=True),
    Picture("policy", "/policy"),
    Picture("matrix", "/policy/matrix?service=payments&environment=prod"),
    Picture("audit", "/audit", "ada"),
    Picture("reports", "/reports", "ada"),
)


@contextmanager
def standing() -> Iterator[tuple[Flask, str, dict[str, str]]]:
    """Serve a portal with sample data while the block runs; give application, address, and ids of what it holds."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        folder = Path(name)
        url = f"sqlite:///{folder / 'keymgr.db'}"
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        upgrade(url)
        plant_people(url)
        put_in_force(url)
        base = f"http://127.0.0.1:{port}"
        app = make_app(url, folder, KEYMGR_PUBLIC_URL=base)
        seeded = seed(app)
        _ask_for_more(app)
        _use(url)
        with serving(app, port):
            yield app, base, asdict(seeded)
        app.extensions["keymgr.api"].close()


def _ask_for_more(app: Flask) -> None:
    """Ask for some more keys through the door."""
    ben = Browser(app)
    ben.enter("ben")
    ben.get("/keys/new")
    for name, service, environment, scopes in _ORDERS:
        fields = {"name": name, "service": service, "environment": environment, "scope": list(scopes), "nonce": name}
        response = ben.post("/keys", {**fields, "justification": "To show it."})
        if not response.text.count("data-secret"):
            raise SystemExit(f"{name} was not issued: {response.status}")


def _use(url: str) -> None:
    """Call with every other key on each day, a little more on workdays, now and then over a limit."""
    engine, now = connect(url), datetime.now(UTC)  # noqa: TID251 - a script reads the clock.
    with Session(engine) as session, session.begin():
        rows = session.execute(select(Credential.key_id, Credential.id).order_by(Credential.id)).all()
        for number, (key_id, credential) in enumerate(rows):
            for day in range(_DAYS if number % 2 == 0 else 0):
                at = now - timedelta(days=day, minutes=7 * number + 3)
                calls = (140 + 37 * ((day * 5 + number) % 11)) * (3 if at.weekday() < 5 else 1)  # noqa: PLR2004 - workdays.
                address = _ADDRESSES[number % len(_ADDRESSES)]
                batch = [Calls(key_id, credential, VerdictCode.OK, calls, at, address)]
                if day % 4 == 0:
                    batch.append(Calls(key_id, credential, VerdictCode.RATE_LIMITED, 9 + day, at, address))
                record_batch(session, batch)
    engine.dispose()


def seen_by(
    chromium: Chromium, app: Flask, base: str, person: str, *, screen: ViewportSize, dark: bool
) -> BrowserContext:
    """Open a browser in which somebody is signed in."""
    visit = Browser(app)
    visit.enter(person)
    cookie = visit.client.get_cookie("keymgr")
    if cookie is None:
        raise SystemExit(f"{person} could not be signed in.")
    context = chromium.new_context(viewport=screen, color_scheme="dark" if dark else "light")
    context.add_cookies([{"name": "keymgr", "value": cookie.value, "url": base}])
    return context


def main() -> None:
    """Draw every picture and say what they weigh."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with standing() as (app, base, ids), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for dark in (False, True):
            for picture in PICTURES:
                for screen in (WIDE, PHONE) if picture.on_phone and not dark else (WIDE,):
                    context = seen_by(chromium, app, base, picture.person, screen=screen, dark=dark)
                    size = f"{screen['width']}{'-dark' if dark else ''}"
                    _draw(context.new_page(), base, picture, ids, FOLDER / f"{picture.name}-{size}.png")
                    context.close()
        chromium.close()
    files = sorted(FOLDER.glob("*.png"))
    weight = sum(file.stat().st_size for file in files)
    print(f"{len(files)} pictures, {weight:,} bytes")
    if weight > BYTES_MAX:
        raise SystemExit(f"That is more than {BYTES_MAX:,}: leave a picture out.")


def _draw(page: Page, base: str, picture: Picture, ids: dict[str, str], file: Path) -> None:
    answer = page.goto(base + picture.path.format(**ids))
    if answer is None or not answer.ok:
        raise SystemExit(f"{picture.path} cannot be drawn: {answer.status if answer else 'no answer'}")
    if picture.press:
        page.click(picture.press)
        page.wait_for_selector("#token")
    file.write_bytes(thinner(page.screenshot()))


def thinner(png: bytes) -> bytes:
    """Return the same picture with at most 256 colours: the most frequent, and for all others the nearest of them."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    channels = {2: 3, 6: 4}[kind]  # Eight bits each, with or without transparency: what Chromium writes.
    packed = b"".join(body for name, body in _chunks(png) if name == b"IDAT")
    rows = _rows(zlib.decompress(packed), width * channels, channels)
    pixels = [row[at : at + 3] for row in rows for at in range(0, len(row), channels)]
    frequent = [colour for colour, _ in Counter(pixels).most_common(_COLOURS)]
    number = {colour: at for at, colour in enumerate(frequent)}
    number |= {colour: number[_nearest(colour, frequent)] for colour in set(pixels) - number.keys()}
    lines = (pixels[at : at + width] for at in range(0, width * height, width))
    drawn = b"".join(b"\0" + bytes(number[pixel] for pixel in line) for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(frequent)), (b"IDAT", zlib.compress(drawn, 9)), (b"IEND", b""))
    return png[:8] + b"".join(_chunk(name, body) for name, body in parts)


def _nearest(colour: bytes, among: list[bytes]) -> bytes:
    return min(among, key=lambda other: sum((one - two) ** 2 for one, two in zip(colour, other, strict=True)))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _rows(data: bytes, length: int, channels: int) -> Iterator[bytes]:
    """Undo the filters of PNG (RFC 2083, 6), line by line; a line above the first is black."""
    before = bytes(channels + length)
    for start in range(0, len(data), length + 1):
        line = _unfiltered(data[start], data[start + 1 : start + 1 + length], before, channels)
        before = bytes(channels) + line
        yield line


def _unfiltered(kind: int, told: bytes, before: bytes, channels: int) -> bytes:
    """Return one line; `before` is the one above it, with a black pixel in front."""
    if kind == 0:
        return told
    if kind == 2:  # noqa: PLR2004 - the standard's number for the difference to the byte above.
        return bytes((one + above) & 255 for one, above in zip(told, before[channels:], strict=True))
    line = bytearray(channels)
    for at, one in enumerate(told):
        line.append((one + _guess(kind, line[at], before[at + channels], before[at])) & 255)
    return bytes(line[channels:])


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 3:  # noqa: PLR2004 - the standard's number for the average.
        return (left + above) // 2
    by_left, by_above, by_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if by_left <= by_above and by_left <= by_corner:
        return left
    return above if by_above <= by_corner else corner


def route_of(picture: Picture, ids: dict[str, str]) -> str:
    """Return the path of a picture without its question."""
    return re.sub(r"\?.*", "", picture.path.format(**ids))


if __name__ == "__main__":
    main()
