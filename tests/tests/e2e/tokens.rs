//! Tokens that must not be taken, each signed with what an attacker could have.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use platform::tokens::{AccessClaims, Ring};
use serde_json::{Value, json};
use tally_local::aws::State;
use tally_tests::{Caller, World};

fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
}

async fn me(world: &World, access: &str) -> tally_tests::Answer {
    let caller = Caller { username: String::new(), access: access.to_owned(), refresh: String::new() };
    world.get("/auth/me", Some(&caller)).await
}

#[tokio::test]
async fn a_token_that_is_not_an_access_token_of_ours_is_refused() {
    let world = World::start().await;
    let caller = world.demo().await;
    let genuine = claims(&caller.access);
    let parts: Vec<_> = caller.access.split('.').collect();
    let forged = |header: Header| encode(&header, &genuine, &EncodingKey::from_secret(b"secret")).unwrap();
    let header = || Header { typ: Some("at+jwt".into()), kid: Some("k".into()), ..Header::new(Algorithm::HS256) };
    for (what, token) in [
        ("a refresh token", caller.refresh.clone()),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a cut signature", caller.access[..caller.access.len() - 2].to_owned()),
        ("another's payload", format!("{}.{}.{}", parts[0], caller.refresh.split('.').nth(1).unwrap(), parts[2])),
        ("an unknown key", forged(header())),
        ("a key id that is a path", forged(Header { kid: Some("../../dev/null".into()), ..header() })),
        ("no key id", forged(Header { kid: None, ..header() })),
        ("another type", forged(Header { typ: Some("JWT".into()), ..header() })),
        (
            "another algorithm",
            encode(&Header { alg: Algorithm::HS512, ..header() }, &genuine, &EncodingKey::from_secret(b"secret")).unwrap(),
        ),
        ("alg none", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.".to_owned()),
        ("nonsense", "nonsense".to_owned()),
        ("8 KB", "a".repeat(8 * 1024)),
    ] {
        let answer = me(&world, &token).await;
        assert_eq!(answer.status, 401, "{what}");
        answer.problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{what}");
    }
    let answer = world.get("/auth/me", None).await;
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let spent = world.post("/auth/refresh", None, &json!({"refresh_token": caller.access})).await;
    spent.problem(401, "invalid_refresh_token");
    me(&world, &caller.access).await.expect(200);
}

#[tokio::test]
async fn claims_say_what_the_contract_says() {
    let world = World::start().await;
    let caller = world.demo().await;
    let (access, refresh) = (claims(&caller.access), claims(&caller.refresh));
    assert_eq!((&access["aud"], &access["type"], &access["username"]), (&json!("tally-api"), &json!("access"), &json!("demo")));
    assert_eq!((&refresh["aud"], &refresh["type"]), (&json!("tally-refresh"), &json!("refresh")));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 900);
    assert_eq!(refresh["exp"].as_i64().unwrap() - refresh["iat"].as_i64().unwrap(), 86_400);
    assert_eq!(jsonwebtoken::decode_header(&caller.access).unwrap().typ.as_deref(), Some("at+jwt"));
    assert_eq!(jsonwebtoken::decode_header(&caller.refresh).unwrap().typ.as_deref(), Some("rt+jwt"));
    assert_eq!(access["sid"], refresh["sid"]);
}

#[tokio::test]
async fn a_token_outside_its_times_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let world = World::of(|options| options.state = State::Directory(state.path().to_owned())).await;
    let caller = world.demo().await;
    let genuine: AccessClaims = serde_json::from_value(claims(&caller.access)).unwrap();
    // Signed with the stack's own key, as the stack itself would have signed it at another time.
    let secrets: Value = serde_json::from_str(&std::fs::read_to_string(state.path().join("secrets.json")).unwrap()).unwrap();
    let ring = |name: &str| serde_json::from_value(secret(&secrets, name)).unwrap();
    let (access_ring, refresh_ring) = (Ring::access(&ring("AccessRing")).unwrap(), Ring::refresh(&ring("RefreshRing")).unwrap());
    let at = |ring: &Ring, iat: i64, exp: i64| ring.sign(&AccessClaims { iat, exp, ..genuine.clone() }, ring.current_kid()).unwrap();
    let now = genuine.iat;
    me(&world, &at(&access_ring, now, now + 900)).await.expect(200);
    me(&world, &at(&access_ring, now - 900, now - 10)).await.expect(200);
    for (what, token) in [
        ("expired", at(&access_ring, now - 900, now - 31)),
        ("issued in the future", at(&access_ring, now + 3600, now + 4500)),
        ("signed by the other ring", at(&refresh_ring, now, now + 900)),
        ("another issuer", access_ring.sign(&AccessClaims { iss: "other".into(), ..genuine.clone() }, access_ring.current_kid()).unwrap()),
        (
            "another audience",
            access_ring.sign(&AccessClaims { aud: "other".into(), ..genuine.clone() }, access_ring.current_kid()).unwrap(),
        ),
        ("another kind", access_ring.sign(&AccessClaims { kind: "refresh".into(), ..genuine.clone() }, access_ring.current_kid()).unwrap()),
    ] {
        let answer = me(&world, &token).await;
        assert_eq!(answer.status, 401, "{what}");
        answer.problem(401, "invalid_token");
    }
}

/// The content of the secret with this logical id, as the state directory keeps it.
fn secret(state: &Value, name: &str) -> Value {
    let members = state.as_object().unwrap();
    let (_, found) = members.iter().find(|(key, _)| key.contains(name)).unwrap_or_else(|| panic!("{name} is not in {:?}", members.keys()));
    serde_json::from_str(found["secret_string"].as_str().unwrap()).unwrap()
}
