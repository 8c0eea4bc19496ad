"""Signs in to a stack with tokens that Microsoft's client for Python gets from the fake tenant, and lives through a session with each."""

import base64
import os
import warnings
from urllib.parse import parse_qsl, urlsplit

import msal
import requests

URL, TENANT_URL, USER, ADMIN = (os.environ[name] for name in ("TALLY_URL", "TENANT_URL", "TENANT_USER", "TENANT_ADMIN"))
# Any page of this machine that nothing serves.
REDIRECT = "http://localhost:1/"
SETTINGS = requests.get(f"{URL}/auth/sso", timeout=30).json()
AUTHORITY = TENANT_URL + urlsplit(SETTINGS["authority"]).path


def token(client, user, claims=None):
    """An access token for Tally, by the code flow."""
    with warnings.catch_warnings():
        # It would rather have its answer posted, and nothing is at that page.
        warnings.simplefilter("ignore")
        flow = client.initiate_auth_code_flow([SETTINGS["scope"]], REDIRECT, login_hint=user, claims_challenge=claims)
    # msal gets its own certificates from REQUESTS_CA_BUNDLE, and so does this.
    answer = requests.get(flow["auth_uri"], allow_redirects=False, timeout=30)
    told = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    tokens = client.acquire_token_by_auth_code_flow(flow, told)
    assert "access_token" in tokens, tokens
    return tokens["access_token"]


def post(path, body, access_token=None):
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    return requests.post(URL + path, json=body, headers=headers, timeout=30)


def session(text, role):
    """From the sign-in to the end of the session. Returns the account's id."""
    answer = post("/auth/sso", {"token": text})
    assert answer.status_code == 200, answer.text
    pair = answer.json()
    me = requests.get(f"{URL}/auth/me", headers={"Authorization": f"Bearer {pair['access_token']}"}, timeout=30).json()["user"]
    assert me["sign_in"] == "sso" and role in me["roles"], me
    answer = post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 200, answer.text
    renewed = answer.json()
    assert renewed["refresh_token"] != pair["refresh_token"], renewed
    answer = post("/auth/logout", None, renewed["access_token"])
    assert answer.status_code == 204, answer.text
    assert post("/auth/refresh", {"refresh_token": renewed["refresh_token"]}).status_code == 401
    ended = requests.get(f"{URL}/auth/sessions", headers={"Authorization": f"Bearer {renewed['access_token']}"}, timeout=30)
    assert ended.status_code == 401, ended.text
    return me["id"]


def main():
    client_id = SETTINGS["client_id"]
    ids = set()
    for place in ({"authority": AUTHORITY, "instance_discovery": False}, {"oidc_authority": f"{AUTHORITY}/v2.0"}):
        client = msal.PublicClientApplication(client_id, **place)
        ids.add(session(token(client, USER), "user"))
    assert len(ids) == 1, ids
    refused = post("/auth/sso", {"token": token(client, ADMIN)})
    assert (refused.status_code, refused.json()["code"]) == (401, "step_up_required"), refused.text
    claims = refused.json()["claims"]
    assert f'error="insufficient_claims", claims="{claims}"' in refused.headers["WWW-Authenticate"], refused.headers
    session(token(client, ADMIN, base64.b64decode(claims).decode()), "admin")
    print(f"msal {msal.__version__}: three sessions, one of them after a step-up")


main()
