/** The calls of the task pane to the API: sign-in, tokens, ranges in parts, previews, chat. */

/** How the API takes single sign-on. */
export interface SsoSettings {
  enabled: boolean;
  kind: "entra" | "oidc" | null;
  authority: string | null;
  client_id: string | null;
  scope: string | null;
  authorize_url: string | null;
}

/** What stands for a user of the identity provider: its token, or the code of a window. */
export type Proof = { token: string } | { code: string; code_verifier: string };

export interface Preview {
  columns: { letter: string; header?: string | null; type?: string; access?: "withheld" }[];
  sample: (string | null)[][];
  would_send: { rows: number; cells: number; withheld: number; hidden: number };
  excerpt: string;
  tokens: { estimated: number; at_most: number };
  cost_usd: { estimated: string; at_most: string };
}

export interface Question {
  message: string;
  conversation_id?: string | undefined;
  context: { ranges: { range_id: string }[]; include_hidden?: boolean };
}

export interface Answer {
  conversation_id: string;
  message_id: string;
  text: string;
}

interface Tokens {
  access_token: string;
  refresh_token: string;
}

interface Message {
  status: "pending" | "streaming" | "completed" | "cancelled" | "failed";
  text: string;
  withheld?: boolean;
  error?: ProblemBody;
}

interface ProblemBody {
  status?: number;
  code?: string;
  detail?: string;
  claims?: string;
  errors?: { pointer?: string; detail: string }[];
}

/** API Gateway closes a connection that sends a larger frame. */
const MAX_FRAME = 32 * 1024;

/** A proxy may hold a WebSocket back without refusing it. */
const OPEN_MS = 5_000;

/** Why the API refused a call, or failed: RFC 9457, and frames of the WebSocket. */
export class Problem extends Error {
  readonly status: number | undefined;
  readonly code: string | undefined;
  /** For `step_up_required`: what to ask the identity provider for, in base64. */
  readonly claims: string | undefined;

  constructor({ status, code, detail, claims, errors = [] }: ProblemBody) {
    super(
      [
        detail ?? "The API failed.",
        ...errors.map((error) => `${error.pointer ?? ""} ${error.detail}`),
      ].join(" "),
    );
    this.status = status;
    this.code = code;
    this.claims = claims;
  }
}

