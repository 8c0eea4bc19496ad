// Signs in to a stack with tokens that Microsoft's client for Node.js gets from the fake tenant, and lives through a session with each.

import assert from "node:assert/strict";
import { CryptoProvider, PublicClientApplication } from "@azure/msal-node";

const { TALLY_URL, TENANT_URL, TENANT_USER: USER, TENANT_ADMIN: ADMIN } = process.env;
/** Any page of this machine that nothing serves. */
const REDIRECT = "http://localhost:1/";

const settings = await (await fetch(`${TALLY_URL}/auth/sso`)).json();
const authority = TENANT_URL + new URL(settings.authority).pathname;
const client = new PublicClientApplication({
  auth: { clientId: settings.client_id, authority, knownAuthorities: [new URL(TENANT_URL).host] },
});

/** An access token for Tally, by the code flow. */
async function token(user, claims) {
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const request = { scopes: [settings.scope], redirectUri: REDIRECT, claims };
  const pkce = { codeChallenge: challenge, codeChallengeMethod: "S256" };
  const url = await client.getAuthCodeUrl({ ...request, ...pkce, loginHint: user });
  const answer = await fetch(url, { redirect: "manual" });
  const code = new URL(answer.headers.get("location")).searchParams.get("code");
  return (await client.acquireTokenByCode({ ...request, code, codeVerifier: verifier })).accessToken;
}

async function call(method, path, body, accessToken) {
  const headers = { "Content-Type": "application/json" };
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  const answer = await fetch(TALLY_URL + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
}

/** From the sign-in to the end of the session. */
async function session(text, role) {
  const { status, body: pair } = await call("POST", "/auth/sso", { token: text });
  assert.equal(status, 200, JSON.stringify(pair));
  const { user } = (await call("GET", "/auth/me", undefined, pair.access_token)).body;
  assert.ok(user.sign_in === "sso" && user.roles.includes(role), JSON.stringify(user));
  const { body: renewed } = await call("POST", "/auth/refresh", { refresh_token: pair.refresh_token });
  assert.notEqual(renewed.refresh_token, pair.refresh_token);
  assert.equal((await call("POST", "/auth/logout", undefined, renewed.access_token)).status, 204);
  assert.equal((await call("POST", "/auth/refresh", { refresh_token: renewed.refresh_token })).status, 401);
  assert.equal((await call("GET", "/auth/sessions", undefined, renewed.access_token)).status, 401);
}

await session(await token(USER), "user");
const refused = await call("POST", "/auth/sso", { token: await token(ADMIN) });
assert.deepEqual([refused.status, refused.body.code], [401, "step_up_required"]);
await session(await token(ADMIN, Buffer.from(refused.body.claims, "base64").toString()), "admin");
console.log("msal-node: two sessions, one of them after a step-up");
