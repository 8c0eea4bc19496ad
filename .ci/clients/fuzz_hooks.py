"""What schemathesis cannot know of this API: how one signs in, and which requests are refused though their schema allows them."""

import os
import re
from datetime import datetime, timedelta, timezone

import requests
import schemathesis

URL = os.environ["TALLY_URL"]
ADMIN = {"username": "admin", "password": "SecureAdmin123!"}
DEMO = {"username": "demo", "password": "SecureDemo123!"}

CURSOR = "is not a cursor of this list: send `next_cursor` with the same filters"
PASSWORD = (
    # Counted in the normal form NFKC.
    "must be 8 to 128 characters",
    "must contain a lower-case letter, an upper-case letter, a digit and a special character",
    "is one of the passwords that attackers try first; choose another",
)
AGENT = "must be the name of an agent that you may use"
TITLE = ("must be 1 to 200 characters",)
DESCRIPTION = ("must be at most 2,000 characters",)
LABEL = "must be 1 to 32 of a-z, 0-9 and `-`, begin with a letter, and not be `latest`"
REFERENCE = "must be the name of a prompt, name@label or name@number"
TEXT = "must be 1 to 100,000 characters, and not blanks alone"
PRICE = "must be a model that has a price in this deployment"
ADDRESS = ("must be an email address like name@example.com, with ASCII characters alone before the @",)

# A field whose meaning no schema can state, such as an address. The API may refuse any of its values.
ANY = object()

