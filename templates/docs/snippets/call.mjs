const answer = await fetch(process.env.@ADDRESS@, {
  headers: { Authorization: `Bearer ${process.env.@KEY@}` },
  signal: AbortSignal.timeout(10_000),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
console.log(await answer.text());
