"""A tour of the API as a client sees it, from the invitation to the end of the account. It knows two URLs and one
administrator, and runs alike against every stack."""

import hashlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PASSWORD = "Correct-Horse-9"
# Longer than anything takes on a busy machine: only what never comes is an error.
PATIENCE = 60


@dataclass
class Admin:
    """An administrator; `invite` is what they register with, if they have no account yet."""

    username: str
    password: str
    email: str | None = None
    invite: str | None = None


@dataclass
class Answer:
    """An answer of the HTTP API."""

    asked: str
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    def expect(self, status):
        assert self.status == status, f"{self.asked}: {self.status} instead of {status}: {self.body.decode()}"
        assert uuid_or_text(self.headers.get("x-request-id")), f"{self.asked}: no request id in {self.headers}"
        return self.json() if self.body else None

    def problem(self, status, code):
        problem = self.expect(status)
        assert self.headers["content-type"] == "application/problem+json", f"{self.asked}: {self.headers}"
        assert (problem["status"], problem["code"]) == (status, code), f"{self.asked}: {problem} instead of {code}"
        assert problem["request_id"] == self.headers["x-request-id"], f"{self.asked}: {problem}"
        return problem


def uuid_or_text(value):
    return isinstance(value, str) and value != ""


class Http:
    """A client of the HTTP API."""

    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None, token=None, headers=None):
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = body
        if body is not None and not isinstance(body, bytes):
            headers.setdefault("Content-Type", "application/json")
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return self.answer(method, path, answer)
        except urllib.error.HTTPError as answer:
            return self.answer(method, path, answer)

    @staticmethod
    def answer(method, path, answer):
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(f"{method} {path}", answer.status, headers, answer.read())

    def get(self, path, token=None, **headers):
        return self.call("GET", path, token=token, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path, body, token=None, **headers):
        return self.call("POST", path, body, token, {name.replace("_", "-"): value for name, value in headers.items()})

    def login(self, username, password=PASSWORD):
        return self.post("/auth/login", {"username": username, "password": password}).expect(200)


class Live:
    """A WebSocket connection."""

    def __init__(self, url, ticket):
        self.socket = connect(f"{url}?{urllib.parse.urlencode({'ticket': ticket})}", open_timeout=PATIENCE, close_timeout=PATIENCE)

    def send(self, action, **members):
        self.socket.send(json.dumps({"action": action, **members}))

    def next(self, *types):
        """The next message, which is of one of these types."""
        message = json.loads(self.socket.recv(timeout=PATIENCE))
        assert message["type"] in types, f"{message} instead of {types}"
        return message

    def ask(self, action, kind, **members):
        self.send(action, **members)
        return self.next(kind)

    def wait_for_close(self):
        try:
            while True:
                self.socket.recv(timeout=PATIENCE)
        except ConnectionClosed:
            pass


def take_tour(http_url, websocket_url, admin):
    http = Http(http_url)
    public(http)
    wrong_calls(http)
    user = invited(http, admin)
    tokens = account(http, user)
    profits(http, tokens["access_token"])
    tasks(http, tokens["access_token"])
    files(http, tokens["access_token"])
    prompts(http, tokens["access_token"], admin)
    chat(http, tokens["access_token"])
    jobs(http, tokens["access_token"])
    live(http, websocket_url, tokens["access_token"])
    api_key(http, tokens["access_token"])
    audit(http, tokens["access_token"], admin)
    refreshed(http, user)
    logout(http, websocket_url, tokens)
    farewell(http, user)


def public(http):
    assert http.get("/health").expect(200)["status"] == "ok"
    assert http.get("/ready").expect(200)["status"] == "ok"
    paths = http.get("/openapi.json").expect(200)["paths"]
    assert "/auth/login" in paths and http.get("/asyncapi.json").expect(200)["asyncapi"].startswith("3.")
    assert b"swagger" in http.get("/docs").body.lower()
    sso = http.get("/auth/sso").expect(200)
    assert sso["enabled"] is False and sso["client_id"] is None, sso


