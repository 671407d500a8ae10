/* What a page cannot do by itself. Everything here is an addition: each flow works without this file. */
"use strict";

const find = (selector) => document.querySelector(selector);
const listen = (names, action) => names.forEach((name) => document.addEventListener(name, action));

/* Say what a swap changed, once and briefly; the same again is not news. */
function announce(text) {
  if (find("#live").textContent !== text) find("#live").textContent = text;
}

/* The secret: on the screen until copied or saved, and gone from the page when the page is left. */
let saved = false;

function markSaved() {
  saved = true;
}

function warnBeforeLeaving(event) {
  const field = find("[data-secret]");
  if (field && field.value && !saved) event.preventDefault();
}

function forgetSecret() {
  const field = find("[data-secret]");
  if (field) {
    field.value = "";
    field.placeholder = "The key was shown once and has left this page.";
  }
}

window.addEventListener("beforeunload", warnBeforeLeaving);
window.addEventListener("pagehide", forgetSecret);
document.addEventListener("copy", (event) => {
  if (event.target.closest?.("[data-secret]")) markSaved();
});

/* Copy: say so only when it happened. */
function select(node) {
  if (node.select) {
    node.focus();
    node.select();
    return;
  }
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function write(node) {
  try {
    await navigator.clipboard.writeText(node.value ?? node.href ?? node.textContent);
    return true;
  } catch {
    select(node);
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }
}

async function copy(button) {
  const node = find(button.dataset.copy);
  const said = find(button.dataset.said);
  const done = await write(node);
  said.textContent = done
    ? button.dataset.done
    : "Copy failed. The text is selected: press Ctrl+C or ⌘C.";
  if (!done) {
    select(node);
    return;
  }
  button.focus();
  if (node.matches("[data-secret]")) markSaved();
}

/* Download: a file made in the page, so that the secret travels no second time. */
function download(button) {
  const text = `${button.dataset.variable}=${find("[data-secret]").value}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = button.dataset.download;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  find(button.dataset.said).textContent = `Saved as ${button.dataset.download}.`;
  markSaved();
}

document.addEventListener("click", (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
  const saver = event.target.closest("[data-download]");
  if (saver) {
    event.preventDefault();
    download(saver);
  }
});

/* A problem leads to its field; where that is a group, to the first thing in it that can be answered. */
document.addEventListener("click", (event) => {
  const link = event.target.closest('#problems a[href^="#"]');
  const field = link && document.getElementById(link.hash.slice(1));
  const first = field?.querySelector("input:not([type=hidden]), select, textarea, button, a");
  if (!first) return;
  event.preventDefault();
  field.scrollIntoView();
  first.focus({ preventScroll: true });
});

/* Tick all boxes of one kind and no others; without a script the button sends the form and the server does it. */
function pick(button) {
  const boxes = button.closest("fieldset").querySelectorAll("input[type=checkbox]");
  boxes.forEach((box) => {
    box.checked = box.matches(button.dataset.pick);
  });
  button.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const picker = event.target.closest("[data-pick]");
  if (!picker) return;
  event.preventDefault();
  pick(picker);
});

/* A search among what is on the page already: it is no part of the form, and asks nobody. */
document.addEventListener("input", (event) => {
  const rows = event.target.dataset.narrows;
  if (!rows) return;
  const words = event.target.value.trim().toLowerCase();
  const shown = [...document.querySelectorAll(rows)].filter((row) => {
    row.hidden = !row.textContent.toLowerCase().includes(words);
    return !row.hidden;
  });
  announce(`${shown.length} shown.`);
});
document.addEventListener("change", (event) => {
  if (event.target.dataset.narrows) event.stopPropagation();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.dataset.narrows) event.preventDefault();
});

/* One box ticks all the boxes of its form. */
document.addEventListener("change", (event) => {
  const form = event.target.dataset.all;
  if (!form) return;
  document.querySelectorAll(`[type="checkbox"][name="key"][form="${form}"]`).forEach((box) => {
    box.checked = event.target.checked;
  });
});

/* Parts that only make sense with a script show themselves. */
function dress() {
  document.querySelectorAll("[data-script-only]").forEach((node) => {
    node.hidden = false;
  });
  document.querySelectorAll("[data-pick]").forEach((node) => {
    node.type = "button";
  });
  /* Buttons that stand in for what htmx does; hidden at once by the style sheet, they must not be what Enter presses. */
  if (window.htmx) document.querySelectorAll("[data-plain]").forEach((node) => node.remove());
}

if (window.htmx) document.documentElement.classList.add("assisted");
dress();

/* A form that is on its way is not sent again, unless the page is still there after a while: a download leaves it. */
const SENT_MILLISECONDS = 3000;
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post") || event.submitter?.formTarget) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, SENT_MILLISECONDS);
});
/* Only for a page that comes back from memory: on a new one a form may be on its way before this is heard. */
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

/* htmx, by its names in version 2 and 4: busy marks, announcements, failures beside the control, no polls in hidden tabs. */
const context = (event) => event.detail.ctx ?? event.detail;
const busyOf = (event) => find(event.target.dataset.busy ?? "#none") ?? context(event).target;

/* Where a note about a control goes: nothing can be put into a field, and a link is no place for a button. */
const besideOf = (node) => (node.matches?.("input, select, a, button") ? (node.closest("form") ?? node.parentElement) : node);

/* Busy is said only of what takes long enough to wonder about. */
const timers = new WeakMap();
const requestOf = (event) => event.detail.ctx ?? event.detail.xhr;

listen(["htmx:beforeRequest", "htmx:before:request"], (event) => {
  if (document.hidden && event.target.closest("[data-poll]")) {
    event.preventDefault();
    return;
  }
  besideOf(event.target).querySelector?.(":scope > .inline-note")?.remove();
  timers.set(requestOf(event), setTimeout(() => busyOf(event)?.setAttribute("aria-busy", "true"), 150));
});

listen(["htmx:afterRequest", "htmx:after:request"], (event) => {
  clearTimeout(timers.get(requestOf(event)));
  busyOf(event)?.removeAttribute("aria-busy");
});

/* What is about to be replaced must not answer any more: an older answer would land in the new page. */
listen(["htmx:beforeSwap", "htmx:before:swap"], (event) => {
  event.target.querySelectorAll?.("[hx-get]").forEach((node) => htmx.trigger(node, "htmx:abort"));
});

listen(["htmx:afterSettle", "htmx:after:settle"], (event) => {
  const root = event.detail.elt ?? event.target;
  const line = root.querySelector?.("[data-announce]");
  if (line) announce(line.textContent.trim());
  dress();
});

function retry(event) {
  const cause = event.detail.requestConfig?.triggeringEvent;
  const source = cause?.target?.isConnected ? cause.target : event.target;
  const search = source === event.target && source.form?.method === "get" ? source.form : source;
  if (search.requestSubmit) search.requestSubmit();
  else source.dispatchEvent(new Event(cause?.type ?? "change", { bubbles: true }));
}

/* A question whose place a newer one took is no failure. */
const wasReplaced = (event) => ["htmx:sendAbort", "htmx:afterRequest"].includes(event.detail.errorInfo?.error);

listen(["htmx:sendError", "htmx:responseError", "htmx:timeout", "htmx:error"], (event) => {
  if (wasReplaced(event)) return;
  const status = event.detail.xhr?.status;
  const reference = status ? event.detail.xhr.getResponseHeader("X-Request-Id") : null;
  const note = document.createElement("p");
  const button = document.createElement("button");
  note.className = "inline-note";
  note.setAttribute("role", "alert");
  note.textContent = status ? `The server had a problem (reference ${reference ?? "unknown"}).` : "Not sent: the server did not answer.";
  button.type = "button";
  button.className = "button";
  button.textContent = "Retry";
  button.addEventListener("click", () => {
    note.remove();
    retry(event);
  });
  note.append(button);
  const place = besideOf(event.target);
  place.querySelector(":scope > .inline-note")?.remove();
  place.append(note);
});

/* A sign-in ends by itself: that is said once, three minutes before, and a button lets it go on. Each call starts the time anew. */
const WARN_MS = 180_000;
const UNSURE_MS = 60_000;

function watchSignIn(ending) {
  const final = Date.now() + ending.dataset.final * 1000;
  let ends = Math.min(final, Date.now() + ending.dataset.seconds * 1000);
  let shown = "";
  let before = null;

  function look() {
    const left = ends - Date.now();
    const kind = ends < final ? "soon" : "final";
    const word = left <= 0 ? "over" : left <= WARN_MS ? kind : "";
    if (word === shown) return;
    const hadFocus = ending.contains(document.activeElement);
    shown = word;
    ending.hidden = !word;
    ending.querySelectorAll("[data-when]").forEach((node) => {
      node.hidden = !node.dataset.when.split(" ").includes(word);
    });
    if (word) announce(ending.querySelector("p:not([hidden])").textContent.trim());
    if (hadFocus && word !== "soon") (before?.isConnected ? before : find("#main")).focus();
  }

  ending.addEventListener("focusin", (event) => {
    if (event.relatedTarget && !ending.contains(event.relatedTarget)) before = event.relatedTarget;
  });
  listen(["htmx:afterRequest", "htmx:after:request"], (event) => {
    if (event.detail.failed || event.detail.successful === false || event.target.closest?.("[data-poll]")) return;
    ends = Math.min(final, Date.now() + ending.dataset.idle * 1000 - UNSURE_MS);
    look();
  });
  setInterval(look, 5000);
}

if (find("#ending")) watchSignIn(find("#ending"));

/* Single keys, for those who switched them on; never while something is typed, and never with a modifier. */
const TYPING = "input, textarea, select, [contenteditable]";
const SHORTCUTS = {
  "/": () => find("main input[type='search'], main input[name='q']") ?? find(".rail a[href='/keys']"),
  "n": () => find(".rail a[href='/keys/new']"),
  "g k": () => find(".rail a[href='/keys']"),
  "g a": () => find(".rail a[href='/approvals']"),
  "?": () => find(".rail a[href='/me']"),
};
const PREFIX_MILLISECONDS = 1500;
let prefix = "";
let prefixEnds = 0;

document.addEventListener("keydown", (event) => {
  if (!document.documentElement.hasAttribute("data-shortcuts")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.target.closest?.(TYPING)) return;
  const pressed = event.timeStamp < prefixEnds ? prefix + event.key : event.key;
  prefixEnds = 0;
  if (pressed === "g") {
    prefix = "g ";
    prefixEnds = event.timeStamp + PREFIX_MILLISECONDS;
    return;
  }
  const node = SHORTCUTS[pressed]?.();
  if (!node) return;
  event.preventDefault();
  if (node.href) location.assign(pressed === "?" ? `${node.href}#shortcuts` : node.href);
  else node.focus();
});
