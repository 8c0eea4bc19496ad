"""Sends tokens that this makes itself to a stack and to a verifier of Entra's tokens by others, fastapi-azure-auth. The stack may take
none that the other refuses. Where it refuses one that the other takes, it does so on purpose: STRICTER names these tokens."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import threading
import time
import uuid
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.security import SecurityScopes
from fastapi_azure_auth.auth import AzureAuthorizationCodeBearerBase
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from stack import stack
from starlette.requests import Request

TENANT = "5f2b9a54-7d0c-4a6f-9a1e-63c0d2f7e8b1"
OTHER_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
CLIENT = "0c1d2e3f-4a5b-4c6d-8e7f-901a2b3c4d5e"
OFFICE = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
GRAPH = "00000003-0000-0000-c000-000000000000"
ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
SCOPE = "access_as_user"
LEEWAY = 60

# What fastapi-azure-auth takes, and Tally does not. The first part would be a hole, the second is a matter of form.
STRICTER = {
    # Each of these is a token for another purpose, or of another user or tenant.
    "an app-only token with a scope",
    "another client",
    "no client",
    "the client as appid, as in v1.0",
    "a tenant that is not the issuer's",
    "no tenant",
    "no object id",
    "an object id that is no GUID",
    "version 1.0",
    "a key of another tenant",
    # RFC 7515 and RFC 7519 let a verifier refuse these.
    "a claim twice, the good one last",
    "the scope twice, the good one last",
    "a header member twice",
    "a token of 20 KB",
}


def encode(value):
    """base64url of bytes, a text, or a value as JSON."""
    if not isinstance(value, bytes):
        value = (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def make_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


KEYS = {name: make_key() for name in ("first", "second", "unpublished", "encrypts", "foreign")}
KEYS["short"] = make_key(1024)
CURVE = ec.generate_private_key(ec.SECP256R1())


def published(name, **more):
    """A key as Entra publishes it: with an issuer, and without an algorithm."""
    jwk = RSAAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True)
    return {"kty": "RSA", "use": "sig", "kid": name, "n": jwk["n"], "e": jwk["e"], "issuer": ISSUER, **more}


def key_set():
    foreign = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"
    keys = [published("first"), published("second"), published("encrypts", use="enc"), published("foreign", issuer=foreign)]
    # Two keys that fastapi-azure-auth cannot read beside others.
    odd = [
        {**ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), "use": "sig", "kid": "curve", "issuer": ISSUER},
        {"kty": "oct", "use": "sig", "kid": "shared", "k": encode(b"a secret that everyone can read!"), "issuer": ISSUER},
        published("short"),
    ]
    return {"/keys": {"keys": keys + odd}, "/plain/keys": {"keys": keys}}


def claims(**changes):
    """The claims of a good token; None leaves one out."""
    now = int(time.time())
    usual = {
        "aud": CLIENT,
        "iss": ISSUER,
        "iat": now - 300,
        "nbf": now - 300,
        "exp": now + 4_000,
        "azp": CLIENT,
        "azpacr": "0",
        "idtyp": "user",
        "name": "Ann Baker",
        "oid": "6f1b2c3d-0a1b-4c2d-8e3f-405162738495",
        "preferred_username": "ann.baker@contoso.example",
        "roles": ["Tally.User"],
        "scp": SCOPE,
        "sub": "pairwise-subject-of-ann",
        "tid": TENANT,
        "uti": uuid.uuid4().hex,
        "ver": "2.0",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(key="first", algorithm="RS256", header=None, **changes):
    """A token that is good but for the changes. `header` changes its header; None leaves a member out."""
    header = {"kid": key if isinstance(key, str) else "first", **(header or {})}
    header = {name: value for name, value in header.items() if value is not None or name == "typ"}
    private = KEYS[key] if isinstance(key, str) else key
    with warnings.catch_warnings():
        # pyjwt warns of the short key.
        warnings.simplefilter("ignore")
        # Not jwt.encode, because that makes no claims of a wrong type.
        return jwt.PyJWS().encode(json.dumps(claims(**changes)).encode(), private, algorithm, headers=header)


def signed(header, payload, key="first"):
    """A token of these texts or values as they are, signed by RS256."""
    start = f"{encode(header)}.{encode(payload)}"
    return f"{start}.{encode(KEYS[key].sign(start.encode(), padding.PKCS1v15(), SHA256()))}"


def keyed(secret, algorithm="HS256", header=None):
    """A token whose HMAC has a key that everyone knows."""
    start = f"{encode({'alg': algorithm, 'typ': 'JWT', 'kid': 'first', **(header or {})})}.{encode(claims())}"
    return f"{start}.{encode(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"


def twice(name, other, last):
    """A payload in which a claim comes twice: with another value, and with the good one."""
    good = claims()
    pairs = [f"{json.dumps(name)}: {json.dumps(value)}" for value in ((other, good[name]) if last else (good[name], other))]
    rest = json.dumps({key: value for key, value in good.items() if key != name})
    return f"{{{', '.join(pairs)}, {rest[1:]}"


def good_tokens():
    now = int(time.time())
    return {
        "a good token": token(),
        "a good token by another key": token("second"),
        "a good token without typ": token(header={"typ": None}),
        "a good token with more in its header": token(header={"x5t": "first", "rh": "1"}),
        "several scopes": token(scp=f"User.Read {SCOPE} profile"),
        "another client that is listed": token(azp=OFFICE),
        "a member": token(acct=0),
        "a guest": token(acct=1, idp=f"https://sts.windows.net/{OTHER_TENANT}/"),
        "no kind of token": token(idtyp=None),
        "several roles": token(roles=["Tally.User", "Else"]),
        "an address": token(email="ann@contoso.example"),
        "a name in other letters": token(name="Ann Bäcker 安", preferred_username="安@contoso.example"),
        "unknown claims": token(xms_tcdt=1, nested={"a": [1, {"b": None}]}),
        "spaces in the payload": signed({"alg": "RS256", "kid": "first"}, json.dumps(claims(), indent=4)),
        "expired, within the leeway": token(exp=now - LEEWAY // 2),
        "not yet valid, within the leeway": token(nbf=now + LEEWAY // 2, iat=now + LEEWAY // 2),
    }


def bad_claims():
    now = int(time.time())
    v1 = f"https://sts.windows.net/{TENANT}/"
    changes = {
        "expired": {"exp": now - 2 * LEEWAY},
        "expired long ago": {"exp": 1},
        "no end": {"exp": None},
        "an end in a text": {"exp": "tomorrow"},
        "an end before 1970": {"exp": -1},
        "an end in a list": {"exp": [now + 4_000]},
        "not yet valid": {"nbf": now + 2 * LEEWAY},
        "no start": {"nbf": None},
        "a start in a text": {"nbf": "now"},
        "issued in the future": {"iat": now + 3_600},
        "no time of issue": {"iat": None},
        "a time of issue in a text": {"iat": "now"},
        "another audience": {"aud": GRAPH},
        "the audience as a URI": {"aud": f"api://{CLIENT}"},
        "the audience in capitals": {"aud": CLIENT.upper()},
        "the audience with a slash": {"aud": f"{CLIENT}/"},
        "the start of the audience": {"aud": CLIENT[:-1]},
        "an empty audience": {"aud": ""},
        "no audience": {"aud": None},
        "an audience that is a number": {"aud": 1},
        "an audience in an object": {"aud": {CLIENT: True}},
        "an audience in a list": {"aud": [CLIENT]},
        "an audience in a list with Graph": {"aud": [GRAPH, CLIENT]},
        "an empty list of audiences": {"aud": []},
        "the issuer of v1.0": {"iss": v1, "ver": "1.0"},
        "the issuer of v1.0 with version 2.0": {"iss": v1},
        "version 1.0": {"ver": "1.0"},
        "version 2": {"ver": "2"},
        "version 2.0 as a number": {"ver": 2.0},
        "no version": {"ver": None},
        "the issuer of another tenant": {"iss": ISSUER.replace(TENANT, OTHER_TENANT), "tid": OTHER_TENANT},
        "the issuer of another tenant alone": {"iss": ISSUER.replace(TENANT, OTHER_TENANT)},
        "the issuer of every tenant": {"iss": ISSUER.replace(TENANT, "common")},
        "the template of the issuer": {"iss": ISSUER.replace(TENANT, "{tenantid}")},
        "the issuer with a slash": {"iss": f"{ISSUER}/"},
        "the issuer in capitals": {"iss": ISSUER.upper()},
        "the issuer by http": {"iss": ISSUER.replace("https", "http")},
        "the issuer in a list": {"iss": [ISSUER]},
        "no issuer": {"iss": None},
        "a tenant that is not the issuer's": {"tid": OTHER_TENANT},
        "no tenant": {"tid": None},
        "a tenant in a list": {"tid": [TENANT]},
        "another scope": {"scp": "User.Read"},
        "a scope that begins alike": {"scp": f"{SCOPE}.all"},
        "the scope in capitals": {"scp": SCOPE.upper()},
        "the scope after a tab": {"scp": f"User.Read\t{SCOPE}"},
        "the scope in a list": {"scp": [SCOPE]},
        "an empty scope": {"scp": ""},
        "no scope": {"scp": None},
        "an app-only token": {"idtyp": "app", "scp": None, "preferred_username": None, "name": None},
        "an app-only token with a scope": {"idtyp": "app"},
        "an app-only token, in a list": {"idtyp": ["app"]},
        "an app-only token of old, with roles alone": {"idtyp": None, "scp": None, "azp": OFFICE},
        "another client": {"azp": "11111111-2222-4333-8444-555555555555"},
        "no client": {"azp": None},
        "the client as appid, as in v1.0": {"azp": None, "appid": CLIENT},
        "no object id": {"oid": None},
        "an object id that is no GUID": {"oid": "ann"},
        "an object id that is a number": {"oid": 7},
        "no subject": {"sub": None},
        "a subject that is a number": {"sub": 7},
        "an ID token": {"scp": None, "nonce": "n-0S6_WzA2Mj", "idtyp": None, "azp": None},
        "a token for Graph": {"aud": GRAPH, "scp": "User.Read openid profile", "azp": None, "appid": CLIENT, "iss": v1, "ver": "1.0"},
        "a personal account": {"iss": ISSUER.replace(TENANT, OTHER_TENANT), "tid": OTHER_TENANT, "idp": "live.com"},
    }
    return {name: token(**change) for name, change in changes.items()}


def bad_signatures():
    good = token()
    header, payload, signature = good.split(".")
    other = token(roles=["Tally.User", "Tally.Admin"])
    raw = base64.urlsafe_b64decode(signature + "==")
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    plain = {"alg": "none", "typ": "JWT", "kid": "first"}
    public = KEYS["first"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = RSAAlgorithm.to_jwk(KEYS["unpublished"].public_key(), as_dict=True)
    unpublished = KEYS["unpublished"]
    return {
        "a key that is not published": token(unpublished),
        "a key that is not published, by its own id": token("unpublished"),
        "no key id": token(header={"kid": None}),
        "an empty key id": token(header={"kid": ""}),
        "the id of another key": token("first", header={"kid": "second"}),
        "a key id that is a number": signed({"alg": "RS256", "kid": 1}, claims()),
        "a key id in a list": signed({"alg": "RS256", "kid": ["first"]}, claims()),
        "a key id that is a path": token(header={"kid": "../../dev/null"}),
        "a key for encryption": token("encrypts"),
        "a key of another tenant": token("foreign"),
        "a key of 1024 bits": token("short"),
        "a key in the header": token(unpublished, header={"kid": None, "jwk": {"kty": "RSA", **own}}),
        "a key in the header, under a known id": token(unpublished, header={"jwk": {"kty": "RSA", **own}}),
        "a key at a URL": token(unpublished, header={"jku": "http://127.0.0.1:9/keys"}),
        "a certificate at a URL": token(unpublished, header={"x5u": "http://127.0.0.1:9/certificate"}),
        "a certificate in the header": token(unpublished, header={"x5c": [base64.b64encode(der).decode()]}),
        "no algorithm": f"{encode(plain)}.{payload}.",
        "no algorithm, with a signature": f"{encode(plain)}.{payload}.{signature}",
        "no algorithm, in capitals": f"{encode({**plain, 'alg': 'None'})}.{payload}.",
        "no member alg": f"{encode({'kid': 'first'})}.{payload}.{signature}",
        "the public key as a secret": keyed(pem),
        "the public key in DER as a secret": keyed(der),
        "the modulus as a secret": keyed(published("first")["n"].encode()),
        "an empty secret": keyed(b""),
        "a secret that is published": keyed(b"a secret that everyone can read!", header={"kid": "shared"}),
        "RS512": token(algorithm="RS512"),
        "PS256": token(algorithm="PS256"),
        "ES256 by a published key": token(CURVE, "ES256", header={"kid": "curve"}),
        "ES256 in the name of an RSA key": token(CURVE, "ES256"),
        "RS256 in lower case": f"{encode({'alg': 'rs256', 'kid': 'first'})}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "half a signature": f"{header}.{payload}.{encode(raw[: len(raw) // 2])}",
        "a signature with a bit flipped": f"{header}.{payload}.{encode(flipped)}",
        "a signature of zeros": f"{header}.{payload}.{encode(bytes(256))}",
        "a signature and more": f"{header}.{payload}.{encode(raw + b'0')}",
        "the payload of another token": f"{header}.{other.split('.')[1]}.{signature}",
        "an extension that must be understood": signed({"alg": "RS256", "kid": "first", "crit": ["exp2"], "exp2": 1}, claims()),
        "an extension that is nothing": signed({"alg": "RS256", "kid": "first", "crit": []}, claims()),
        "a payload that is not encoded": signed({"alg": "RS256", "kid": "first", "b64": False, "crit": ["b64"]}, claims()),
    }


def bad_forms():
    header, payload, signature = token().split(".")
    head = {"alg": "RS256", "kid": "first"}
    return {
        "nothing": "",
        "a word": "token",
        "two parts": f"{header}.{payload}",
        "four parts": f"{header}.{payload}.{signature}.{signature}",
        "five parts": f"{header}.{payload}.{signature}.{payload}.{signature}",
        "three empty parts": "..",
        "a space within": f"{header}. {payload}.{signature}",
        "a line break at the end of the payload": f"{header}.{payload}\n.{signature}",
        "letters outside of base64url": f"{header}.{payload}.{signature[:-2]}!!",
        "a header that is no JSON": signed("alg RS256", claims()),
        "a header that is a list": signed(["RS256"], claims()),
        "a payload that is no JSON": signed(head, "name=ann"),
        "a payload that is a list": signed(head, [claims()]),
        "a payload that is null": signed(head, "null"),
        "a payload of no claims": signed(head, {}),
        "a payload and more": signed(head, json.dumps(claims()) + "{}"),
        "a payload in latin-1": signed(head, json.dumps(claims(name="Bäcker"), ensure_ascii=False).encode("latin-1")),
        "a payload that is a token": signed(head, token()),
        "a claim twice, the good one last": signed(head, twice("aud", GRAPH, last=True)),
        "a claim twice, the good one first": signed(head, twice("aud", GRAPH, last=False)),
        "the scope twice, the good one last": signed(head, twice("scp", "User.Read", last=True)),
        "a header member twice": signed('{"alg": "none", "alg": "RS256", "kid": "first"}', claims()),
        "a token of 20 KB": token(padding="x" * 15_000),
    }


def serve():
    """Serves metadata and keys. Returns its URL."""
    documents = key_set()

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.removesuffix("/.well-known/openid-configuration")
            body = documents.get(self.path)
            if path != self.path:
                names = {"issuer": ISSUER, "jwks_uri": f"{url}{path}/keys"}
                body = names | {f"{name}_endpoint": f"{url}/{name}" for name in ("authorization", "token")}
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            """Nothing: the tokens are what counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return url