def wrong_calls(http):
    http.get("/nothing").problem(404, "not_found")
    http.get("/auth/login").problem(405, "method_not_allowed")
    http.get("/auth/me").problem(401, "unauthenticated")
    http.get("/auth/me", "nonsense").problem(401, "invalid_token")
    http.post("/auth/login", {"username": "nobody", "password": "Wrong-Horse-9"}).problem(401, "invalid_credentials")
    http.post("/auth/login", {"username": "nobody"}).problem(422, "validation_failed")
    http.post("/auth/login", b"{", Content_Type="application/json").problem(400, "malformed_json")
    http.post("/auth/login", b"{}", Content_Type="text/plain").problem(415, "unsupported_media_type")
    http.post("/auth/refresh", {"refresh_token": "nonsense"}).problem(401, "invalid_refresh_token")
    # Single sign-on is off.
    http.post("/auth/sso", {"token": "nonsense"}).problem(404, "not_found")


def invited(http, admin):
    """The name of a new user, whom an administrator has invited."""
    if admin.invite:
        registration = {"username": admin.username, "email": admin.email, "password": admin.password, "invite": admin.invite}
        user = http.post("/auth/register", registration).expect(201)["user"]
        assert "admin" in user["roles"], user
    access = http.login(admin.username, admin.password)["access_token"]
    name = f"tour_{uuid.uuid4().hex[:8]}"
    registration = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    http.post("/auth/register", registration).problem(403, "registration_closed")
    invite = http.post("/users/invites", {}, access).expect(201)
    assert invite["id"] in [each["id"] for each in http.get("/users/invites", access).expect(200)["items"]]
    user = http.post("/auth/register", registration | {"invite": invite["token"]}).expect(201)["user"]
    assert user["username"] == name and user["roles"] == ["user"], user
    http.post("/auth/register", registration | {"invite": invite["token"]}).problem(422, "validation_failed")
    assert http.get(f"/users/{user['id']}", access).expect(200)
    return name


def account(http, user):
    """The tokens of a session."""
    http.post("/auth/login", {"username": user, "password": "Wrong-Horse-9"}).problem(401, "invalid_credentials")
    tokens = http.login(user)
    access = tokens["access_token"]
    assert tokens["token_type"] == "bearer" and tokens["expires_in"] == 900, tokens
    assert http.get("/auth/me", access).expect(200)["user"]["username"] == user
    sessions = http.get("/auth/sessions", access).expect(200)["items"]
    assert [session["current"] for session in sessions] == [True], sessions
    changed = http.call("PATCH", "/auth/me", {"full_name": "On Tour"}, access).expect(200)
    assert changed["user"]["full_name"] == "On Tour", changed
    http.get("/users", access).problem(403, "forbidden")
    return tokens


def profits(http, access):
    answer = http.get("/profits?company=Alpha&year=2023&sort=month", access)
    page = answer.expect(200)
    assert (page["total"], len(page["items"])) == (12, 12), page
    assert [item["month"] for item in page["items"]] == list(range(1, 13)), page
    again = http.get("/profits?company=Alpha&year=2023&sort=month", access, If_None_Match=answer.headers["etag"])
    assert again.status == 304 and not again.body, again
    http.get("/profits?size=1000", access).problem(422, "validation_failed")
    http.get("/profits?nonsense=1", access).problem(422, "validation_failed")


def chat(http, access):
    first = whole(http, http.post("/chat", {"message": "Which month was best?"}, access), access)
    assert first["status"] == "completed" and first["text"], first
    accepted = http.post("/chat", {"message": "And which was worst?", "conversation_id": first["conversation_id"]}, access, Prefer="respond-async")
    accepted.expect(202)
    second = whole(http, accepted, access)
    assert second["conversation_id"] == first["conversation_id"], second
    conversation = f"/conversations/{first['conversation_id']}"
    messages = http.get(conversation, access).expect(200)["messages"]["items"]
    assert sorted(message["role"] for message in messages) == ["assistant", "assistant", "user", "user"], messages
    assert http.call("PATCH", conversation, {"title": "Best and worst"}, access).expect(200)["title"] == "Best and worst"
    assert b"Best and worst" in http.get(f"{conversation}/export?format=markdown", access).body
    assert http.get("/conversations?query=worst", access).expect(200)["items"][0]["id"] == first["conversation_id"]
    agents = http.get("/agents", access).expect(200)["items"]
    assert [agent["name"] for agent in agents] == ["default", "finance", "tasks"], agents
    begun = http.post("/conversations", {"title": "Notes", "agent": "finance"}, access).expect(201)
    assert http.call("PATCH", f"/conversations/{begun['id']}", {"agent": "tasks"}, access).expect(200)["agent"] == "tasks"
    state = f"/conversations/{begun['id']}/state"
    kept = http.call("PUT", state, {"values": {"company": "Alpha"}, "version": 0}, access).expect(200)
    assert http.get(state, access).expect(200) == kept == {"values": {"company": "Alpha"}, "version": 1}
    http.call("PUT", state, {"values": {}, "version": 0}, access).problem(409, "conflict")
    http.call("DELETE", state, token=access).expect(204)
    assert sum(item["requests"] for item in http.get("/usage", access).expect(200)["items"]) == 2
    assert http.get("/users/me/budget", access).expect(200)["monthly_usd"]
    http.post("/chat", {"message": ""}, access).problem(422, "validation_failed")
    http.get(f"/conversations/{uuid.uuid4()}", access).problem(404, "not_found")