export class Api {
  readonly #url: string;
  /**
   * Signs in again without a window when a session that a token began has ended. `false` if that is
   * not possible.
   */
  renew: () => Promise<boolean> = async () => false;
  #isRenewable = false;
  // In memory alone: another script of this origin could read sessionStorage, and a closed pane is
  // signed out. The price is a new sign-in whenever the pane is opened.
  #tokens: Tokens | undefined;
  #refreshing: Promise<Tokens> | undefined;
  #socketUrl: string | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  login(username: string, password: string): Promise<void> {
    return this.#begin("/auth/login", { username, password }, false);
  }

  sso(): Promise<SsoSettings> {
    return this.#send("GET", "/auth/sso", undefined, undefined);
  }

  signIn(proof: Proof): Promise<void> {
    return this.#begin("/auth/sso", proof, "token" in proof);
  }

  async #begin(path: string, body: unknown, isRenewable: boolean): Promise<void> {
    this.#tokens = await this.#send<Tokens>("POST", path, body, undefined);
    this.#isRenewable = isRenewable;
  }

  async logout(): Promise<void> {
    await this.call("POST", "/auth/logout").finally(() => (this.#tokens = undefined));
  }

  preview(rangeId: string, task: string, includeHidden: boolean): Promise<Preview> {
    return this.call("POST", `/ranges/${rangeId}/preview`, { task, include_hidden: includeHidden });
  }

  /** Asks over the WebSocket, or by POST where none opens. `onText` gets the text as it grows. */
  async ask(question: Question, onText: (text: string) => void): Promise<Answer> {
    const frame = JSON.stringify({ action: "chat.send", ...question });
    const fits = new TextEncoder().encode(frame).length <= MAX_FRAME;
    const socket = fits ? await this.#open() : undefined;
    return socket ? this.#stream(socket, frame, onText) : this.#post(question, onText);
  }

  /** Any call. An access token that has expired is refreshed, and the call made again. */
  async call<T = void>(method: string, path: string, body?: unknown): Promise<T> {
    const tokens = this.#tokens;
    try {
      return await this.#send<T>(method, path, body, tokens);
    } catch (error) {
      if (!tokens || !(error instanceof Problem) || error.status !== 401) throw error;
      // Another call may have refreshed it meanwhile.
      if (this.#tokens === tokens) await this.#refresh(tokens);
      return this.#send<T>(method, path, body, this.#tokens);
    }
  }

  async #send<T>(
    method: string,
    path: string,
    body: unknown,
    tokens: Tokens | undefined,
  ): Promise<T> {
    const headers = new Headers();
    if (tokens) headers.set("Authorization", `Bearer ${tokens.access_token}`);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    const json = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(this.#url + path, { method, headers, body: json });
    const text = await response.text();
    if (!response.ok) throw problemOf(text, response.status);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** A refresh token is good once, so calls that fail at the same time share one refresh. */
  #refresh({ refresh_token }: Tokens): Promise<Tokens> {
    this.#refreshing ??= this.#send<Tokens>("POST", "/auth/refresh", { refresh_token }, undefined)
      .catch(async (error) => {
        const isOver = error instanceof Problem && error.status === 401;
        if (!isOver || !this.#isRenewable || !(await this.renew())) throw error;
        return this.#tokens!;
      })
      .then((tokens) => (this.#tokens = tokens))
      .finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  /** A socket, or nothing where a proxy lets none through. A ticket stands for the token. */
  async #open(): Promise<WebSocket | undefined> {
    this.#socketUrl ??= (await this.call<{ websocket_url: string }>("GET", "/")).websocket_url;
    const { ticket } = await this.call<{ ticket: string }>("POST", "/auth/ws-ticket");
    const socket = new WebSocket(`${this.#socketUrl}?ticket=${encodeURIComponent(ticket)}`);
    const timer = setTimeout(() => socket.close(), OPEN_MS);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = socket.onclose = () => resolve(false);
    });
    clearTimeout(timer);
    return isOpen ? socket : undefined;
  }

  #stream(socket: WebSocket, frame: string, onText: (text: string) => void): Promise<Answer> {
    let started: Omit<Answer, "text"> | undefined;
    let [text, last] = ["", 0];
    const answer = new Promise<Answer>((resolve, reject) => {
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(String(data));
        if (message.type === "chat.started") {
          started = { conversation_id: message.conversation_id, message_id: message.message_id };
        } else if (message.type === "chat.delta" && message.sequence > last) {
          last = message.sequence;
          onText((text += message.text));
        } else if (message.type === "chat.completed" && started) {
          resolve({ ...started, text });
        } else if (message.type === "chat.failed" || message.type === "error") {
          reject(new Problem(message));
        }
      };
      // The server goes on writing, so the reply can be read later. A second one would cost again.
      socket.onclose = () => {
        if (started) resolve(this.#poll(started, onText));
        else reject(new Problem({ detail: "The connection was lost before the answer began." }));
      };
      socket.send(frame);
    });
    return answer.finally(() => {
      socket.onclose = null;
      socket.close();
    });
  }

  async #post(question: Question, onText: (text: string) => void): Promise<Answer> {
    const answer = await this.call<Omit<Answer, "text"> & { reply?: string }>(
      "POST",
      "/chat",
      question,
    );
    const { conversation_id, message_id, reply } = answer;
    if (reply === undefined) return this.#poll({ conversation_id, message_id }, onText);
    onText(reply);
    return { conversation_id, message_id, text: reply };
  }

  /** Reads a reply each second until it has ended. The server ends each one within minutes. */
  async #poll(reply: Omit<Answer, "text">, onText: (text: string) => void): Promise<Answer> {
    for (;;) {
      const path = `/conversations/${reply.conversation_id}/messages/${reply.message_id}`;
      const { status, text, error, withheld } = await this.call<Message>("GET", path);
      if (withheld) throw new Problem({ detail: "You may not read this answer any more." });
      onText(text);
      if (status === "failed") throw new Problem(error ?? {});
      if (status === "completed" || status === "cancelled") return { ...reply, text };
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** API Gateway answers some errors itself, with a message alone, and a proxy answers anything. */
function problemOf(text: string, status: number): Problem {
  try {
    const { message, ...problem } = JSON.parse(text);
    return new Problem({ detail: message, ...problem, status });
  } catch {
    return new Problem({ detail: `The API answered ${status}.`, status });
  }
}
