// Chromium against a stack with single sign-on: the refresh token in a cookie, and the sample's pane. Pictures for a person go to
// pictures/.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import puppeteer from "puppeteer-core";
import { tokensOf } from "../../examples/office-addin/tests/tenant.ts";

const { TALLY_URL, TENANT_URL, CHROMIUM, TENANT_USER: USER, TENANT_ADMIN: ADMIN } = process.env;
const [PANE, OWN, SAME_SITE, OTHER_SITE] = process.env.ORIGINS.split(",");
const DIST = new URL("../../examples/office-addin/dist/", import.meta.url);
const PICTURES = new URL("pictures/", import.meta.url);
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };
// The cookie needs a site in common with the page. To a browser, localhost and 127.0.0.1 are two.
const API = TALLY_URL.replace("127.0.0.1", "localhost");

/** Serves pages of an origin. */
async function serve(origin, page) {
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, origin).pathname.slice(1);
    try {
      const body = await page(name);
      response.writeHead(200, { "content-type": TYPES[extname(name)] ?? TYPES[".html"] }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  const { hostname, port } = new URL(origin);
  await new Promise((resolve) => server.listen(Number(port), hostname, resolve));
}

/** A file of the sample, which talks to the stack, with Office.js by this check. */
async function sample(name) {
  if (name === "office.js") return readFile(new URL("office.js", import.meta.url));
  const body = await readFile(new URL(name, DIST));
  if (extname(name) !== ".html") return body;
  return String(body)
    .replaceAll("http://127.0.0.1:8787", TALLY_URL)
    .replaceAll("ws://127.0.0.1:8787", TALLY_URL.replace("http", "ws"))
    .replace("https://appsforoffice.microsoft.com/lib/1/hosted/office.js", "/office.js");
}

/** Calls the API from a page as its script would. What `fetch` refuses is `blocked`. */
function call(page, path, { body, headers = {}, ...options } = {}) {
  const init = { method: "POST", credentials: "include", headers, ...options };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json", ...headers };
  }
  const send = async (url, init) => {
    try {
      const answer = await fetch(url, init);
      const text = await answer.text();
      const body = text === "" ? {} : JSON.parse(text);
      return { status: answer.status, type: answer.type, body, setCookie: answer.headers.get("set-cookie"), cookie: document.cookie };
    } catch {
      return "blocked";
    }
  };
  return page.evaluate(send, API + path, init);
}

async function cookies(browser) {
  const open = async (origin) => {
    const page = await browser.newPage();
    await page.goto(origin);
    return page;
  };
  const [own, sameSite, otherSite] = await Promise.all([OWN, SAME_SITE, OTHER_SITE].map(open));
  const login = { body: { username: "demo", password: "SecureDemo123!", refresh_in: "cookie" } };
  const byScript = { headers: { "X-Requested-With": "fetch" } };

  const first = await call(own, "/auth/login", login);
  assert.equal(first.status, 200, JSON.stringify(first));
  assert.ok(first.body.access_token && !("refresh_token" in first.body), "the body has a refresh token");
  assert.deepEqual([first.setCookie, first.cookie], [null, ""], "a script can read the cookie");
  const [kept, ...others] = (await browser.cookies()).filter(({ name }) => name === "__Host-tally_refresh");
  assert.deepEqual(others, []);
  const { domain, path, httpOnly, secure, sameSite: strictness } = kept;
  assert.deepEqual([domain, path, httpOnly, secure, strictness], ["localhost", "/", true, true, "Strict"]);

  const second = await call(own, "/auth/refresh", byScript);
  assert.equal(second.status, 200, JSON.stringify(second));
  assert.ok(second.body.access_token !== first.body.access_token && !("refresh_token" in second.body));
  assert.equal((await call(own, "/auth/refresh")).status, 403, "without X-Requested-With");
  const without = await call(own, "/auth/refresh", { ...byScript, credentials: "omit" });
  assert.ok(without.status >= 400, "without the cookie");

  // A page of the same site sends the cookie, but it may not ask. One of another site may ask, but its browser sends no cookie.
  assert.equal(await call(sameSite, "/auth/login", login), "blocked");
  assert.equal(await call(sameSite, "/auth/refresh", byScript), "blocked");
  assert.equal((await call(sameSite, "/auth/refresh", { mode: "no-cors" })).type, "opaque");
  const elsewhere = await call(otherSite, "/auth/refresh", byScript);
  assert.ok(elsewhere.status >= 400, JSON.stringify(elsewhere));

  // None of these has spent the token.
  const third = await call(own, "/auth/refresh", byScript);
  assert.equal(third.status, 200, JSON.stringify(third));
  const headers = { Authorization: `Bearer ${third.body.access_token}` };
  assert.equal((await call(own, "/auth/logout", { headers })).status, 204);
  assert.deepEqual((await browser.cookies()).filter(({ name }) => name.startsWith("__Host-")), []);
  assert.ok((await call(own, "/auth/refresh", byScript)).status >= 400);
}