def tasks(http, access):
    created = http.post("/tasks", {"title": "Close the books", "due_date": "2027-01-31"}, access, Idempotency_Key="tour")
    task = created.expect(201)
    path = created.headers["location"]
    assert http.post("/tasks", {"title": "Close the books", "due_date": "2027-01-31"}, access, Idempotency_Key="tour").expect(201) == task
    assert http.get(path, access).expect(200) == task
    for query in ("", "?status=all&sort=due_date", "?query=BOOKS", "?due_before=2027-02-01&sort=due_date"):
        assert http.get(f"/tasks{query}", access).expect(200)["items"] == [task], query
    changed = http.call("PATCH", path, {"due_date": None}, access, {"If-Match": created.headers["etag"]}).expect(200)
    assert (changed["due_date"], changed["version"]) == (None, 2), changed
    http.call("PATCH", path, {"title": "Late"}, access, {"If-Match": created.headers["etag"]}).problem(412, "precondition_failed")
    assert http.post(f"{path}/complete", {}, access).expect(200)["status"] == "completed"
    assert http.get("/tasks?status=completed", access).expect(200)["items"][0]["version"] == 3
    kept = http.post("/tasks", {"title": "Goes with the account"}, access).expect(201)
    assert http.get("/tasks", access).expect(200)["items"] == [kept]
    http.call("DELETE", path, token=access).expect(204)
    http.get(path, access).problem(404, "not_found")


def files(http, access):
    data = b"month,profit\n1,100.00\n"
    announcement = {"name": "Profits.csv", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "media_type": "text/csv"}
    announced = http.post("/files", announcement, access, Idempotency_Key="tour").expect(201)
    path = f"/files/{announced['file']['id']}"
    http.post(f"{path}/complete", {}, access).problem(409, "upload_missing")
    upload = announced["upload"]
    request = urllib.request.Request(upload["url"], data=data, method=upload["method"], headers=upload["headers"])
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200, answer.status
    # The emulator tells no destination of a success, so the file may be processed for as long as it is there.
    completed = http.post(f"{path}/complete", {}, access).expect(202)
    assert completed["status"] in ("processing", "ready"), completed
    assert [file["id"] for file in http.get("/files", access).expect(200)["items"]] == [completed["id"]]
    http.post("/files", announcement | {"size": 2**40}, access).problem(422, "validation_failed")
    http.call("DELETE", path, token=access).expect(204)
    http.get(path, access).problem(404, "not_found")


def prompts(http, access, admin):
    name = f"tour.{uuid.uuid4().hex[:8]}"
    path = f"/prompts/{name}"
    content = {
        "kind": "chat", "system": "You are the assistant of {{company}}.",
        "variables": [{"name": "company", "type": "enum", "values": ["Alpha", "Beta"]}],
    }  # fmt: skip
    http.post(f"{path}/versions", content, access).problem(403, "forbidden")
    editor = http.login(admin.username, admin.password)["access_token"]
    version = http.post(f"{path}/versions", content | {"labels": ["staging"]}, editor).expect(201)
    http.post(f"{path}/versions", content | {"system": "Be brief.", "variables": [], "based_on": 0}, editor).problem(409, "version_conflict")
    assert http.get(f"{path}/versions/staging", editor).expect(200)["sha256"] == version["sha256"]
    http.call("PUT", f"{path}/labels/production", {"version": 1, "expected": None}, editor).expect(200)
    http.post("/chat", {"message": "Hello", "prompt": name}, editor).problem(422, "validation_failed")
    asked = {"message": "Hello", "prompt": name, "variables": {"company": "Beta"}}
    assert whole(http, http.post("/chat", asked, editor), editor)["prompt"] == {"name": name, "version": 1}
    rendered = http.post(f"{path}/render", {"variables": {"company": "Beta"}, "text": "Hello"}, editor).expect(200)
    assert (rendered["system"], rendered["user"]) == ("You are the assistant of Beta.", "Hello"), rendered
    described = http.call("PATCH", path, {"description": "For the tour"}, editor).expect(200)
    assert described["labels"] == {"production": 1, "staging": 1}, described
    assert [prompt["name"] for prompt in http.get(f"/prompts?prefix={name}", access).expect(200)["items"]] == [name]
    assert http.get(f"{path}/usage", editor).expect(200)["name"] == name
    http.call("DELETE", f"{path}/labels/staging", token=editor).expect(204)
    events = http.get(f"/audit?resource=prompt:{name}", editor).expect(200)["items"]
    assert {"prompt.version_created", "prompt.label_moved", "prompt.label_removed", "prompt.updated"} <= {event["action"] for event in events}, events


