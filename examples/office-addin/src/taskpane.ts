/** The task pane: sign in, upload the selection, see the cells that a model would get, ask. */

import { Api, type Preview, Problem } from "./api.ts";
import { excelTokens } from "./naa.ts";
import { type Answer, SingleSignOn } from "./sso.ts";
import { type Range, uploadSelection } from "./upload.ts";

const api = new Api(element<HTMLMetaElement>("meta[name=tally-api]").content);
const status = element("#status");
/** The cells of the preview. A question sends these and no others. */
let shown: { range: Range; includeHidden: boolean } | undefined;
let conversationId: string | undefined;

Office.onReady(() => {
  onSubmit("#login", async (form) => {
    await api.login(String(form.get("username")), String(form.get("password")));
    element<HTMLFormElement>("#login").reset();
    showWork(true);
  });
  onSubmit("#upload", async (form) => {
    element("#preview").hidden = true;
    const range = await uploadSelection(
      api,
      (done, all) => (status.textContent = `Part ${done} of ${all}`),
    );
    const includeHidden = form.has("hidden");
    showPreview(range, await api.preview(range.id, String(form.get("question")), includeHidden));
    shown = { range, includeHidden };
  });
  onClick("#ask", ask);
  void run(beginSso);
  onClick("#logout", async () => {
    shown = conversationId = undefined;
    element("#chat").replaceChildren();
    element("#preview").hidden = true;
    showWork(false);
    await api.logout();
  });
});

/** Offers single sign-on where the API takes it, and signs in at once where Excel gives a token. */
async function beginSso(): Promise<void> {
  const settings = await api.sso();
  if (!settings.enabled) return;
  // A bridge of Excel that fails leaves the window.
  const excel = await excelTokens(settings).catch(() => undefined);
  const sso = new SingleSignOn(api, new URL("auth.html", location.href).href, excel);
  api.renew = () => sso.silently();

  const paste = element<HTMLFormElement>("#paste");
  const finish = async (answer: Answer): Promise<void> => {
    await sso.finish(answer);
    paste.reset();
    paste.hidden = true;
    showWork(true);
  };
  onClick("#sign-in", async () => {
    const isSignedIn = await sso.withWindow((answer) => {
      if (answer) void run(() => finish(answer));
      else status.textContent = "The window is closed. Sign in again, or use the code it showed.";
    });
    if (isSignedIn) showWork(true);
    else paste.hidden = false;
  });
  onSubmit("#paste", (form) => finish({ code: String(form.get("code")).trim() }));
  element("#sso").hidden = !excel && settings.authorize_url === null;
  if (await sso.silently()) showWork(true);
}

async function ask(): Promise<void> {
  if (!shown) return;
  const message = String(new FormData(element<HTMLFormElement>("#upload")).get("question"));
  const answer = make("p", "answer");
  element("#chat").append(make("p", "question", message), answer);
  const context = { ranges: [{ range_id: shown.range.id }], include_hidden: shown.includeHidden };
  const question = { message, context, conversation_id: conversationId };
  ({ conversation_id: conversationId } = await api.ask(
    question,
    (text) => (answer.textContent = text),
  ));
}

function showPreview({ address }: Range, preview: Preview): void {
  const { rows, cells, withheld, hidden } = preview.would_send;
  element("#range").textContent = address;
  element("#summary").textContent =
    `${rows} rows and ${cells} cells would be sent. ` +
    `${withheld} are withheld from you, ${hidden} are hidden. ` +
    `About ${preview.tokens.estimated} tokens, at most ${preview.cost_usd.at_most} USD.`;
  const head = preview.columns.map(({ letter, header, access }) =>
    access ? make("th", access, letter) : make("th", "", header ?? letter),
  );
  const lines = preview.sample.map((values) =>
    values.map((value) => (value === null ? make("td", "withheld") : make("td", "", value))),
  );
  element("#sample").replaceChildren(
    ...[head, ...lines].map((line) => {
      const row = make("tr");
      row.append(...line);
      return row;
    }),
  );
  element("#excerpt").textContent = preview.excerpt;
  element("#preview").hidden = false;
}

function showWork(isSignedIn: boolean): void {
  element("#signed-out").hidden = isSignedIn;
  element("#work").hidden = !isSignedIn;
}

function onSubmit(selector: string, action: (form: FormData) => Promise<void>): void {
  const form = element<HTMLFormElement>(selector);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void run(() => action(new FormData(form)));
  });
}

function onClick(selector: string, action: () => Promise<void>): void {
  element(selector).addEventListener("click", () => void run(action));
}

/** Runs one action at a time, and shows why it failed. */
async function run(action: () => Promise<void>): Promise<void> {
  const buttons = document.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  status.textContent = "";
  try {
    await action();
    status.textContent = "";
  } catch (error) {
    // The session has ended, and there is no way to begin another one without a window.
    if (error instanceof Problem && error.status === 401) showWork(false);
    status.textContent = error instanceof Error ? error.message : String(error);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

/** Sets text as text, never as HTML: cells and answers may hold any characters. */
function make(tag: string, name = "", text = ""): HTMLElement {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function element<T extends HTMLElement>(selector: string): T {
  return document.querySelector<T>(selector)!;
}
