// Checks a key with what Node has on board, version 18 or later, no packages.
import { createPublicKey, verify } from "node:crypto";

const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
const published = await fetch("@JWKS@", { signal: AbortSignal.timeout(3000) });
const { keys } = await published.json();

export function check(token, scope) {
  const parts = token.split(".");
  const header = parts.length === 3 ? read(parts[0]) : {};
  const jwk = keys.find((key) => key.kid === header.kid && key.alg === "ES256");
  if (!jwk || header.alg !== "ES256" || header.typ !== "at+jwt") throw new Error("not a key of ours");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  if (!verify("sha256", signed, key, Buffer.from(parts[2], "base64url"))) throw new Error("the signature does not fit");

  const claims = read(parts[1]);
  const now = Date.now() / 1000;
  if (claims.iss !== "@ISSUER@" || claims.aud !== "@SERVICE@") throw new Error("for another service");
  if (claims.env !== "@ENV@") throw new Error("for another environment");
  if (!(claims.nbf <= now + 30 && now < claims.exp + 30)) throw new Error("expired, or not valid yet");
  if (!claims.scope.split(" ").includes(scope)) throw new Error(`without ${scope}`);
  return claims;
}

console.log("good:", check(process.env.KEY, "@SCOPE@").sub);
