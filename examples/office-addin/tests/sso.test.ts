/** Single sign-on with Office's window as a mock. `stack.test.ts` has it with a real API. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { Api, Problem } from "../src/api.ts";
import { type Answer, SingleSignOn, type Tokens } from "../src/sso.ts";
import { openOffice } from "./office.ts";

const PAGE = "https://localhost:3000/auth.html";
const CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';

/** The requests that the API got, and the tokens that it takes. */
let asked: Record<string, string>[] = [];
let current = "";
let isOver = false;

const server = createServer(async (request, response) => {
  const text = (await request.toArray()).map(String).join("");
  const body = text === "" ? {} : JSON.parse(text);
  const [status, answer] = answerTo(`${request.method} ${request.url}`, body);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(answer));

  function answerTo(call: string, body: Record<string, string>): [number, object] {
    if (call === "POST /auth/sso" || call === "POST /auth/login") {
      asked.push(body);
      if (body["token"] === "weak" || body["code"] === "weak") {
        return [401, { code: "step_up_required", claims: btoa(CLAIMS) }];
      }
      current = `a${asked.length}`;
      return [200, { access_token: current, refresh_token: "r" }];
    }
    if (call === "POST /auth/refresh") return [401, { code: "invalid_refresh_token" }];
    const isCurrent = request.headers.authorization === `Bearer ${current}`;
    return isCurrent && !isOver ? [200, {}] : [401, { code: "invalid_token" }];
  }
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => server.close());

/** Tokens that Excel gives in this order; nothing stands for a failure of Excel. */
function excel(...given: (string | undefined)[]): { tokens: Tokens; calls: string[] } {
  const calls: string[] = [];
  const next = (kind: string) => async (claims?: string) => {
    calls.push(claims === undefined ? kind : `${kind} ${claims}`);
    const token = given.shift();
    if (token === undefined) throw new Error("interaction_required");
    return token;
  };
  return { tokens: { silent: next("silent"), popup: next("popup") }, calls };
}

function begin(tokens?: Tokens): { api: Api; sso: SingleSignOn } {
  [asked, isOver] = [[], false];
  const api = new Api(url);
  const sso = new SingleSignOn(api, PAGE, tokens);
  api.renew = () => sso.silently();
  return { api, sso };
}

const unheard = (): void => assert.fail("a window has answered");

test("a token of Excel signs in without a window", async () => {
  const { tokens, calls } = excel("good");
  const { api, sso } = begin(tokens);
  assert.equal(await sso.silently(), true);
  assert.deepEqual([asked, calls], [[{ token: "good" }], ["silent"]]);
  await api.call("GET", "/mine");
});

test("a stronger sign-in is asked for with the claims that the API demands", async () => {
  const first = excel("weak", undefined, "strong");
  const { sso } = begin(first.tokens);
  // Excel cannot do that without a window.
  assert.equal(await sso.silently(), false);
  assert.equal(await sso.withWindow(unheard), true);
  assert.deepEqual(first.calls, ["silent", `silent ${CLAIMS}`, `popup ${CLAIMS}`]);
  assert.deepEqual(asked, [{ token: "weak" }, { token: "strong" }]);

  // A token that is too weak again does not begin a loop.
  const second = excel("weak", "weak");
  await assert.rejects(
    begin(second.tokens).sso.silently(),
    (error: Problem) => error.code === "step_up_required",
  );
  assert.equal(second.calls.length, 2);
});

test("where Excel gives no token, a window brings a code for this pane alone", async () => {
  for (const tokens of [undefined, excel(undefined).tokens]) {
    const office = openOffice();
    const { sso } = begin(tokens);
    const answers: (Answer | undefined)[] = [];
    assert.equal(await sso.withWindow((answer) => answers.push(answer)), false);
    const page = new URL(office.opened[0]!);
    assert.equal(page.origin + page.pathname, PAGE);
    assert.equal(page.searchParams.has("step_up"), false);
    office.send(JSON.stringify({ code: "c" }));
    assert.deepEqual([answers, office.closed], [[{ code: "c" }], 1]);
    await sso.finish(answers[0]!);
    const { code, code_verifier } = asked[0]!;
    const challenge = createHash("sha256").update(code_verifier!).digest("base64url");
    assert.deepEqual([code, challenge], ["c", page.searchParams.get("code_challenge")]);
  }
});

test("a code can be typed in after Office has lost the window", async () => {
  const office = openOffice();
  const { sso } = begin();
  const answers: (Answer | undefined)[] = [];
  await sso.withWindow((answer) => answers.push(answer));
  office.lose(12006);
  assert.deepEqual(answers, [undefined]);
  await sso.finish({ code: "typed" });
  assert.equal(asked[0]!["code"], "typed");
});

test("a window can ask for a stronger sign-in, too", async () => {
  const office = openOffice();
  const { sso } = begin();
  await sso.withWindow(() => {});
  await assert.rejects(sso.finish({ code: "weak" }), /stronger sign-in/);
  await sso.withWindow(() => {});
  assert.equal(new URL(office.opened[1]!).searchParams.get("step_up"), "true");
  await sso.finish({ code: "strong" });
  await sso.withWindow(() => {});
  assert.equal(new URL(office.opened[2]!).searchParams.has("step_up"), false);
});

test("a failed sign-in says why", async () => {
  openOffice();
  const { sso } = begin();
  await assert.rejects(sso.finish({ code: "before any window" }), /failed/);
  await sso.withWindow(() => {});
  const answer = { error: "access_denied", error_code: "AADSTS50105" };
  await assert.rejects(sso.finish(answer), /AADSTS50105/);
  openOffice({ refuses: 12009 });
  await assert.rejects(sso.withWindow(unheard), /12009/);
  assert.deepEqual(asked, []);
});

test("a session that has ended begins anew, if a token began it", async () => {
  const { tokens, calls } = excel("good", "good");
  const { api, sso } = begin(tokens);
  await sso.silently();
  current = "another";
  await Promise.all([api.call("GET", "/mine"), api.call("GET", "/mine")]);
  assert.equal(calls.length, 2);
  // Excel may have another user than the pane after a sign-in by password.
  await api.login("demo", "x");
  current = "another";
  await assert.rejects(api.call("GET", "/mine"), (error: Problem) => error.status === 401);
  assert.equal(calls.length, 2);
});
