"""Pages of two origins that upload with Chromium's fetch: one that the template's CORS allows, and another."""

import json
import os
import queue
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A request that `fetch` refuses is `blocked`. The page reads an answer of another origin only if CORS shows it.
PAGE = """<!doctype html>
<title>A page</title>
<script type="module">
const attempt = async ({ url, ...init }) => {
  try {
    const answer = await fetch(url, init);
    return { status: answer.status, etag: answer.headers.get("etag"), text: await answer.text() };
  } catch {
    return "blocked";
  }
};
const told = [];
for (const request of REQUESTS) told.push(await attempt(request));
await fetch("/told", { method: "POST", body: JSON.stringify(told) });
</script>
"""


class Origin:
    """Serves a page, and takes what the page tells of its requests."""

    def __init__(self):
        self.requests = []
        self.told = queue.Queue()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = PAGE.replace("REQUESTS", json.dumps(origin.requests)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                origin.told.put(told)

            def log_message(self, *_):
                """The check says what it saw."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{server.server_port}"

    def visit(self, browser, requests):
        """What the page is told when it sends these requests."""
        self.requests = requests
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            options = ["--headless", "--no-first-run", f"--user-data-dir={profile}"]
            # Its sandbox does not run as root. All pages here are the check's own.
            options += ["--no-sandbox"] if os.geteuid() == 0 else []
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen([browser, *options, self.url], **quiet)
            try:
                return self.told.get(timeout=60)
            finally:
                process.terminate()
                process.wait(timeout=30)


def request_of(upload, body):
    return {"url": upload.url, "method": "PUT", "headers": upload.headers, "body": body}


def check_pages(browser, client, allowed, other):
    """The allowed origin uploads, sees errors too, and downloads. The other one can do neither."""
    content = "uploaded by a page"
    announce = lambda: client.announce("page.txt", "text/plain", content.encode())
    first, second = announce(), announce()
    wrong = {**first.headers, "content-type": "text/html"}
    told = allowed.visit(
        browser,
        [
            {**request_of(first, content), "headers": wrong},
            request_of(first, content.upper()),
            request_of(first, content),
            request_of(first, content),
        ],
    )
    assert [answer != "blocked" and answer["status"] for answer in told] == [403, 400, 200, 412], told
    assert told[2]["etag"], told
    client.call("POST", f"/files/{first.id}/complete", 202)
    assert client.prepared(first.id)["status"] == "ready"
    download = {"url": client.call("GET", f"/files/{first.id}/content")["url"]}
    [answer] = allowed.visit(browser, [download])
    assert answer != "blocked" and (answer["status"], answer["text"]) == (200, content), answer

    assert other.visit(browser, [request_of(second, content), download]) == ["blocked", "blocked"]
    # The browser has not even sent the file, because the preflight forbids it.
    assert client.call("POST", f"/files/{second.id}/complete", 409)["code"] == "upload_missing"
