// OpenID providers by oidc-provider, one for each way in which a client proves who it is. Prints a line of JSON: the way and the
// issuer. POST <issuer>/rotate signs with another key from then on, and goes on publishing the first one.

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { CLIENT_ID, CLIENT_SECRET, CLIENT_KEY, CALLBACK } = process.env;

// It warns that keys, accounts and pages like these are none for production.
console.info = console.warn = () => {};

/** The ways, each with an algorithm of ID tokens, so that each algorithm is met too. */
const WAYS = { client_secret_basic: "RS256", client_secret_post: "PS256", private_key_jwt: "ES256" };

/** The people, by their logins. */
const PEOPLE = {
  ann: { name: "Ann Baker", email: "ann@example.com", roles: ["Tally.User"] },
  root: { name: "Root Carter", roles: ["Tally.Admin", "Something.Else"] },
  guest: { name: "Guest", roles: ["Something.Else"] },
};

function key(algorithm, kid) {
  const [type, options] = algorithm === "ES256" ? ["ec", { namedCurve: "P-256" }] : ["rsa", { modulusLength: 2048 }];
  const pair = generateKeyPairSync(type, options);
  return { ...pair.privateKey.export({ format: "jwk" }), kid, use: "sig", alg: algorithm };
}

async function client(way) {
  const usual = {
    client_id: CLIENT_ID,
    redirect_uris: [CALLBACK],
    // So that the port of the redirect URI is free (RFC 8252), because the stack takes any.
    application_type: "native",
    response_types: ["code"],
    grant_types: ["authorization_code"],
    token_endpoint_auth_method: way,
    id_token_signed_response_alg: WAYS[way],
  };
  if (way !== "private_key_jwt") return { ...usual, client_secret: CLIENT_SECRET };
  const certified = createPublicKey(await readFile(CLIENT_KEY)).export({ format: "jwk" });
  return { ...usual, token_endpoint_auth_signing_alg: "PS256", jwks: { keys: [certified] } };
}

async function start(way) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const keys = [key(WAYS[way], "first")];
  const clients = [await client(way)];
  const serve = () => {
    const provider = new Provider(issuer, {
      clients,
      clientAuthMethods: [way],
      jwks: { keys },
      enabledJWA: { idTokenSigningAlgValues: Object.values(WAYS), clientAuthSigningAlgValues: ["PS256"] },
      // As the providers that docs/entra.md names have it: the claims are in the ID token itself.
      conformIdTokenClaims: false,
      claims: { openid: ["sub"], profile: ["name", "preferred_username", "roles"], email: ["email", "email_verified"] },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, ...PEOPLE[id] }) }),
      cookies: { keys: [CLIENT_SECRET] },
    });
    return provider.callback();
  };
  let answer = serve();
  server.on("request", (request, response) => {
    if (request.method !== "POST" || request.url !== "/rotate") return answer(request, response);
    keys.unshift(key(WAYS[way], "second"));
    answer = serve();
    response.writeHead(204).end();
  });
  return issuer;
}

const started = await Promise.all(Object.keys(WAYS).map(async (way) => [way, await start(way)]));
console.log(JSON.stringify(Object.fromEntries(started)));
