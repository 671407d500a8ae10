/* Reads a token in the page. It is never sent: the field loses its name and the form its submit before anything else. */
"use strict";

(() => {
  const form = document.querySelector("#inspect");
  const field = form.querySelector("#token");
  const house = form.dataset;
  const meanings = JSON.parse(house.meanings);
  const result = document.querySelector("#result");
  const LEEWAY_SECONDS = 30;
  const PREFIXES = [
    ["km_", "This is an opaque key: it has no meaning outside keymgr. Ask the verifier about it."],
    ["kms_", "This is what a service presents to keymgr, no key. Keep it secret: it asks as that service."],
    ["kmp_", "This is what a pull-request job presents to keymgr, no key. Keep it secret."],
  ];
  const IMPORTED = {
    ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
    RS256: [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "RSASSA-PKCS1-v1_5" }],
    EdDSA: [{ name: "Ed25519" }, { name: "Ed25519" }],
  };

  field.removeAttribute("name");
  form.querySelector("#sent").hidden = true;
  form.querySelector("#kept").hidden = false;

  const bytes = (part) => Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

  function object(part) {
    try {
      const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes(part)));
      return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }

  const isMoment = (value) => Number.isInteger(value) && value >= 0 && value <= 253402300799;

  function clock(seconds) {
    const shape = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const written = new Intl.DateTimeFormat("en-GB", { ...shape, timeZone: house.zone, timeZoneName: "short" });
    const part = Object.fromEntries(written.formatToParts(new Date(seconds * 1000)).map((one) => [one.type, one.value]));
    return `${part.day} ${part.month.slice(0, 3)} ${part.year}, ${part.hour}:${part.minute} ${part.timeZoneName}`;
  }

  function distance(seconds, now) {
    const away = Math.abs(Math.trunc(seconds - now));
    if (away < 60) return seconds > now ? "in less than a minute" : "just now";
    const days = Math.trunc(away / 86400);
    let words = `${days} ${days === 1 ? "day" : "days"}`;
    if (away < 2 * 86400) words = `${Math.trunc(away / 3600)} h`;
    if (away < 3600) words = `${Math.trunc(away / 60)} min`;
    return seconds > now ? `in ${words}` : `${words} ago`;
  }

  const when = (seconds, now) => `${clock(seconds)} (${distance(seconds, now)})`;

  function dates(claims, now) {
    if (!isMoment(claims.exp)) return ["refused", "It does not say until when it is good."];
    if (claims.exp <= now) return ["refused", `Expired: it was good until ${when(claims.exp, now)}.`];
    if (isMoment(claims.nbf) && claims.nbf > now + LEEWAY_SECONDS)
      return ["refused", `Not valid yet: it is good from ${when(claims.nbf, now)}.`];
    return ["granted", `In its dates: good until ${when(claims.exp, now)}.`];
  }

  function audience(claims) {
    if (typeof claims.aud !== "string") return ["refused", "It does not name the one service it is for."];
    if (!house.service) return ["pending", `It is for the service ${claims.aud}, and no other may accept it.`];
    if (claims.aud !== house.service) return ["refused", `Wrong audience: it is for ${claims.aud}, not for ${house.service}.`];
    return ["granted", `It is for ${claims.aud}.`];
  }

  /* Both questions to the server are for what everybody may read; nothing of the token is in them. */
  async function origin(token, header, claims) {
    if (claims.iss !== house.issuer) return ["refused", "Not ours: it names another issuer."];
    const published = await (await fetch(house.jwks, { cache: "no-cache" })).json();
    const jwk = published.keys.find((key) => key.kid === header.kid);
    if (!published.keys.length) return ["pending", "It names us. Its signature can only be checked by asking the verifier."];
    if (!jwk) return ["refused", "Not ours: it is signed with a key that is not, or no longer, one of ours."];
    if (header.typ !== "at+jwt" || header.alg !== jwk.alg) return ["refused", "Not ours: this is another kind of token."];
    const known = IMPORTED[jwk.alg];
    if (!window.crypto.subtle || !known) return ["pending", "It names us. This browser does not check signatures here."];
    const [head, body, signature] = token.split(".");
    const key = await crypto.subtle.importKey("jwk", { ...jwk, alg: undefined, use: undefined, key_ops: undefined }, known[0], false, ["verify"]);
    const fits = await crypto.subtle.verify(known[1], key, bytes(signature), new TextEncoder().encode(`${head}.${body}`));
    return fits
      ? ["granted", "Ours: the signature fits one of our keys."]
      : ["refused", "Not ours: the token's signature does not fit; it was changed or forged."];
  }

  async function standing(claims) {
    const place = claims.status?.status_list;
    const answer = await fetch(house.status, { cache: "no-cache" });
    if (!answer.ok || !Number.isInteger(place?.idx)) return ["pending", "The status list does not tell about it."];
    const list = object((await answer.text()).split(".")[1]).status_list.lst;
    const unpacked = new Blob([bytes(list)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bits = new Uint8Array(await new Response(unpacked).arrayBuffer());
    return (bits[place.idx >> 3] >> (place.idx & 7)) & 1
      ? ["refused", "Out of use: revoked, suspended or replaced."]
      : ["granted", "In use: neither revoked, suspended nor replaced."];
  }

  function value(name, held, now) {
    if (name === "sec") return `hidden, ${typeof held === "string" ? held.length : 0} characters`;
    if (["iat", "nbf", "exp"].includes(name) && isMoment(held)) return `${when(held, now)} · ${held}`;
    return typeof held === "string" ? held : JSON.stringify(held);
  }

  const copyOf = (id) => document.querySelector(id).content.firstElementChild.cloneNode(true);

  function member(name, held, now) {
    const row = copyOf("#row");
    row.querySelector("[data-name]").textContent = name;
    row.querySelector("[data-value]").textContent = value(name, held, now);
    row.querySelector("[data-meaning]").textContent = Object.hasOwn(meanings, name) ? meanings[name] : "Not a claim of ours.";
    return row;
  }

  function show(said, header, claims, now) {
    const lines = said.map(([tone, sentence]) => {
      const line = copyOf(`#said-${tone}`);
      line.querySelector("[data-text]").textContent = sentence;
      return line;
    });
    document.querySelector("#said").replaceChildren(...lines);
    document.querySelector("#members").hidden = claims === null;
    for (const [id, members] of [["#head", header], ["#claims", claims]])
      document.querySelector(id).replaceChildren(...Object.entries(members ?? {}).map(([name, held]) => member(name, held, now)));
    const link = document.querySelector("#key-link");
    const isOurs = said[0][0] !== "refused" && /^key_[0-9a-z]{26}$/.test(claims?.client_id ?? "");
    if (link) {
      link.hidden = !isOurs;
      if (isOurs) link.querySelector("a").href = `${house.keys}/${claims.client_id}`;
    }
    result.hidden = false;
    result.querySelector("h2").focus();
  }

  async function look(token) {
    const now = Math.floor(Date.now() / 1000);
    const prefix = PREFIXES.find(([start]) => token.startsWith(start));
    if (prefix) return show([["pending", prefix[1]]], null, null, now);
    const parts = token.split(".");
    const [header, claims] = parts.length === 3 ? parts.slice(0, 2).map(object) : [null, null];
    if (!header || !claims)
      return show([["refused", "This is not a token: three parts in base64url with dots between were expected."]], null, null, now);
    let said;
    try {
      said = [await origin(token, header, claims), dates(claims, now), audience(claims)];
      if (said[0][0] !== "refused") said.push(await standing(claims));
    } catch {
      said = [["pending", "Whether it is ours could not be found out just now."], dates(claims, now), audience(claims)];
    }
    return show(said, header, claims, now);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value.trim();
    if (token) look(token);
    else field.focus();
  });

  /* Leaving takes it along: nothing of it is found by going back. */
  window.addEventListener("pagehide", () => {
    field.value = "";
    document.querySelectorAll("#said, #head, #claims").forEach((node) => node.replaceChildren());
    result.hidden = true;
  });
})();