# Why a request is refused though its schema allows it: operation, field and the whole detail of the refusal. What a schema can say is
# not here: the fault is in the schema then.
MEANINGS = {
    # A password must differ from the passwords that attackers try, and must not contain the username.
    ("POST /auth/register", "/password"): (*PASSWORD, "must not contain the username"),
    ("POST /auth/password", "/new_password"): (*PASSWORD, "must not contain the username"),
    ("POST /auth/password/reset", "/new_password"): (*PASSWORD, "must not contain the username"),
    # The local part of an address is ASCII (RFC 5321), and its domain keeps the rules of IDNA.
    ("POST /auth/register", "/email"): ADDRESS,
    ("PATCH /auth/me", "/email"): ADDRESS,
    ("POST /auth/email/resend", "/email"): ADDRESS,
    ("POST /auth/password/forgot", "/email"): ADDRESS,
    ("POST /users/invites", "/email"): ADDRESS,
    # Where pages may have the token in a cookie, a body need not have it.
    ("POST /auth/refresh", "/refresh_token"): ("is required",),
    # A form has no null.
    ("POST /auth/login", "/refresh_in"): ("must be `cookie`",),
    # An agent has its own prompt, and may be for some users alone. Decisions are about different calls.
    ("POST /chat", "/agent"): (AGENT, "must not be sent together with prompt"),
    # An address of a range, among others.
    ("POST /chat", "/context"): ANY,
    # A prompt that the caller may use, with a value for each of its variables.
    ("POST /chat", "/prompt"): (
        REFERENCE,
        "must be a prompt that you may use",
        "must not be sent in a conversation with an agent",
    ),
    ("POST /chat", "/variables"): ANY,
    ("POST /conversations/{id}/messages/{message_id}/confirmations", "/decisions"): ("must name each call once",),
    # How people are named depends on the identity provider of the deployment.
    ("PUT /users/{id}/sso", "/tenant"): ("must be a GUID with hyphens", "must be the issuer of this deployment"),
    ("PUT /users/{id}/sso", "/subject"): ("must be a GUID with hyphens",),
    # Where single sign-on is on: a body has a token, or a code with its verifier. A sign-in returns to a page of the deployment's.
    # Without it these operations answer 404.
    ("POST /auth/sso", "/token"): ANY,
    ("POST /auth/sso", "/code"): ANY,
    ("POST /auth/sso", "/code_verifier"): ANY,
    ("POST /auth/sso/link", "/token"): ANY,
    ("POST /auth/sso/link", "/code"): ANY,
    ("POST /auth/sso/link", "/code_verifier"): ANY,
    ("GET /auth/sso/authorize", "return_to"): ANY,
    # Only the server knows its invitations, and what it has sealed into a cursor.
    ("POST /auth/register", "/invite"): ("is not an invitation, has expired, was used before, or was revoked",),
    ("GET /api-keys", "cursor"): (CURSOR,),
    ("GET /access/rules", "cursor"): (CURSOR,),
    ("GET /audit", "cursor"): (CURSOR,),
    ("GET /audit/verify", "cursor"): (CURSOR,),
    ("GET /agents", "cursor"): (CURSOR,),
    ("GET /conversations", "cursor"): (CURSOR,),
    ("GET /files", "cursor"): (CURSOR,),
    ("GET /jobs", "cursor"): (CURSOR,),
    ("GET /jobs/{id}/items", "cursor"): (CURSOR,),
    ("GET /jobs/{id}/findings", "cursor"): (CURSOR,),
    ("GET /batches/{id}/results", "cursor"): (CURSOR,),
    ("GET /conversations/{id}", "cursor"): (CURSOR,),
    ("GET /conversations/{id}/export", "cursor"): (CURSOR,),
    ("GET /groups", "cursor"): (CURSOR,),
    ("GET /groups/{id}/members", "cursor"): (CURSOR,),
    ("GET /prompts", "cursor"): (CURSOR,),
    ("GET /prompts/{name}/versions", "cursor"): (CURSOR,),
    ("GET /tasks", "cursor"): (CURSOR,),
    ("GET /users", "cursor"): (CURSOR,),
    ("GET /users/invites", "cursor"): (CURSOR,),
    ("GET /workbooks", "cursor"): (CURSOR,),
    ("GET /workbooks/{id}/access", "cursor"): (CURSOR,),
    ("GET /workbooks/{id}/ranges", "cursor"): (CURSOR,),
    ("GET /workbooks/{id}/sheets", "cursor"): (CURSOR,),
    ("GET /ranges/{id}/issues", "cursor"): (CURSOR,),
    # Times that have to fit the clock, and parameters that have to fit one another.
    ("POST /api-keys", "/expires_at"): ("must be in the future, and at most 365 days away",),
    ("GET /audit", "to"): ("must be after `from`",),
    ("GET /audit/verify", "to"): ("must be after `from`",),
    # Exports take more.
    ("GET /audit", "limit"): ("must be 1 to 100",),
    ("GET /batches/{id}/results", "limit"): ("must be 1 to 100",),
    ("GET /jobs/{id}/findings", "limit"): ("must be 1 to 100",),
    ("GET /usage", "from"): ("must not be after `to`", "must be at most 366 days before the end of `to`"),
    ("GET /prompts/{name}/usage", "from"): ("must not be after `to`", "must be at most 92 days before the end of `to`"),
    # A change has at least one rule. All rules are of one workbook, about users that exist.
    ("POST /access/changes", "/add"): (
        "and `remove` must have 1 to 40 rules together",
        "must have rules of one workbook, or for every workbook",
        "names a user without an active account",
        "names a group that does not exist",
    ),
    ("POST /access/changes", "/remove"): ("must be a list of ids, each once", "must have ids of rules of the same workbook"),
    ("POST /access/changes", "/user_ids"): ("must be a list of ids, each once", "must have users with an active account"),
    ("GET /workbooks/{id}/access", "user_id"): ("must be a user with an active account",),
    # Addresses, and fields that depend on the sheet, the style or the number of cells. A part has to fit its range.
    ("POST /workbooks/{id}/ranges", "/address"): ANY,
    ("POST /workbooks/{id}/ranges", "/separators"): (
        "decimal must be . or ,",
        "group must be one of . , ' or a space, or empty, and differ from decimal",
    ),
    ("POST /workbooks/{id}/ranges", "/merged"): ("has areas that overlap",),
    ("POST /workbooks/{id}/ranges", "/spills"): ("has areas that overlap",),
    ("POST /workbooks/{id}/ranges", "/pivots"): ("has areas that overlap",),
    ("POST /workbooks/{id}/ranges", "/hidden_rows"): ("has areas that overlap",),
    ("POST /workbooks/{id}/ranges", "/hidden_columns"): ("has areas that overlap",),
    ("PUT /ranges/{id}/parts/{n}", ""): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/address"): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/values"): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/formulas"): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/number_formats"): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/value_types"): ANY,
    ("PUT /ranges/{id}/parts/{n}", "/text"): ANY,
    ("POST /ranges/{id}/complete", ""): ANY,
    ("GET /ranges/{id}/cells", "address"): ANY,
    # The usual answer, in JSON, needs an address and has no pages.
    ("GET /ranges/{id}/cells", "cursor"): ("is for text/csv", CURSOR),
    ("GET /ranges/{id}/access", "cell"): ANY,
    ("GET /ranges/{id}/access", "user_id"): ("must be a user who sees the range",),
    # Counted after normalization, without the characters that are removed.
    ("POST /tasks", "/title"): TITLE,
    ("PATCH /tasks/{id}", "/title"): TITLE,
    ("POST /tasks", "/description"): DESCRIPTION,
    ("PATCH /tasks/{id}", "/description"): DESCRIPTION,
    # A model needs a price, and replies of an agent cost something.
    ("PUT /agents/{name}", "/model"): (PRICE,),
    ("PUT /agents/{name}", "/prompt"): (REFERENCE, "must be a prompt of the kind chat that exists and is not archived"),
    ("PUT /agents/{name}", "/max_cost_usd"): ("must be an amount above 0 and up to 100, like 0.50",),
    # An agent that the caller may use. A change has a title or an agent.
    ("POST /conversations", "/agent"): (AGENT,),
    ("PATCH /conversations/{id}", "/agent"): (AGENT,),
    ("PATCH /conversations/{id}", "/title"): ("is required",),
    # The bytes of all values together.
    ("PUT /conversations/{id}/state", "/values"): ("must have at most 8,192 bytes as JSON, where each `<` counts as six",),
    # Templates, whose places need a variable, and the message or the input once. PLACES has the faults that name a variable.
    ("POST /prompts/{name}/versions", "/system"): (TEXT, "must be, together with user, at most 300,000 bytes of UTF-8"),
    ("POST /prompts/{name}/versions", "/user"): (
        TEXT,
        "must name `{{message}}` exactly once",
        "must name `{{input}}` exactly once",
    ),
    ("POST /prompts/{name}/versions", "/variables"): ("must not declare a name twice", "must be at most 40,000 bytes of JSON"),
    ("POST /prompts/{name}/versions", "/kind"): (
        "must be chat, the kind of all versions of the prompt",
        "must be task, the kind of all versions of the prompt",
    ),
    ("POST /prompts/{name}/versions", "/model"): (PRICE,),
    ("POST /prompts/{name}/versions", "/output_schema"): (
        "is for the kind task alone",
        "must be a JSON Schema, an object of at most 20,000 bytes",
    ),
    ("POST /prompts/{name}/versions", "/labels"): (f"has an item that {LABEL}",),
    # A change has at least one field. Only the server knows which prompts are built in.
    ("PATCH /prompts/{name}", "/description"): ("is required, unless you send `archived`",),
    ("PATCH /prompts/{name}", "/archived"): ("must be false: the prompt is built in",),
    # Versions and labels that there are, of which a request names one at most.
    ("PUT /prompts/{name}/labels/{label}", "/version"): ("must be a version of the prompt",),
    ("POST /prompts/{name}/render", "/version"): ("must be a version of the prompt",),
    ("POST /prompts/{name}/render", "/label"): (
        LABEL,
        "must be a label of the prompt",
        "is required, because the label `production` is not set",
        "must not be sent together with version",
    ),
    ("POST /prompts/{name}/render", "/content"): (
        "must not be sent together with version",
        "must not be sent together with label",
    ),
    ("POST /prompts/{name}/render", "/variables"): ANY,
    # The deployment sets how large a file may be.
    ("POST /files", "/size"): ("must be at most 33554432",),
    # An analysis has inputs, or repeats another one. Its files and that one have to be the caller's. So does a range, and its columns
    # have to be in it. A task has a prompt of its kind, with a value for each variable.
    ("POST /analyses", "/type"): ANY,
    ("POST /analyses", "/inputs"): ANY,
    ("POST /analyses", "/inputs/0/file_id"): ANY,
    ("POST /analyses", "/rerun_of"): ANY,
    ("POST /analyses", "/prompt"): ANY,
    ("POST /analyses", "/variables"): ANY,
    ("POST /analyses", "/max_cost_usd"): ANY,
    ("POST /analyses", "/title"): TITLE,
    ("POST /evaluations", "/prompt"): ANY,
    ("POST /evaluations", "/versions/0"): ANY,
    ("POST /evaluations", "/cases"): ANY,
    ("POST /evaluations", "/checks"): ANY,
    ("POST /evaluations", "/max_cost_usd"): ANY,
    ("POST /evaluations", "/title"): TITLE,
    ("POST /batches", "/range_id"): ANY,
    ("POST /batches", "/address"): ANY,
    ("POST /batches", "/operation"): ANY,
    ("POST /batches", "/input_columns"): ANY,
    ("POST /batches", "/max_cost_usd"): ANY,
    ("POST /batches", "/title"): TITLE,
    # Rows that are in the batch, and have no result.
    ("POST /jobs/{id}/retry", "/rows"): ANY,
    ("POST /jobs/{id}/retry", "/rows/0"): ANY,
    ("POST /jobs/{id}/retry", "/max_cost_usd"): ANY,
    # Another analysis of the caller's.
    ("GET /jobs/{id}/compare", "with"): ANY,
    # One of two members.
    ("PUT /workbooks/{id}/sheets/{sheet_id}", "/same_as"): (
        "or `cleared: true` must be given, and only one of them",
        "must be another sheet of the workbook",
    ),
    ("GET /profits", "page"): ("is too large: page times size must be at most 10,000, so use filters",),
}