/** The account that the pane signs in with, once it has done `act`. */
async function signedIn(page, act) {
  const isSignIn = (answer) => answer.url().endsWith("/auth/sso") && answer.request().method() === "POST" && answer.ok();
  const answers = page.waitForResponse(isSignIn);
  await act();
  const { access_token } = await (await answers).json();
  await page.waitForSelector("#work", { visible: true });
  const me = await fetch(`${TALLY_URL}/auth/me`, { headers: { Authorization: `Bearer ${access_token}` } });
  return (await me.json()).user;
}

async function pane(browser) {
  const settings = await (await fetch(`${TALLY_URL}/auth/sso`)).json();
  const open = async () => {
    const page = await browser.newPage();
    await page.setViewport({ width: 360, height: 640 });
    page.on("pageerror", (error) => assert.fail(error));
    return page;
  };
  const picture = (page, name) => page.screenshot({ path: new URL(name, PICTURES).pathname });
  /** The window, in which the user has picked a person. */
  const picked = async (page, person) => {
    const popup = new Promise((resolve) => page.once("popup", resolve));
    await page.click("#sign-in");
    const opened = await popup;
    const choice = await opened.waitForSelector(`a[href*="user=${person}"]`);
    await picture(opened, `${person}-picks.png`);
    await choice.click();
    return opened;
  };

  const page = await open();
  await page.goto(`${PANE}/taskpane.html`);
  await page.waitForSelector("#sign-in", { visible: true });
  await picture(page, "pane.png");
  const user = await signedIn(page, () => picked(page, USER));
  assert.deepEqual([user.sign_in, user.roles], ["sso", ["user"]]);
  await picture(page, "pane-signed-in.png");

  // Office has lost the window.
  await page.goto(`${PANE}/taskpane.html`);
  await page.waitForSelector("#sign-in", { visible: true });
  await page.evaluate("window.isLost = true");
  const opened = await picked(page, USER);
  const code = await opened.waitForSelector("#code:not(:empty)");
  await picture(opened, "window-lost.png");
  await page.type("#paste [name=code]", await code.evaluate((element) => element.textContent));
  const again = await signedIn(page, () => page.click("#paste button"));
  assert.equal(again.id, user.id);

  // An administrator needs a stronger sign-in, and Excel gives tokens.
  const excel = await open();
  const calls = [];
  await excel.exposeFunction("excelTokens", (method, { scope, claims }) => {
    calls.push([method, claims?.includes("acrs") ?? false]);
    assert.equal(scope, settings.scope);
    return tokensOf(TENANT_URL, settings, ADMIN, claims);
  });
  const admin = await signedIn(excel, () => excel.goto(`${PANE}/taskpane.html`));
  assert.ok(admin.roles.includes("admin"), JSON.stringify(admin));
  assert.deepEqual(calls, [["GetToken", false], ["GetToken", true]]);
  const stored = "JSON.stringify([localStorage, sessionStorage, document.cookie])";
  assert.equal(await excel.evaluate(stored).then((text) => /eyJ/.test(text)), false, "a token is stored");
}

await mkdir(PICTURES, { recursive: true });
await serve(PANE, sample);
for (const origin of [OWN, SAME_SITE, OTHER_SITE]) await serve(origin, async () => "<!doctype html><title>A page</title>");
const browser = await puppeteer.launch({
  executablePath: CHROMIUM,
  // Its sandbox does not run as root. All pages here are the check's own.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
try {
  await cookies(browser);
  await pane(browser);
} finally {
  await browser.close();
}
console.log("Chromium keeps the refresh token in a cookie, and the sample's pane signs in by a window, a code and a token of Excel");
process.exit(0);
