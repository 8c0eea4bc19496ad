"""What schemathesis cannot know of this API: how one signs in, and which requests are refused though their schema allows them."""

import os
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
ADDRESS = ("must be an email address like name@example.com, with ASCII characters alone before the @",)

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
    # Only the server knows its invitations, and what it has sealed into a cursor.
    ("POST /auth/register", "/invite"): ("is not an invitation, has expired, was used before, or was revoked",),
    ("GET /api-keys", "cursor"): (CURSOR,),
    ("GET /audit", "cursor"): (CURSOR,),
    ("GET /audit/verify", "cursor"): (CURSOR,),
    ("GET /conversations", "cursor"): (CURSOR,),
    ("GET /conversations/{id}", "cursor"): (CURSOR,),
    ("GET /conversations/{id}/export", "cursor"): (CURSOR,),
    ("GET /users", "cursor"): (CURSOR,),
    ("GET /users/invites", "cursor"): (CURSOR,),
    # Times that have to fit the clock, and parameters that have to fit one another.
    ("POST /api-keys", "/expires_at"): ("must be in the future, and at most 365 days away",),
    ("GET /audit", "to"): ("must be after `from`",),
    ("GET /audit/verify", "to"): ("must be after `from`",),
    # Exports take more events.
    ("GET /audit", "limit"): ("must be 1 to 100",),
    ("GET /usage", "from"): ("must not be after `to`", "must be at most 366 days before the end of `to`"),
    ("GET /profits", "page"): ("is too large: page times size must be at most 10,000, so use filters",),
}

# Codes that refuse a whole request for what is stored: a token that is not good, a key that another request has.
STORED = ("invalid_grant", "idempotency_key_reused")


def sign_in(credentials):
    return post("/auth/login", credentials)["access_token"]


def post(path, body, access_token=None):
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    answer = requests.post(URL + path, json=body, headers=headers, timeout=60)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


# One key for all cases, made before them: an account can have few, and the cases of `POST /api-keys` make the rest.
TOMORROW = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
KEY = post("/api-keys", {"name": "fuzz", "scopes": ["tokens:introspect"], "expires_at": TOMORROW}, sign_in(ADMIN))["key"]


@schemathesis.auth(refresh_interval=300)
class Session:
    """One session for all cases."""

    def get(self, case, context):
        return sign_in(ADMIN)

    def set(self, case, access_token, context):
        if case.operation.label == "POST /auth/introspect":
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
    if problem["code"] in STORED:
        return
    errors = problem.get("errors")
    assert errors, f"{case.operation.label}: the schema allows what was refused: {problem}"
    for error in errors:
        meanings = MEANINGS.get((case.operation.label, error.get("pointer", error.get("parameter"))), ())
        assert error["detail"] in meanings, f"{case.operation.label}: the schema allows what was refused: {error}"