# Fields with objects or variables inside, and how the detail of a refusal begins. The detail names the place of the fault.
PLACES = {
    ("POST /conversations/{id}/messages/{message_id}/confirmations", "/decisions"): "has a fault at /",
    ("POST /access/changes", "/add"): "has a fault at /",
    ("POST /prompts/{name}/versions", "/system"): ("names `", "must not name `"),
    ("POST /prompts/{name}/versions", "/user"): "names `",
    ("POST /prompts/{name}/versions", "/variables"): ("has a fault at /", "declares `"),
    ("POST /prompts/{name}/render", "/content"): "has a fault at /",
    ("POST /workbooks/{id}/ranges", "/sheet"): "has a fault at /name: ",
    ("POST /workbooks/{id}/ranges", "/merged"): "has a fault at /",
    ("POST /workbooks/{id}/ranges", "/spills"): "has a fault at /",
    ("POST /workbooks/{id}/ranges", "/pivots"): "has a fault at /",
    ("POST /workbooks/{id}/ranges", "/hidden_rows"): "has a fault at /",
    ("POST /workbooks/{id}/ranges", "/hidden_columns"): "has a fault at /",
    ("PUT /workbooks/{id}/sheets/{sheet_id}/columns", "/columns"): "has a fault at /",
}

# Fields whose members have names that the caller has chosen. A version of a prompt decides which values they may have.
OBJECTS = {
    ("POST /chat", "/variables"),
    ("POST /prompts/{name}/render", "/variables"),
    ("POST /analyses", "/variables"),
}

