// From a registration to the audit trail, by the client that @hey-api/openapi-ts generates.
import assert from "node:assert/strict";
import { createClient } from "./generated/hey/client";
import * as api from "./generated/hey";

const baseUrl = process.argv[2]!;
// An operation that takes an API key too is called with the token alone: two credentials at once are refused.
const client = (token?: string) => createClient({ baseUrl, auth: ({ scheme }) => (scheme === "bearer" ? token : undefined) });

async function tour(): Promise<void> {
  const [username, password] = [`hey_${Date.now() % 1e9}`, "Correct-Horse-9"];
  const anyone = { client: client(), throwOnError: true } as const;
  const registration = { username, password, email: `${username}@example.com` };
  const { user } = (await api.registerUser({ ...anyone, body: registration })).data;
  assert.equal(user.username, username);

  const taken = await api.registerUser({ client: anyone.client, body: registration });
  assert.ok(taken.error && "code" in taken.error);
  assert.equal(taken.error.code, "account_exists");

  const login = (await api.loginUser({ ...anyone, body: { username, password } })).data;
  // It goes into a cookie only if a page asks for that.
  assert.ok(login.refresh_token);
  const tokens = (await api.refreshTokens({ ...anyone, body: { refresh_token: login.refresh_token } })).data;
  const me = { client: client(tokens.access_token), throwOnError: true } as const;
  assert.equal((await api.readMe(me)).data.user.id, user.id);
  assert.equal((await api.updateMe({ ...me, body: { full_name: "Anna Berg" } })).data.user.full_name, "Anna Berg");

  const profits = (await api.listProfits({ ...me, query: { company: "Alpha", year: 2023, sort: "-month" } })).data;
  assert.equal(profits.items[0]?.month, 12);

  const answered = (await api.sendMessage({ ...me, body: { message: "How did Alpha do in 2023?" } })).data;
  assert.ok("reply" in answered && answered.reply.length > 0);
  const path = { id: answered.conversation_id };
  const accepted = (await api.sendMessage({ ...me, body: { message: "And 2022?", conversation_id: path.id }, headers: { Prefer: "respond-async" } })).data;
  assert.ok("status" in accepted);
  const polled = (await api.readMessage({ ...me, path: { ...path, message_id: accepted.message_id } })).data;
  assert.equal(polled.role, "assistant");
  const conversation = (await api.readConversation({ ...me, path, query: { limit: 10 } })).data;
  assert.equal(conversation.messages.items.length, 4);
  assert.equal((await api.readUsage({ ...me, query: { group_by: "day" } })).data.user_id, user.id);

  const expires_at = new Date(Date.now() + 86_400_000).toISOString();
  const key = (await api.createApiKey({ ...me, body: { name: "Tour", scopes: ["profits:read"], expires_at } })).data;
  await api.deleteApiKey({ ...me, path: { id: key.id } });

  const admin = (await api.loginUser({ ...anyone, body: { username: "admin", password: "SecureAdmin123!" } })).data;
  const administrator = { client: client(admin.access_token), throwOnError: true } as const;
  const budget = (await api.setBudget({ ...administrator, path: { id: user.id }, body: { monthly_usd: "5.00" } })).data;
  assert.equal(budget.monthly_usd, "5.00");
  const events = (await api.listAuditEvents({ ...administrator, query: { actor: user.id, order: "asc", limit: 100 } })).data;
  // Text is what the route answers where `Accept` asks for an export.
  assert.ok(typeof events !== "string");
  const actions = events.items.map((event) => event.action);
  for (const action of ["auth.login", "profits.read", "chat.requested", "apikey.created"]) assert.ok(actions.includes(action), action);

  await api.logoutUser(me);
  const signedOut = await api.listSessions({ client: me.client });
  assert.ok(signedOut.error && "code" in signedOut.error);
  assert.equal(signedOut.error.code, "invalid_token");
}

tour().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
