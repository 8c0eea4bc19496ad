"""Signs in to a stack in a browser, at OpenID providers that others have written: provider.mjs has them."""

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

RETURN_TO = "https://localhost:3000/auth.html"


class Browser(requests.Session):
    """Sends cookies with `Secure` to this machine without TLS, too, as browsers do. Follows redirects to the URL that it must not
    open yet."""

    def send(self, request, **options):
        answer = super().send(request, **options)
        for cookie in self.cookies:
            cookie.secure = False
        return answer

    def follow(self, url, end, form=None):
        """A page, or the URL under `end` to which it was sent."""
        answer = self.request("POST" if form else "GET", url, data=form, allow_redirects=False, timeout=30)
        while answer.is_redirect:
            location = urljoin(answer.url, answer.headers["Location"])
            if location.startswith(end):
                return location
            answer = self.get(location, allow_redirects=False, timeout=30)
        assert answer.ok, (answer.status_code, answer.text)
        return answer


class SignIn:
    """One sign-in of a browser."""

    def __init__(self, url, browser=None, return_to=RETURN_TO, **parameters):
        self.url, self.browser, self.page = url, browser or Browser(), return_to
        self.verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {"return_to": return_to, "code_challenge": challenge, **parameters}
        answer = self.browser.get(f"{url}/auth/sso/authorize", params=query, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        assert "Cross-Origin-Opener-Policy" not in answer.headers, answer.headers
        self.location = answer.headers["Location"]

    def at_provider(self, login="any"):
        """Signs in there, and agrees to what Tally asks for, or cancels where there is no login. Returns the URL to which the browser
        is sent back."""
        callback = f"{self.url}/auth/sso/callback?"
        page = self.browser.follow(self.location, callback)
        while not isinstance(page, str):
            if login is None:
                return self.browser.follow(urljoin(page.url, re.search(r'href="([^"]+/abort)"', page.text)[1]), callback)
            form = re.search(r'<form[^>]+action="([^"]+)"', page.text)[1]
            prompt = re.search(r'name="prompt" value="([a-z]+)"', page.text)[1]
            page = self.browser.follow(urljoin(page.url, form), callback, {"prompt": prompt, "login": login, "password": "any"})
        return page

    def back(self, callback):
        """What the page that began it is told."""
        answer = self.browser.get(callback, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        assert "Cross-Origin-Opener-Policy" not in answer.headers, answer.headers
        page, _, fragment = answer.headers["Location"].partition("#")
        assert page == self.page, answer.headers
        return dict(parse_qsl(fragment))

    def code(self, login="any"):
        """Our code for this person."""
        told = self.back(self.at_provider(login))
        assert set(told) == {"code"}, told
        return told["code"]

    def exchange(self, code, **more):
        """The answer of POST /auth/sso."""
        body = {"code": code, "code_verifier": self.verifier, **more}
        return requests.post(f"{self.url}/auth/sso", json=body, timeout=30)


def with_query(url, **changes):
    """The URL with other parameters, without those that are None."""
    query = {**dict(parse_qsl(urlsplit(url).query)), **changes}
    return f"{url.partition('?')[0]}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def signed_in(url, login):
    """Signs in as this person. Returns the account."""
    sign_in = SignIn(url)
    answer = sign_in.exchange(sign_in.code(login))
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    me = requests.get(f"{url}/auth/me", headers=headers, timeout=30)
    assert me.status_code == 200, me.text
    return me.json()["user"]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def check_provider(url, issuer):
    """First and later sign-ins, the roles of three people, codes, and a key that replaces another."""
    settings = requests.get(f"{url}/auth/sso", timeout=30).json()
    assert (settings["enabled"], settings["kind"], settings["authority"]) == (True, "oidc", issuer), settings
    ann = signed_in(url, "ann")
    assert (ann["username"], ann["full_name"], ann["email"]) == ("ann", "Ann Baker", "ann@example.com"), ann
    assert (ann["sign_in"], ann["roles"]) == ("sso", ["user"]), ann
    root = signed_in(url, "root")
    assert root["roles"] == ["user", "admin"] and root["email"] is None, root
    sign_in = SignIn(url)
    refused(sign_in.exchange(sign_in.code("guest")), 403, "sso_no_role")

    # Another page has another verifier.
    refused(SignIn(url).exchange(SignIn(url).code("ann")), 401, "invalid_sso_code")
    sign_in = SignIn(url)
    code = sign_in.code("ann")
    assert sign_in.exchange(code).status_code == 200
    refused(sign_in.exchange(code), 401, "invalid_sso_code")
    refused(requests.post(f"{url}/auth/sso", json={"token": "a.b.c"}, timeout=30), 422, "validation_failed")

    assert requests.post(f"{issuer}/rotate", timeout=30).status_code == 204
    again = signed_in(url, "ann")
    assert again["id"] == ann["id"], (again, ann)


def check_answers(url, issuer):
    """Answers that are not those of the provider to this browser."""
    sign_in = SignIn(url)
    told = sign_in.back(sign_in.at_provider(None))
    assert told["error"] == "access_denied" and "code" not in told, told
    for other in ("https://op.example.com", issuer + "/", None):
        sign_in = SignIn(url)
        told = sign_in.back(with_query(sign_in.at_provider("ann"), iss=other))
        assert "error" in told and "code" not in told, (other, told)
    sign_in = SignIn(url)
    callback = sign_in.at_provider("ann")
    for browser, target in ((Browser(), callback), (sign_in.browser, with_query(callback, state=secrets.token_urlsafe(32)))):
        answer = browser.get(target, allow_redirects=False, timeout=30)
        assert answer.status_code == 400, (answer.status_code, answer.text)
    # Two tabs of one browser.
    browser = Browser()
    first, second = SignIn(url, browser), SignIn(url, browser)
    for sign_in in (second, first):
        assert sign_in.exchange(sign_in.code("ann")).status_code == 200