def jobs(http, access):
    analysis = {"type": "code", "inputs": [{"name": "sums.rs", "text": "fn sum(a: u32, b: u32) -> u32 { a + b }"}]}
    assert http.post("/analyses?dry_run=true", analysis, access).expect(200)["items"] == 2
    started = http.post("/analyses", analysis, access, Idempotency_Key="tour")
    started.expect(202)
    path = started.headers["location"]
    deadline = time.monotonic() + PATIENCE
    while (job := http.get(path, access).expect(200))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    assert (job["status"], job["counts"]["succeeded"]) == ("succeeded", 2), job
    assert [item["status"] for item in http.get(f"{path}/items", access).expect(200)["items"]] == ["succeeded"] * 2
    http.get(f"{path}/findings", access).expect(200)
    assert http.get("/jobs?kind=analysis", access).expect(200)["items"] == [job]
    assert http.post(f"{path}/cancel", {}, access).expect(200) == job
    http.post(f"{path}/retry", {}, access).problem(409, "conflict")
    http.call("DELETE", path, token=access).expect(204)
    http.get(path, access).problem(404, "not_found")


def whole(http, answer, access):
    """The finished message of an answer to `POST /chat`, which may be there already."""
    said = answer.json()
    assert answer.status in (200, 202), answer
    path = f"/conversations/{said['conversation_id']}/messages/{said['message_id']}"
    deadline = time.monotonic() + PATIENCE
    while (message := http.get(path, access).expect(200))["status"] in ("pending", "streaming"):
        assert time.monotonic() < deadline, message
        time.sleep(0.2)
    if answer.status == 200:
        assert said["reply"] == message["text"], (said, message)
    return message


def live(http, url, access):
    issued = http.post("/auth/ws-ticket", None, access).expect(201)
    connection = Live(url, issued["ticket"])
    for refused in (issued["ticket"], "nonsense"):
        try:
            Live(url, refused)
        except InvalidStatus as refusal:
            # The emulator answers 403, whichever status `$connect` returns.
            assert refusal.response.status_code in (401, 403), refusal
        else:
            raise AssertionError(f"the ticket {refused} opened a connection")
    assert connection.ask("ping", "pong", id="1")["id"] == "1"
    assert connection.ask("nonsense", "error")["code"] == "unknown_action"
    assert connection.ask("chat.send", "error", message="")["code"] == "validation_failed"

    started = connection.ask("chat.send", "chat.started", message="Hello", id="2")
    text = ""
    while (message := connection.next("chat.delta", "chat.completed"))["type"] == "chat.delta":
        text += message["text"]
    assert message["message_id"] == started["message_id"], message
    path = f"/conversations/{started['conversation_id']}/messages/{started['message_id']}"
    stored = http.get(path, access).expect(200)
    assert stored["status"] == "completed" and stored["text"] == text, (stored, text)

    subscribed = connection.ask("charts.subscribe", "charts.subscribed", chart_type="line", interval_ms=250)
    frames = [connection.next("charts.data") for _ in range(3)]
    assert {frame["subscription_id"] for frame in frames} == {subscribed["subscription_id"]}, frames
    first = frames[0]["sequence"]
    assert [frame["sequence"] for frame in frames] == [first, first + 1, first + 2], frames
    connection.send("charts.unsubscribe", chart_type="line")
    while connection.next("charts.data", "charts.unsubscribed")["type"] == "charts.data":
        pass
    connection.socket.close()


