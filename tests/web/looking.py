"""What is asked of a page that stands in Chromium: axe at two widths in both themes, and what axe does not know."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """(tags) => axe.run(document, {runOnly: tags, resultTypes: ['violations'], preload: false}).then((found) =>
  found.violations.map(({id, nodes}) => `axe: ${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160))}`))"""
SPACING = """
* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
p { margin-bottom: 2em !important; }
"""

# Every question answers with sentences; none is good.
SAID = """(ending) => {
  const found = [], all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (selector) => all(selector).filter((node) => node.checkVisibility());
  const twice = (list) => [...new Set(list.filter((one, at) => list.indexOf(one) !== at))];
  if (seen('h1').length !== 1) found.push(`${seen('h1').length} h1`);
  if (!/^(Error: )?\\S/.test(document.title) || !document.title.endsWith(ending)) found.push(document.title);
  if (seen('#problems').length && !document.title.startsWith('Error: ')) found.push('problems, no Error: in the title');
  if (document.documentElement.lang !== 'en') found.push('no lang');
  twice(all('[id]').map((node) => node.id)).forEach((id) => found.push(`the id ${id} twice`));
  all('[style], style, [onclick], [hx-on], main script:not([src])')
    .forEach((node) => found.push(`inline: ${node.outerHTML}`));
  all('main time').filter((node) => !/T\\d\\d:\\d\\d.*([+-]\\d\\d:\\d\\d|Z)$/.test(node.dateTime))
    .forEach((node) => found.push(`no moment with a zone: ${node.outerHTML}`));
  all('main time').filter((node) => !/\\d{4}/.test(node.textContent + node.title))
    .forEach((node) => found.push(`relative alone: ${node.outerHTML}`));
  seen('#problems a[href^="#"]').forEach((link) => {
    const field = document.getElementById(link.hash.slice(1));
    if (!field) return found.push(`a problem leads nowhere: ${link.hash}`);
    link.click();
    if (document.activeElement === document.body || !field.contains(document.activeElement))
      found.push(`a problem does not lead to its field: ${link.hash}`);
    const answers = field.matches('input, select, textarea');
    const told = answers ? field : field.querySelector('[aria-describedby]') ?? field;
    if (answers && field.getAttribute('aria-invalid') !== 'true') found.push(`not marked as wrong: ${link.hash}`);
    if ((answers || field.matches('fieldset')) && !told.getAttribute('aria-describedby'))
      found.push(`not described by its error: ${link.hash}`);
  });
  all('.area text').filter((node) => parseFloat(getComputedStyle(node).fontSize) < 12)
    .forEach((node) => found.push(`too small to read: ${node.textContent}`));
  return found;
}"""
ENDING = " \N{EN DASH} keymgr"
NAMES = """() => {
  const found = [];
  const text = (node) => node.textContent.replace(/\\s+/g, ' ').trim();
  const labels = (node) => [...(node.labels ?? [])].map(text).join(' ');
  const by = (node) => (node.getAttribute('aria-labelledby') ?? '').split(/\\s+/).filter(Boolean)
    .map((id) => text(document.getElementById(id))).join(' ');
  const name = (node) => by(node) || node.getAttribute('aria-label') || labels(node) || text(node);
  const goes = (node) => node.href ??
    [node.form?.action, node.name, node.value, node.id, text(node.form ?? node)].join();
  document.querySelectorAll('main ul, main ol, main tbody, main dl').forEach((list) => {
    if (list.parentElement.closest('main ul, main ol, main tbody, main dl')) return;
    const known = new Map();
    list.querySelectorAll('a.button, button, input:not([type=hidden]), select, textarea').forEach((node) => {
      if (!node.checkVisibility()) return;
      const called = `${node.type || node.localName} ${name(node)}`;
      if (known.has(called) && known.get(called) !== goes(node)) found.push(`one name for two things: ${called}`);
      known.set(called, goes(node));
    });
  });
  return [...new Set(found)];
}"""
OVERFLOW = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  ['scrolls sideways: ' + [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility()
    && node.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 3)
    .map((node) => node.outerHTML.slice(0, 100)).join(' … ')]"""
SMALL = """() => {
  const buttons = 'button, select, .rail a, .button, textarea, input:not([type=radio]):not([type=checkbox])';
  const least = (node) => node.matches(buttons) && !node.matches('.why *') ? 40 : 24;
  return [...document.querySelectorAll(`${buttons}, summary`)]
    .filter((node) => node.checkVisibility() && node.type !== 'hidden')
    .filter((node) => { const box = node.getBoundingClientRect(); return box.height < least(node) || box.width < 24; })
    .map((node) => `small: ${node.outerHTML.slice(0, 100)}`);
}"""
SCROLLING = """() => [...document.querySelectorAll('body *')]
  .filter((node) => node.checkVisibility() && !node.matches('select, input, textarea'))
  .filter((node) => ['auto', 'scroll'].includes(getComputedStyle(node).overflowX))
  .filter((node) => node.scrollWidth > node.clientWidth && node.tabIndex < 0)
  .map((node) => `scrolls and cannot be focused: ${node.outerHTML.slice(0, 100)}`)"""
