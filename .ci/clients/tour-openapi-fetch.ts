// From a registration to the audit trail, by openapi-fetch with the types of openapi-typescript.
import assert from "node:assert/strict";
import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./generated/schema";

const baseUrl = process.argv[2]!;

function client(token?: string) {
  const client = createClient<paths>({ baseUrl });
  const authorize: Middleware = {
    onRequest({ request }) {
      if (token) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  };
  client.use(authorize);
  return client;
}

/** What an operation answered, or its problem as an exception. */
async function ok<T, E>(call: Promise<{ data?: T; error?: E; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  assert.ok(response.ok, `${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

async function tour(): Promise<void> {
  const [username, password] = [`fetch_${Date.now() % 1e9}`, "Correct-Horse-9"];
  const anyone = client();
  const registration = { username, password, email: `${username}@example.com` };
  const { user } = await ok(anyone.POST("/auth/register", { body: registration }));
  assert.equal(user.username, username);

  const taken = await anyone.POST("/auth/register", { body: registration });
  assert.ok(taken.error && "code" in taken.error);
  assert.equal(taken.error.code, "account_exists");

  const tokens = await ok(anyone.POST("/auth/login", { body: { username, password } }));
  // It goes into a cookie only if a page asks for that.
  assert.ok(tokens.refresh_token);
  const me = client((await ok(anyone.POST("/auth/refresh", { body: { refresh_token: tokens.refresh_token } }))).access_token);
  assert.equal((await ok(me.GET("/auth/me"))).user.id, user.id);
  assert.equal((await ok(me.PATCH("/auth/me", { body: { full_name: "Anna Berg" } }))).user.full_name, "Anna Berg");
  assert.equal((await ok(me.GET("/auth/sessions"))).items.length, 1);
  assert.equal((await ok(me.POST("/auth/ws-ticket"))).expires_in, 60);

  const profits = await ok(me.GET("/profits", { params: { query: { company: "Alpha", year: 2023, sort: "-month" } } }));
  assert.equal(profits.items[0]?.month, 12);

  const answered = await ok(me.POST("/chat", { body: { message: "How did Alpha do in 2023?" } }));
  assert.ok("reply" in answered && answered.reply.length > 0);
  const path = { id: answered.conversation_id };
  const conversation = await ok(me.GET("/conversations/{id}", { params: { path, query: { limit: 10 } } }));
  assert.deepEqual(conversation.messages.items.map((message) => message.role), ["assistant", "user"]);
  const markdown = me.GET("/conversations/{id}/export", { params: { path, query: { format: "markdown" } }, parseAs: "text" });
  assert.ok(String(await ok(markdown)).includes("Alpha"));
  const usage = await ok(me.GET("/usage", { params: { query: { group_by: "model" } } }));
  assert.equal(usage.items[0]?.requests, 1);

  const expires_at = new Date(Date.now() + 86_400_000).toISOString();
  const key = await ok(me.POST("/api-keys", { body: { name: "Tour", scopes: ["profits:read"], expires_at } }));
  await ok(me.DELETE("/api-keys/{id}", { params: { path: { id: key.id } } }));

  const admin = await ok(anyone.POST("/auth/login", { body: { username: "admin", password: "SecureAdmin123!" } }));
  const administrator = client(admin.access_token);
  const budget = { params: { path: { id: user.id } }, body: { monthly_usd: 5 } };
  assert.equal((await ok(administrator.PUT("/users/{id}/budget", budget))).monthly_usd, "5.00");
  const erasure = await ok(administrator.POST("/users/{id}/erase", { params: { path: { id: user.id } } }));
  assert.equal(erasure.status, "awaiting_confirmation");
  const alone = await administrator.POST("/users/{id}/erase/confirm", { params: { path: { id: user.id } } });
  assert.equal(alone.response.status, 403);
  const events = await ok(administrator.GET("/audit", { params: { query: { actor: user.id, order: "asc", limit: 100 } } }));
  // Text is what the route answers where `Accept` asks for an export.
  assert.ok(typeof events !== "string");
  const actions = events.items.map((event) => event.action);
  for (const action of ["auth.login", "profits.read", "chat.requested", "apikey.created"]) assert.ok(actions.includes(action), action);

  await ok(me.POST("/auth/logout", { body: { all: true } }));
  const signedOut = await me.GET("/auth/sessions");
  assert.ok(signedOut.error && "code" in signedOut.error);
  assert.equal(signedOut.error.code, "invalid_token");
}

tour().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
