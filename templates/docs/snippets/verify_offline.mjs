// Checks a key with what Node has on board, version 18 or later, no packages.
import { createPublicKey, verify } from "node:crypto";

const refuse = (why) => {
  throw new Error(why);
};
const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
const answer = await fetch("@JWKS@", { signal: AbortSignal.timeout(3000) });
const { keys } = await answer.json();

export function check(token, scope) {
  const parts = token.split(".");
  const header = parts.length === 3 ? read(parts[0]) : {};
  const jwk = keys.find((key) => key.kid === header.kid && key.alg === "ES256");
  if (!jwk || header.alg !== "ES256" || header.typ !== "at+jwt") refuse("not a key of ours");
  const published = createPublicKey({ key: jwk, format: "jwk" });
  const key = { key: published, dsaEncoding: "ieee-p1363" };
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const signature = Buffer.from(parts[2], "base64url");
  if (!verify("sha256", signed, key, signature)) refuse("the signature does not fit");

  const claims = read(parts[1]);
  const now = Date.now() / 1000;
  if (claims.iss !== "@ISSUER@" || claims.aud !== "@SERVICE@") refuse("for another service");
  if (claims.env !== "@ENV@") refuse("for another environment");
  if (!(claims.nbf <= now + 30)) refuse("not valid yet");
  if (!(now < claims.exp + 30)) refuse("expired");
  if (!claims.scope.split(" ").includes(scope)) refuse(`without ${scope}`);
  return claims;
}

console.log("good:", check(process.env.KEY, "@SCOPE@").sub);
