import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { Api, Problem } from "../src/api.ts";

/** The access token that the server takes, and the requests that it got. */
let current = "first";
let asked: string[] = [];
let messages: object[] = [];

const routes: Record<string, (token: string | undefined) => [number, unknown]> = {
  "POST /auth/login": () => [200, { access_token: "first", refresh_token: "r1" }],
  "POST /auth/refresh": () => [200, { access_token: (current = "second"), refresh_token: "r2" }],
  "GET /": () => [200, { websocket_url: url.replace("http", "ws") }],
  "POST /auth/ws-ticket": () => [201, { ticket: "t" }],
  "GET /mine": (token) =>
    token === `Bearer ${current}` ? [200, { mine: true }] : [401, { code: "invalid_token" }],
  "GET /faulty": () => [
    422,
    { detail: "Not valid.", errors: [{ pointer: "/address", detail: "is empty" }] },
  ],
  "GET /throttled": () => [429, { message: "Too Many Requests" }],
  "POST /chat": () => [202, { conversation_id: "c", message_id: "m", status: "pending" }],
  "GET /conversations/c/messages/m": () => [200, messages.shift()],
};

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const call = `${request.method} ${request.url}`;
  asked.push(call);
  const [status, body] = routes[call]?.(request.headers.authorization) ?? [404, "<html>"];
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => server.close());

async function signedIn(): Promise<Api> {
  const api = new Api(url);
  current = "first";
  await api.login("demo", "x");
  asked = [];
  return api;
}

test("calls whose token has expired share one refresh", async () => {
  const api = await signedIn();
  current = "none";
  const answers = await Promise.all([
    api.call("GET", "/mine"),
    api.call("GET", "/mine"),
    api.call("GET", "/mine"),
  ]);
  assert.deepEqual(answers, Array(3).fill({ mine: true }));
  assert.equal(asked.filter((call) => call === "POST /auth/refresh").length, 1);
  assert.deepEqual(await api.call("GET", "/mine"), { mine: true });
});

test("a refused call says why", async () => {
  const api = await signedIn();
  await assert.rejects(api.call("GET", "/faulty"), /^Error: Not valid\. \/address is empty$/);
  await assert.rejects(api.call("GET", "/throttled"), /Too Many Requests/);
  await assert.rejects(api.call("GET", "/nowhere"), (error: Problem) => error.status === 404);
});

test("where no WebSocket comes through, the answer is read until it has ended", async () => {
  const api = await signedIn();
  messages = [
    { status: "streaming", text: "Lo" },
    { status: "completed", text: "Lorem" },
  ];
  const heard: string[] = [];
  const answer = await api.ask({ message: "?", context: { ranges: [] } }, (text) =>
    heard.push(text),
  );
  assert.deepEqual(answer, { conversation_id: "c", message_id: "m", text: "Lorem" });
  assert.deepEqual(heard, ["Lo", "Lorem"]);
  messages = [
    {
      status: "failed",
      text: "",
      error: { code: "unavailable", detail: "The model is out of order." },
    },
  ];
  await assert.rejects(
    api.ask({ message: "?", context: { ranges: [] } }, () => {}),
    /out of order/,
  );
  messages = [{ status: "completed", text: "", withheld: true }];
  await assert.rejects(
    api.ask({ message: "?", context: { ranges: [] } }, () => {}),
    /may not read/,
  );
});
