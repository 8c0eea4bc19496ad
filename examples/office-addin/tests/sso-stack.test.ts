/**
 * Single sign-on against a stack, whose URL is in TALLY_SSO_URL, and the fake tenant. Without them,
 * no test runs.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../src/api.ts";
import { type Answer, SingleSignOn, type Tokens } from "../src/sso.ts";
import { openOffice } from "./office.ts";
import { answerOf, tokensOf } from "./tenant.ts";

const variable = (name: string): string => process.env[name] ?? "";
const [url, tenant] = [variable("TALLY_SSO_URL"), variable("TENANT_URL")];
const [user, admin] = [variable("TENANT_USER"), variable("TENANT_ADMIN")];
/** The page that the stack sends codes to. */
const page = variable("AUTH_PAGE");
const skip = url === "" && "TALLY_SSO_URL is not set";

interface Me {
  user: { id: string; sign_in: string; roles: string[] };
}

/** A pane in an Excel that gives tokens of this person. */
async function inExcel(person: string): Promise<{ api: Api; sso: SingleSignOn; calls: string[] }> {
  const api = new Api(url);
  const settings = await api.sso();
  const calls: string[] = [];
  const get = async (claims?: string): Promise<string> => {
    calls.push(claims ?? "");
    return (await tokensOf(tenant, settings, person, claims)).access_token;
  };
  const excel: Tokens = { silent: get, popup: get };
  const sso = new SingleSignOn(api, page, excel);
  api.renew = () => sso.silently();
  return { api, sso, calls };
}

test("tokens sign in, and again after the session has ended", { skip }, async () => {
  const { api, sso, calls } = await inExcel(user);
  assert.equal(await sso.silently(), true);
  const first = (await api.call<Me>("GET", "/auth/me")).user;
  assert.equal(first.sign_in, "sso");
  const { items } = await api.call<{ items: { id: string; current: boolean }[] }>(
    "GET",
    "/auth/sessions",
  );
  const own = items.find((session) => session.current)!;
  await api.call("DELETE", `/auth/sessions/${own.id}`);
  await api.call("GET", "/auth/sessions");
  assert.equal(calls.length, 2);
  assert.equal((await api.call<Me>("GET", "/auth/me")).user.id, first.id);
});

test("an administrator is asked for more by a token and by a window", { skip }, async () => {
  const { api, sso, calls } = await inExcel(admin);
  assert.equal(await sso.silently(), true);
  assert.deepEqual(
    calls.map((claims) => claims.includes("acrs")),
    [false, true],
  );
  assert.ok((await api.call<Me>("GET", "/auth/me")).user.roles.includes("admin"));

  const office = openOffice();
  const other = new Api(url);
  const inWindow = new SingleSignOn(other, page, undefined);
  const signIn = async (): Promise<void> => {
    const answers: (Answer | undefined)[] = [];
    await inWindow.withWindow((answer) => answers.push(answer));
    // What auth.html does.
    const { searchParams } = new URL(office.opened.at(-1)!);
    searchParams.set("return_to", page);
    const told = await answerOf(`${url}/auth/sso/authorize?${searchParams}`, admin);
    office.send(JSON.stringify(Object.fromEntries(told)));
    await inWindow.finish(answers[0]!);
  };
  await assert.rejects(signIn(), /stronger sign-in/);
  await signIn();
  assert.ok((await other.call<Me>("GET", "/auth/me")).user.roles.includes("admin"));
});