def api_key(http, access):
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
    made = http.post("/api-keys", {"name": "tour", "scopes": ["profits:read"], "expires_at": expires}, access).expect(201)
    assert http.get("/profits", X_API_Key=made["key"]).expect(200)["total"] > 0
    http.get("/conversations", X_API_Key=made["key"]).problem(403, "forbidden")
    http.call("DELETE", f"/api-keys/{made['id']}", token=access).expect(204)
    http.get("/profits", X_API_Key=made["key"]).problem(401, "invalid_token")


def audit(http, access, admin):
    http.get("/audit", access).problem(403, "forbidden")
    events = http.get("/audit?actor=me&limit=100", access).expect(200)["items"]
    actions = {event["action"] for event in events}
    wanted = {"auth.register", "auth.login", "account.updated", "profits.read", "chat.requested", "chat.message", "conversation.exported",
              "auth.ws_ticket", "ws.connect", "charts.subscribe", "apikey.created", "apikey.deleted",
              "task.created", "task.updated", "task.completed", "task.deleted", "file.created", "file.completed", "file.deleted",
              "job.requested", "job.item", "job.ended", "job.deleted"}
    assert wanted <= actions, f"no event of {wanted - actions}"
    # What was asked and written, by the roles of three functions and by KMS.
    reply = next(event for event in events if event["detail"].get("status") == "completed")
    texts = http.get(f"/audit/{reply['id']}?texts=true", access).expect(200)["texts"]
    assert [text["name"] for text in texts] == ["prompt", "reply"] and all(text.get("text") for text in texts), texts
    # The stream brings the event to the sealer, and KMS signs a checkpoint that covers it.
    proof = sealed(http, f"/audit/{reply['id']}/proof", access)
    assert proof["event"] == reply and proof["checkpoint"], proof
    # An administrator is no auditor, but may read.
    access = http.login(admin.username, admin.password)["access_token"]
    refused = http.get("/audit?action=auth.login&outcome=failure", access).expect(200)["items"]
    assert refused and all(event["outcome"] == "failure" for event in refused), refused
    assert http.get(f"/audit/{reply['id']}", access).expect(200) == {**reply, "index": proof["index"]}
    assert http.get("/audit/keys", access).expect(200)["items"]
    checked = http.get("/audit/verify", access).expect(200)
    assert checked["ok"] and checked["events"], checked


def sealed(http, path, access):
    """The proof of an event, once it is sealed."""
    end = time.monotonic() + PATIENCE
    while (answer := http.get(path, access)).status == 409 and time.monotonic() < end:
        time.sleep(0.5)
    return answer.expect(200)


def refreshed(http, user):
    """A spent refresh token brings the same pair again for as long as the new one is unused, and then ends the session."""
    first = http.login(user)["refresh_token"]

    def refresh(token):
        return http.post("/auth/refresh", {"refresh_token": token})

    second = refresh(first).expect(200)
    http.get("/auth/sessions", second["access_token"]).expect(200)
    refresh(second["refresh_token"]).expect(200)
    refresh(first).problem(401, "invalid_refresh_token")
    http.get("/auth/sessions", second["access_token"]).problem(401, "invalid_token")


def logout(http, url, tokens):
    access = tokens["access_token"]
    connection = Live(url, http.post("/auth/ws-ticket", None, access).expect(201)["ticket"])
    connection.ask("ping", "pong")
    http.post("/auth/logout", {}, access).expect(204)
    connection.wait_for_close()
    http.get("/auth/sessions", access).problem(401, "invalid_token")
    http.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).problem(401, "invalid_refresh_token")


def farewell(http, user):
    access = http.login(user)["access_token"]
    change = {"current_password": PASSWORD, "new_password": "Correct-Horse-10"}
    http.post("/auth/password", change, access).expect(204)
    http.call("DELETE", "/auth/me", {"current_password": PASSWORD}, access).problem(401, "invalid_credentials")
    http.call("DELETE", "/auth/me", {"current_password": "Correct-Horse-10"}, access).expect(204)
    http.post("/auth/login", {"username": user, "password": "Correct-Horse-10"}).problem(401, "invalid_credentials")


def replies_are_the_same(http_url, admin):
    """Two questions have one answer."""
    http = Http(http_url)
    access = http.login(admin.username, admin.password)["access_token"]
    texts = {whole(http, http.post("/chat", {"message": message}, access), access)["text"] for message in ("Which month?", "Which year?")}
    assert len(texts) == 1, texts


def not_ready(http_url):
    assert Http(http_url).get("/ready").expect(503)["status"] != "ok"
