/** Single sign-on: a token that Excel gives, else the code of a window that the API opens. */

import { type Api, Problem } from "./api.ts";

/** Tokens of the identity provider for the API. `claims` asks for a stronger sign-in. */
export interface Tokens {
  silent(claims?: string): Promise<string>;
  /** Shows a window of Excel. Ends with a `Problem` if the user closes it. */
  popup(claims?: string): Promise<string>;
}

/** What the page `auth.html` has got from the API. */
export interface Answer {
  code?: string;
  error?: string;
  error_code?: string;
}

/** What a window has come to. `undefined`: it is closed, or Office has lost it. */
type Listener = (answer: Answer | undefined) => void;

export class SingleSignOn {
  readonly #api: Api;
  readonly #page: string;
  readonly #excel: Tokens | undefined;
  /** The claims that the API has demanded. The next sign-in asks the provider for them. */
  #claims: string | undefined;
  /** Proves that the code of the window was asked for by this pane (PKCE, RFC 7636). */
  #verifier: string | undefined;
  #dialog: Office.Dialog | undefined;

  /** `page` is the URL of `auth.html`. `excel` is there if Excel gives tokens. */
  constructor(api: Api, page: string, excel: Tokens | undefined) {
    this.#api = api;
    this.#page = page;
    this.#excel = excel;
  }

  /** Signs in without a window. `false` if that is not possible. */
  async silently(): Promise<boolean> {
    return this.#byToken((excel, claims) => excel.silent(claims));
  }

  /** Signs in with a window of Excel. Where Excel has none, it opens one and answers `false`. */
  async withWindow(listener: Listener): Promise<boolean> {
    if (await this.#byToken((excel, claims) => excel.popup(claims))) return true;
    await this.#open(listener);
    return false;
  }

  /** Signs in with what the window has sent, or with a code that the user has copied from it. */
  async finish({ code, error, error_code }: Answer): Promise<void> {
    const verifier = this.#verifier;
    if (!code || !verifier) {
      throw new Problem({ detail: `The sign-in failed: ${error_code ?? error ?? "no code"}.` });
    }
    try {
      await this.#api.signIn({ code, code_verifier: verifier });
      this.#claims = undefined;
    } catch (problem) {
      if (!this.#demands(problem)) throw problem;
      throw new Problem({ detail: "Your roles need a stronger sign-in. Sign in again." });
    }
  }

  async #byToken(get: (excel: Tokens, claims?: string) => Promise<string>): Promise<boolean> {
    if (!this.#excel) return false;
    const asked = this.#claims;
    let token: string;
    try {
      token = await get(this.#excel, asked);
    } catch (error) {
      if (error instanceof Problem) throw error;
      // Excel fails for many reasons of its own. There is another way to sign in for all of them.
      return false;
    }
    try {
      await this.#api.signIn({ token });
      this.#claims = undefined;
      return true;
    } catch (problem) {
      if (asked !== undefined || !this.#demands(problem)) throw problem;
      return this.#byToken(get);
    }
  }

  /** Whether the API demands a stronger sign-in. The next one asks for it. */
  #demands(problem: unknown): boolean {
    if (!(problem instanceof Problem) || problem.claims === undefined) return false;
    this.#claims = atob(problem.claims);
    return true;
  }

  /** Opens `auth.html`, because Office wants the first page of a window from the pane's origin. */
  async #open(listener: Listener): Promise<void> {
    const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const page = new URL(this.#page);
    page.searchParams.set("code_challenge", base64url(new Uint8Array(digest)));
    if (this.#claims !== undefined) page.searchParams.set("step_up", "true");
    this.#dialog?.close();
    const dialog = await display(page.href);
    [this.#dialog, this.#verifier] = [dialog, verifier];
    const settle: Listener = (answer) => {
      if (this.#dialog === dialog) this.#dialog = undefined;
      listener(answer);
    };
    dialog.addEventHandler(Office.EventType.DialogMessageReceived, (event) => {
      if (!("message" in event)) return;
      dialog.close();
      settle(JSON.parse(event.message));
    });
    dialog.addEventHandler(Office.EventType.DialogEventReceived, () => settle(undefined));
  }
}

function display(url: string): Promise<Office.Dialog> {
  return new Promise((resolve, reject) => {
    Office.context.ui.displayDialogAsync(url, { height: 60, width: 30 }, (result) => {
      if (result.status === Office.AsyncResultStatus.Succeeded) resolve(result.value);
      else reject(new Problem({ detail: result.error.message }));
    });
  });
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
