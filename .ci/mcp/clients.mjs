// Takes a tour of the tools with two clients of MCP in JavaScript: the protocol's SDK in its second and its first major version. Both
// hold structured content against the tools' output schemas.

import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as FirstClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as FirstTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const url = new URL(process.env.MCP_URL);
const requestInit = { headers: { "X-API-Key": process.env.API_KEY } };

async function tour(name, client, transport) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.equal(tools.length, 12);
  for (const { name, title, inputSchema, outputSchema, annotations } of tools) {
    assert.ok(title && inputSchema && outputSchema && annotations, name);
  }
  const call = async (tool, given) => client.callTool({ name: tool, arguments: given });
  const added = await call("add_task", { title: `Ask ${name}`, idempotency_key: name });
  const { id } = added.structuredContent;
  assert.equal((await call("add_task", { title: `Ask ${name}`, idempotency_key: name })).structuredContent.id, id);
  const listed = await call("list_tasks", { query: name });
  assert.deepEqual(listed.structuredContent.items.map((task) => task.id), [id]);
  const wrong = await call("update_task", { id, title: 7 });
  assert.ok(wrong.isError && wrong.structuredContent === undefined);
  assert.match(wrong.content[0].text, /\/title/);
  assert.equal((await call("complete_task", { id })).structuredContent.status, "completed");
  await call("delete_task", { id });
  const sums = await call("summarize_profits", { group_by: "year" });
  assert.deepEqual(sums.structuredContent.items.map((row) => row.year), [2022, 2023]);
  await assert.rejects(client.callTool({ name: "drop_tables", arguments: {} }));
  const resource = await client.readResource({ uri: "tally://profits/Alpha/2023" });
  assert.match(resource.contents[0].text, /"Alpha"/);
  await assert.rejects(client.readResource({ uri: "tally://profits/Nobody/1999" }));
  await client.close();
  console.log(`${name}: ${tools.length} tools`);
}

const about = { name: "check-mcp", version: "1.0.0" };
for (const mode of ["auto", "legacy"]) {
  const client = new Client(about, { versionNegotiation: { mode } });
  await tour(`client ${mode}`, client, new StreamableHTTPClientTransport(url, { requestInit }));
}
await tour("sdk", new FirstClient(about), new FirstTransport(url, { requestInit }));
