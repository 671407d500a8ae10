"""The pictures of the documentation: each shows a page that there is, and the ones that are shown exist."""

import re
import struct
import zlib
from dataclasses import asdict

from flask import Flask

from deploy.images import BYTES_MAX, FOLDER, PICTURES, route_of, thinner
from tests.web.house import ROOT, Seeded


def test_every_picture_shows_a_page_that_there_is(app: Flask, seeded: Seeded) -> None:
    adapter = app.url_map.bind("localhost")
    for picture in PICTURES:
        endpoint, _ = adapter.match(route_of(picture, asdict(seeded)))
        assert endpoint.startswith("web.")
    assert len({picture.name for picture in PICTURES}) == len(PICTURES)


def test_every_picture_that_a_text_shows_is_there_and_all_together_are_light() -> None:
    for text in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for shown in re.findall(r"(?:docs/)?images/([\w-]+\.png)", text.read_text()):
            assert (FOLDER / shown).exists(), f"{text.name} shows {shown}"
    assert sum(file.stat().st_size for file in FOLDER.glob("*.png")) <= BYTES_MAX


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_a_thinner_picture_is_the_same_picture() -> None:
    rows = [bytes([0, *(9, 9, 9), *(200, 10, 10)]), bytes([1, *(9, 9, 9), *(191, 1, 1)])]
    rows += [bytes([kind, *(0, 0, 0), *(0, 0, 0)]) for kind in (2, 4)]
    head = struct.pack(">IIBBBBB", 2, 4, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    thin = thinner(png + chunk(b"IEND", b""))
    palette = thin[thin.index(b"PLTE") + 4 :][:6]
    at = thin.index(b"IDAT")
    (length,) = struct.unpack(">I", thin[at - 4 : at])
    lines = zlib.decompress(thin[at + 4 : at + 4 + length])
    drawn = [palette[3 * number : 3 * number + 3] for row in range(4) for number in lines[row * 3 + 1 : row * 3 + 3]]
    assert drawn == [bytes((9, 9, 9)), bytes((200, 10, 10))] * 4