MOVING = """() => [...document.querySelectorAll('*')]
  .filter((node) => [null, '::before', '::after'].some((part) => {
    const style = getComputedStyle(node, part);
    return [style.transitionDuration, style.animationDuration].some((text) =>
      text.split(',').some((time) => parseFloat(time) > 0));
  })).slice(0, 3).map((node) => `moves: ${node.outerHTML.slice(0, 100)}`)"""
SPACED = """(rules) => { const sheet = new CSSStyleSheet(); sheet.replaceSync(rules);
  document.adoptedStyleSheets = rules ? [sheet] : []; }"""
CLIPPED = """() => [...document.querySelectorAll('main *, .rail *')]
  .filter((node) => node.checkVisibility() && !node.closest('.unseen, svg, thead, select, input, textarea'))
  .filter((node) => ['hidden', 'clip'].includes(getComputedStyle(node).overflowX))
  .filter((node) => node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1)
  .map((node) => `cut off: ${node.outerHTML.slice(0, 100)}`)"""
WORDLESS = """() => [...document.querySelectorAll('main .status')].filter((node) => node.checkVisibility())
  .filter((node) => !node.textContent.trim() || !node.querySelector('svg')?.checkVisibility())
  .map((node) => `a status without word or icon: ${node.outerHTML.slice(0, 100)}`)"""
RING = """() => {
  const ringed = (node) => {
    const style = getComputedStyle(node);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  };
  const before = document.activeElement;
  const found = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
    .filter((node) => node.checkVisibility({visibilityProperty: true}) && node.type !== 'hidden' && !node.disabled)
    .filter((node) => {
      node.focus({focusVisible: true});
      if (document.activeElement !== node) return false;
      const box = node.getClientRects()[0] ?? node.getBoundingClientRect();
      const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 10));
      const lid = top?.closest('*') && !node.contains(top) && !top.contains(node) && !node.labels?.[0]?.contains(top)
        && ['fixed', 'sticky'].includes(getComputedStyle(top.closest('.rail, aside, header') ?? top).position);
      return lid || ![node, node.parentElement, node.nextElementSibling ?? node].some(ringed);
    })
    .map((node) => `focus is not seen: ${node.outerHTML.slice(0, 100)}`);
  before?.focus();
  return found;
}"""


def ask(page: Page, question: str, *given: object) -> list[str]:
    """Put one question to the page."""
    return cast("list[str]", page.evaluate(question, *given))


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at a page: a screen, and what is asked there."""

    name: str
    width: int
    media: dict[str, str]
    questions: tuple[Callable[[Page], list[str]], ...]


def _said(page: Page) -> list[str]:
    return ask(page, SAID, ENDING)


def _axe(page: Page) -> list[str]:
    return ask(page, AXE, RULES)


def _asks(*questions: str) -> Callable[[Page], list[str]]:
    return lambda page: [said for question in questions for said in ask(page, question)]


def _spaced(page: Page) -> list[str]:
    page.evaluate(SPACED, SPACING)
    found = ask(page, CLIPPED) + ask(page, OVERFLOW)
    page.evaluate(SPACED, "")
    return [f"with text spaced out: {said}" for said in found]


LIGHT = {"color_scheme": "light", "forced_colors": "none"}
DARK = {"color_scheme": "dark", "forced_colors": "none"}
FORCED = {"color_scheme": "dark", "forced_colors": "active"}
# 320 px is 1280 px at 400 %: the same layout, so the same look.
LOOKS = (
    Look("1280 light", 1280, LIGHT, (_said, _asks(NAMES, MOVING, OVERFLOW), _axe, _spaced)),
    Look("1280 dark", 1280, DARK, (_axe,)),
    Look("360 dark", 360, DARK, (_asks(OVERFLOW), _axe)),
    Look("360 light", 360, LIGHT, (_axe,)),
    Look("320", 320, LIGHT, (_asks(OVERFLOW, SMALL, SCROLLING, RING), _spaced)),
    Look("320 forced colours", 320, FORCED, (_asks(WORDLESS, RING),)),
)


def look_at(page: Page) -> list[str]:
    """Look at what stands on the page in every way, loaded once; the page must be one that prefers less motion."""
    page.evaluate(AXE_SCRIPT)
    found = []
    for look in LOOKS:
        page.set_viewport_size({"width": look.width, "height": 800})
        page.emulate_media(**look.media)  # type: ignore[arg-type] # Playwright names its words as literals.
        found += [f"{look.name}: {said}" for question in look.questions for said in question(page)]
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(**LIGHT)  # type: ignore[arg-type] # As above.
    return found
