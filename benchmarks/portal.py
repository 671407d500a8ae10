"""How soon a page of the portal is seen, how much it moves and what it weighs: `python -m benchmarks.portal`.

Chromium on this machine with an empty cache for each visit, signed in, on the sample data of `deploy/images.py`. The
aims: largest paint under 1 s, shift under 0.02, at most 60 kB compressed and 3 requests that hold up the first paint.
Style sheet and scripts are compressed here; the page itself is by a proxy or not at all, so both weights are printed.
"""

import argparse
import statistics
from dataclasses import dataclass

from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import CDPSession, Page, sync_playwright

from deploy.images import WIDE, seen_by, standing

PAGES = (
    ("list", "/keys", "ben"),
    ("detail", "/keys/{active}", "ben"),
    ("ask", "/keys/new?service=payments&environment=dev&scope=charges:read", "ben"),
    ("approvals", "/approvals", "cleo"),
    ("approval", "/approvals/{waiting}", "cleo"),
    ("matrix", "/policy/matrix?service=payments&environment=prod", "ben"),
    ("audit", "/audit", "ada"),
)
_SEEN = """() => new Promise((done) => {
  const seen = { paint: 0, shift: 0 };
  new PerformanceObserver((list) => { seen.paint = list.getEntries().at(-1).startTime; })
    .observe({ type: 'largest-contentful-paint', buffered: true });
  new PerformanceObserver((list) => { list.getEntries().forEach((entry) => { seen.shift += entry.value; }); })
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(seen), 400);
})"""
_BLOCKING = """() => performance.getEntriesByType('resource')
  .filter((entry) => entry.renderBlockingStatus === 'blocking').length + 1"""


@dataclass(frozen=True)
class Visit:
    """One visit: milliseconds to the largest paint, shift, weight on the wire, and requests."""

    paint_ms: float
    shift: float
    kilobytes: float
    requests: float
    blocking: float


def main() -> None:
    """Visit every page some times and print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    with standing() as (app, base, ids), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        print(f"{'page':<12}{'paint ms':>10}{'worst':>8}{'shift':>9}{'kB':>8}{'requests':>10}{'blocking':>10}")
        for name, path, person in PAGES:
            visits = [_visit(chromium, app, base, path.format(**ids), person) for _ in range(rounds)]
            print(_line(name, visits))
        chromium.close()
    print("aims        " + f"{1000:>10}{'':>8}{0.02:>9}{'':>8}{60:>8}{'':>10}{3:>10}")


def _visit(chromium: Chromium, app: Flask, base: str, path: str, person: str) -> Visit:
    context = seen_by(chromium, app, base, person, screen=WIDE, dark=False)
    page = context.new_page()
    sizes = _weigh(page.context.new_cdp_session(page))
    _load(page, base + path)
    seen = page.evaluate(_SEEN)
    blocking = page.evaluate(_BLOCKING)
    context.close()
    return Visit(seen["paint"], seen["shift"], sum(sizes) / 1000, len(sizes), blocking)


def _weigh(session: CDPSession) -> list[float]:
    """Collect how many bytes each answer took on the wire, headers included."""
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return sizes


def _load(page: Page, url: str) -> None:
    answer = page.goto(url, wait_until="networkidle")
    if answer is None or not answer.ok:
        raise SystemExit(f"{url} did not answer well.")


def _line(name: str, visits: list[Visit]) -> str:
    paints = [visit.paint_ms for visit in visits]
    shift = statistics.median(visit.shift for visit in visits)
    weight = statistics.median(visit.kilobytes for visit in visits)
    paint = f"{statistics.median(paints):>10.0f}{max(paints):>8.0f}"
    return f"{name:<12}{paint}{shift:>9.4f}{weight:>8.1f}{visits[0].requests:>10.0f}{visits[0].blocking:>10.0f}"


if __name__ == "__main__":
    main()
