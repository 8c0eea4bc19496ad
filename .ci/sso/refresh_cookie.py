"""Asks a stack for the refresh token in a cookie, and uses it, by the headers that a browser would send."""

import requests
from openid import SignIn, refused

NAME = "__Host-tally_refresh"
DEMO = {"username": "demo", "password": "SecureDemo123!"}
SCRIPT = {"X-Requested-With": "fetch"}


def cookie_of(answer):
    """The token of the only cookie, whose attributes have to be right."""
    assert answer.status_code == 200 and "refresh_token" not in answer.json(), answer.text
    first, *attributes = answer.headers["Set-Cookie"].split("; ")
    name, _, token = first.partition("=")
    lifetime = [attribute for attribute in attributes if attribute.startswith("Max-Age=")]
    assert name == NAME and token, first
    assert {*attributes} == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict", *lifetime}, attributes
    assert int(lifetime[0].removeprefix("Max-Age=")) > 0, lifetime
    return token


def is_cleared(answer):
    cookie = answer.headers.get("Set-Cookie", "")
    return cookie.startswith(f"{NAME}=;") and "Max-Age=0" in cookie


def check(url, own, other, page, user):
    """`own` is an origin that may have the cookie, `other` one that may not."""

    def post(path, body=None, origin=own, cookie=None, **headers):
        headers |= {"Origin": origin} if origin else {}
        headers |= {"Cookie": f"{NAME}={cookie}"} if cookie else {}
        return requests.post(url + path, json=body, headers=headers, timeout=30)

    asked = {**DEMO, "refresh_in": "cookie"}
    for origin in (None, other, "null", own.upper(), f"{own}/"):
        refused(post("/auth/login", asked, origin), 403, "origin_refused")
    refused(post("/auth/login", {**DEMO, "refresh_in": "body"}), 422, "validation_failed")
    of_login = cookie_of(post("/auth/login", asked))

    sign_in = SignIn(url, return_to=page, login_hint=user)
    exchange = {"code": sign_in.code(), "code_verifier": sign_in.verifier, "refresh_in": "cookie"}
    refused(post("/auth/sso", exchange, other), 403, "origin_refused")
    of_sso = cookie_of(post("/auth/sso", exchange))

    for token in (of_login, of_sso):
        refused(post("/auth/refresh", cookie=token), 403, "origin_refused")
        for origin in (None, other):
            refused(post("/auth/refresh", origin=origin, cookie=token, **SCRIPT), 403, "origin_refused")
        renewed = post("/auth/refresh", cookie=token, **SCRIPT)
        token = cookie_of(renewed)
        # The token of a body comes first, and its answer is a body, too.
        in_body = post("/auth/login", DEMO).json()["refresh_token"]
        answer = post("/auth/refresh", {"refresh_token": in_body}, cookie=token)
        assert answer.status_code == 200 and answer.json()["refresh_token"], answer.text
        renewed = post("/auth/refresh", cookie=token, **SCRIPT)
        token = cookie_of(renewed)
        bearer = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
        answer = post("/auth/logout", cookie=token, **bearer)
        assert answer.status_code == 204 and is_cleared(answer), (answer.status_code, answer.headers)
        answer = post("/auth/refresh", cookie=token, **SCRIPT)
        assert answer.status_code == 401 and is_cleared(answer), (answer.text, answer.headers)

    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-requested-with"}
    for origin, allowed in ((own, "true"), (other, None)):
        answer = requests.options(f"{url}/auth/refresh", headers={"Origin": origin, **preflight}, timeout=30)
        assert answer.headers.get("Access-Control-Allow-Credentials") == allowed, (origin, answer.headers)
    print("a login and a single sign-on hand their refresh tokens out in a cookie, to one origin alone")