async def oracle(provider, tokens):
    """The names of the tokens that fastapi-azure-auth takes."""
    logging.getLogger("fastapi_azure_auth").setLevel(logging.CRITICAL)
    scheme = AzureAuthorizationCodeBearerBase(
        app_client_id=CLIENT,
        tenant_id=TENANT,
        leeway=LEEWAY,
        allow_guest_users=True,
        openid_config_url=f"{provider}/plain/.well-known/openid-configuration",
    )
    taken = set()
    for name, text in tokens.items():
        headers = [(b"authorization", b"Bearer " + text.encode())]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""})
        with contextlib.suppress(Exception):
            await scheme(request, SecurityScopes([SCOPE]))
            taken.add(name)
    return taken


def answers(url, tokens):
    """The reason for which the stack refuses each token, or `taken`."""
    told = {}
    for name, text in tokens.items():
        answer = requests.post(f"{url}/auth/sso", json={"token": text}, timeout=30)
        body = answer.json()
        if answer.status_code == 200:
            told[name] = "taken"
        else:
            assert answer.status_code in (401, 403, 422), (name, answer.status_code, answer.text)
            told[name] = body.get("reason") or body["code"]
            assert len(text) < 100 or text not in answer.text, name
    return told


def check(url, provider):
    good = good_tokens()
    tokens = {**good, **bad_claims(), **bad_signatures(), **bad_forms()}
    assert len(tokens) - len(good) >= 80, len(tokens)
    by_oracle = asyncio.run(oracle(provider, tokens))
    told = answers(url, tokens)
    taken = {name for name, reason in told.items() if reason == "taken"}
    assert set(good) <= by_oracle & taken, (set(good) - by_oracle, {name: told[name] for name in set(good) - taken})
    lax = taken - by_oracle
    assert not lax, f"Tally takes what fastapi-azure-auth refuses: {sorted(lax)}"
    stricter = by_oracle - taken
    for name in sorted(stricter):
        print(f"stricter: {name}: {told[name]}")
    assert stricter == STRICTER, (stricter - STRICTER, STRICTER - stricter)
    return len(tokens) - len(good), len(stricter)


def main():
    provider = serve()
    parameters = {
        "RateLimits": "login_lock=100000/1m,*=100000/1m",
        "SsoKind": "entra",
        "SsoIssuer": ISSUER,
        "SsoClientId": CLIENT,
        "SsoClients": OFFICE,
        "SsoMetadataUrl": f"{provider}/.well-known/openid-configuration",
    }
    sets = [option for name, value in parameters.items() for option in ("--set", f"{name}={value}")]
    with stack(*sets) as (url, _):
        forged, stricter = check(url, provider)
    print(f"of {forged} forged tokens Tally takes none that fastapi-azure-auth refuses, and refuses {stricter} more")


if __name__ == "__main__":
    main()
