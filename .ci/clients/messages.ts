// Messages of the WebSocket, by the types that are generated from asyncapi.json. tsc --strict compiles this, and nothing runs it.
import type { ClientMessage } from "./generated/asyncapi/ClientMessage";
import type { ServerMessage } from "./generated/asyncapi/ServerMessage";

/** One message of each action. */
export const messages: ClientMessage[] = [
  { action: "ping", id: "1" },
  { action: "auth.renew", token: "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl" },
  { action: "charts.subscribe", chart_type: "line", interval_ms: 500, seq: 1 },
  { action: "charts.unsubscribe", chart_type: "line", seq: 2 },
  { action: "chat.send", message: "Hello" },
  { action: "chat.cancel", message_id: "019a0000-0000-7000-8000-000000000001", id: "2" },
  { action: "chat.send", message: "Add a task", agent: "tasks" },
  { action: "chat.confirm", message_id: "019a0000-0000-7000-8000-000000000001", decisions: [{ call_id: "call_1", decision: "approve" }] },
  { action: "chat.resume", message_id: "019a0000-0000-7000-8000-000000000001", after_sequence: 7 },
];

/** What a message says. A type that is missing here is a compile error. */
export function tell(message: ServerMessage): string {
  switch (message.type) {
    case "error":
      return `${message.code}: ${message.detail} ${(message.errors ?? []).map((error) => error.pointer).join()}`;
    case "pong":
      return message.id ?? "";
    case "auth.renewed":
      return message.expires_at;
    case "charts.subscribed":
      return `${message.subscription_id} every ${message.interval_ms} ms`;
    case "charts.data":
      return (message.points ?? message.slices ?? []).map(({ label, value }) => `${label} ${value.toFixed(2)}`).join();
    case "charts.ended":
      return message.reason;
    case "charts.unsubscribed":
      return message.chart_type;
    case "chat.started":
      return message.conversation_id;
    case "chat.cancelling":
      return `${message.id} ${message.message_id}`;
    case "chat.confirmed":
      return `${message.id} ${message.status}`;
    case "chat.resumed":
      return `${message.id} ${message.after_sequence}`;
    case "chat.delta":
      return message.text;
    case "chat.tool_call":
      return `${message.sequence} ${message.title}: ${message.preview} ${message.expires_at ?? ""}`;
    case "chat.tool_result":
      return `${message.sequence} ${message.status}: ${message.summary}`;
    case "chat.completed":
      return `${message.stop_reason} ${message.usage.output_tokens} ${message.cost_usd}`;
    case "chat.failed":
      return message.code;
    case "file.updated":
      return `${message.file.name}: ${message.file.status} ${message.file.reason ?? ""}`;
    case "job.progress":
      return `${message.job_id} ${message.revision}: ${message.status}, ${message.counts.succeeded} of ${message.counts.total}`;
    case "job.ended":
      return `${message.job.title}: ${message.job.status} ${message.job.error?.code ?? ""} ${message.job.analysis?.summary ?? ""}`;
  }
}

// @ts-expect-error There is no such chart.
export const wrongChart: ClientMessage = { action: "charts.subscribe", chart_type: "area" };
// @ts-expect-error The message is missing.
export const nothingSaid: ClientMessage = { action: "chat.send" };
