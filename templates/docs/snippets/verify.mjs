// Asks keymgr whether a key may do this. Node 18 or later, no packages.
export async function verify(token, address = null) {
  const answer = await fetch("@URL@/api/v1/verify", {
    method: "POST",
    headers: {
      Authorization: `Bearer ${process.env.KEYMGR_CREDENTIAL}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify({ token, scopes: ["@SCOPE@"], environment: "@ENV@", address }),
    redirect: "error",
    signal: AbortSignal.timeout(3000),
  });
  if (!answer.ok) throw new Error(`keymgr answered ${answer.status}: answer 503`);
  return answer.json();
}

const verdict = await verify(process.env.KEY);
console.log(verdict.code, verdict.message);
process.exitCode = verdict.valid === true ? 0 : 1;