# Codes that refuse a whole request because of stored data: an invalid token, a key of another request, a rule that
# needs formulas.
STORED = ("invalid_grant", "idempotency_key_reused", "formulas_required")


def sign_in(credentials):
    return post("/auth/login", credentials)["access_token"]


def post(path, body, access_token=None):
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    answer = requests.post(URL + path, json=body, headers=headers, timeout=60)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


# One key for all cases, made before them: an account can have few, and the cases of `POST /api-keys` make the rest.
TOMORROW = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
SCOPES = ["tokens:introspect", "tasks:read", "tasks:write", "profits:read"]
KEY = post("/api-keys", {"name": "fuzz", "scopes": SCOPES, "expires_at": TOMORROW}, sign_in(ADMIN))["key"]


@schemathesis.serializer("text/csv")
def csv(ctx, value):
    """A file is its text."""
    return str(value).encode("utf-8", errors="surrogatepass")


@schemathesis.hook
def filter_case(context, case):
    """Only text is sent as a file: the text of any other value is a file as well, so the API need not refuse it."""
    return case.media_type != "text/csv" or not isinstance(case.body, dict | list | float | int | None)


@schemathesis.auth(refresh_interval=300)
class Session:
    """One session for all cases."""

    def get(self, case, context):
        return sign_in(ADMIN)

    def set(self, case, access_token, context):
        if case.operation.label in ("POST /auth/introspect", "POST /mcp"):
            case.headers["X-API-Key"] = KEY
            return
        # A sign-out would end the session of every other case.
        token = sign_in(DEMO) if case.operation.label == "POST /auth/logout" else access_token
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.check
def refused_for_its_meaning(ctx, response, case):
    """A request that is as its schema says is refused for a reason of the list alone."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 413, 415, 422):
        return
    problem = response.json()
    # What a message of MCP means depends on its method. Its own tests are those of tests/tests/e2e/mcp.
    if "jsonrpc" in problem or problem["code"] in STORED:
        return
    errors = problem.get("errors")
    assert errors, f"{case.operation.label}: the schema allows what was refused: {problem}"
    for error in errors:
        # An item of a list stands for all of them.
        place = re.sub(r"/\d+(?=/|$)", "/0", error.get("pointer", error.get("parameter")))
        field = (case.operation.label, place)
        is_inside = field in PLACES and error["detail"].startswith(PLACES[field])
        is_inside = is_inside or (case.operation.label, place.rpartition("/")[0]) in OBJECTS
        meanings = MEANINGS.get(field, ())
        assert is_inside or meanings is ANY or error["detail"] in meanings, f"{case.operation.label}: the schema allows what was refused: {error}"
