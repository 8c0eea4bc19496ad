"""What schemathesis cannot know of this API: how one signs in, and which requests are refused though their schema allows them."""

import os
import re
from datetime import datetime, timedelta, timezone

import requests
import schemathesis

URL = os.environ["TALLY_URL"]
ADMIN = {"username": "admin", "password": "SecureAdmin123!"}

# Why a request is refused that is as its schema says: what a field means has to fit other fields, the time, or what is stored.
MEANINGS = [
    # Text: what JSON Schema cannot say of Unicode, blanks and control characters.
    r"must not contain (a null character|control characters)",
    r"none of them a control character",
    r"must not be empty|not all of them blank|must be \d+ to [\d,]+ characters",
    r"must be an email address",
    # Passwords: known ones, those without a kind of character, those that contain the username.
    r"must have|must contain|is too common|must not contain the username|is among|is known|must differ|lower-case|digit|special",
    # Times, and ranges of two parameters.
    r"must be in the future|must be after|must not be after|must be at most 366 days",
    r"must be an RFC 3339 time|must be a day like",
    r"reaches too far",
    # Parameters that belong together.
    r"or email with current_password has to be sent|are changed one at a time|is required",
    r"must be company, year and month|each (field|once)|sort|index",
    # What only the server can tell: sealed cursors, invitations.
    r"is not a cursor of this list|is not an invitation|is not the address that was invited",
    r"must name each role once",
    r"must be a user id or `me`|must be a UUID",
    r"must be an action like",
    r"must be an amount",
]


@schemathesis.auth(refresh_interval=300)
class Session:
    """One session for all cases."""

    def get(self, case, context):
        pair = requests.post(f"{URL}/auth/login", json=ADMIN, timeout=60).json()
        expires_at = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        key = {"name": "fuzz", "scopes": ["tokens:introspect"], "expires_at": expires_at}
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        return pair["access_token"], requests.post(f"{URL}/api-keys", json=key, headers=headers, timeout=60).json()["key"]

    def set(self, case, data, context):
        access_token, key = data
        if case.operation.label == "POST /auth/introspect":
            case.headers["X-API-Key"] = key
            return
        if case.operation.label == "POST /auth/logout":
            # It would end the session of every other case.
            demo = {"username": "demo", "password": "SecureDemo123!"}
            access_token = requests.post(f"{URL}/auth/login", json=demo, timeout=60).json()["access_token"]
        case.headers["Authorization"] = f"Bearer {access_token}"


@schemathesis.check
def refused_for_its_meaning(ctx, response, case):
    """A request that is as its schema says is refused for a reason of the list alone."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 413, 415, 422):
        return
    problem = response.json()
    if problem["code"] in ("invalid_grant", "unsupported_grant_type", "idempotency_key_reused"):
        return
    for error in problem.get("errors", [{"detail": problem["detail"]}]):
        if not any(re.search(meaning, error["detail"]) for meaning in MEANINGS):
            raise AssertionError(f"the schema allows what was refused: {error}")
