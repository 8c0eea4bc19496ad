/** The page of the window: sends the user to the API, which sends them back with a code. */

import type { Answer } from "./sso.ts";

const asked = new URLSearchParams(location.search);
const challenge = asked.get("code_challenge");
const page = location.origin + location.pathname;

if (challenge) {
  const api = document.querySelector<HTMLMetaElement>("meta[name=tally-api]")!.content;
  const query = new URLSearchParams({ return_to: page, code_challenge: challenge });
  if (asked.has("step_up")) query.set("step_up", "true");
  location.replace(`${api}/auth/sso/authorize?${query}`);
} else {
  const answer: Answer = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const { code, error, error_code } = answer;
  // The code is for the pane alone. Office.js takes this method away in some versions.
  history.replaceState?.(null, "", page);
  show("#status", code ? "You are signed in." : `The sign-in failed: ${error_code ?? error}.`);
  if (code) {
    show("#code", code);
    document.querySelector<HTMLElement>("#copy")!.hidden = false;
  }
  // Office may have lost the window on its way. Then the user copies the code.
  Office.onReady(() => Office.context.ui.messageParent(JSON.stringify(answer)));
}

function show(selector: string, text: string): void {
  document.querySelector(selector)!.textContent = text;
}
