/** The fake tenant in place of Microsoft and of the user who signs in there. */

import { createHash, randomBytes } from "node:crypto";
import type { SsoSettings } from "../src/api.ts";

/** Any page of this machine that nothing serves. */
const REDIRECT = "http://localhost:1/";

/** Tokens for the API by the code flow, as Excel gets them for its user. */
export async function tokensOf(
  tenant: string,
  { authority, client_id, scope }: SsoSettings,
  user: string,
  claims?: string,
): Promise<{ access_token: string; id_token: string }> {
  const oauth = `${tenant}${new URL(authority!).pathname}/oauth2/v2.0`;
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    client_id: client_id!,
    response_type: "code",
    redirect_uri: REDIRECT,
    scope: `openid ${scope}`,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    login_hint: user,
    ...(claims === undefined ? {} : { claims }),
  });
  const answer = await fetch(`${oauth}/authorize?${query}`, { redirect: "manual" });
  const code = new URL(answer.headers.get("location")!).searchParams.get("code")!;
  const body = new URLSearchParams({
    client_id: client_id!,
    grant_type: "authorization_code",
    code,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
  });
  const tokens = await fetch(`${oauth}/token`, { method: "POST", body });
  return (await tokens.json()) as { access_token: string; id_token: string };
}

/** Signs a user in through the API's pages in a browser. Returns what its page gets after `#`. */
export async function answerOf(authorizeUrl: string, user: string): Promise<URLSearchParams> {
  const begun = await fetch(authorizeUrl, { redirect: "manual" });
  const cookie = begun.headers.getSetCookie().map((line) => line.split(";")[0]!);
  const there = new URL(begun.headers.get("location")!);
  there.searchParams.set("login_hint", user);
  const back = (await fetch(there, { redirect: "manual" })).headers.get("location")!;
  const headers = { cookie: cookie.join("; ") };
  const ended = await fetch(back, { headers, redirect: "manual" });
  return new URLSearchParams(new URL(ended.headers.get("location")!).hash.slice(1));
}
