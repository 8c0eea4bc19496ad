//! The attack table: every token that must be refused. Most are signed with the right key, so that
//! the rule in question refuses them and not the signature.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tally_tests::TestStack;

use super::forger::{Forger, encode, part, signed};
use super::{me, refresh, with};

/// An attacker's loot: a valid token, its ring's key, and those of the other kind.
struct Loot<'a> {
    token: &'a str,
    other_token: &'a str,
    text: &'a Value,
    own: Forger,
    other: Forger,
}

type Row = (String, String);

#[tokio::test]
async fn every_token_that_is_none_of_ours_is_refused_alike() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let access_ring = stack.secret("AccessRing").await;
    let refresh_ring = stack.secret("RefreshRing").await;
    let access = Forger::access(&access_ring["current"]);
    let renewal = Forger::refresh(&refresh_ring["current"]);
    let token = &caller.access;
    let other_token = &caller.refresh;
    let text = &access_ring["current"];
    let rows =
        Loot { token, other_token, text, own: access.clone(), other: renewal.clone() }.rows();
    assert!(rows.len() > 100, "{}", rows.len());
    for (what, token) in rows {
        let answer = me(&stack, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        answer.problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{what}");
    }
    let token = &caller.refresh;
    let other_token = &caller.access;
    let text = &refresh_ring["current"];
    for (what, token) in
        (Loot { token, other_token, text, own: renewal.clone(), other: access.clone() }).rows()
    {
        let answer = refresh(&stack, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        answer.problem(401, "invalid_refresh_token");
    }
    let nothing = stack.get("/auth/me", None).await;
    nothing.problem(401, "unauthenticated");
    assert_eq!(nothing.header("www-authenticate"), "Bearer");

    // A forged token that follows the rules is accepted, and none of the attacks has harmed the
    // session.
    me(&stack, &access.token(&part(&caller.access, 1))).await.expect(200);
    assert_eq!(stack.events(&stack.admin().await, "auth.refresh_reuse").await, Vec::<Value>::new());
    refresh(&stack, &caller.refresh).await.expect(200);
}

impl Loot<'_> {
    fn rows(&self) -> Vec<Row> {
        [self.algorithms(), self.headers(), self.claims(), self.shapes(), self.keys()].concat()
    }

    fn genuine(&self) -> Value {
        part(self.token, 1)
    }

    /// Signs the header correctly after it has changed these members and removed those that are
    /// null.
    fn header(&self, others: Value) -> String {
        let mut header = with(&self.own.header(), others);
        header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.own.sign(header.to_string(), self.genuine().to_string())
    }

    fn algorithms(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for alg in [
            "none", "None", "NONE", "nOnE", "hs256", "Hs256", "HS256 ", "", "HS384", "HS512",
            "RS256", "PS256", "ES256", "EdDSA",
        ] {
            let token = self.header(json!({"alg": alg}));
            rows.push((format!("alg {alg:?}, signed as HS256"), token.clone()));
            rows.push((
                format!("alg {alg:?}, not signed"),
                format!("{}.", token.rsplit_once('.').unwrap().0),
            ));
        }
        for alg in [Value::Null, json!(256), json!(["HS256"]), json!({"HS256": true})] {
            rows.push((format!("alg {alg}"), self.header(json!({"alg": alg}))));
        }
        for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            for alg in [name, "HS256"] {
                let header = with(&self.own.header(), json!({"alg": alg})).to_string();
                rows.push((
                    format!("alg {alg}, signed as {name}"),
                    signed(algorithm, &self.own.key, header, self.genuine().to_string()),
                ));
            }
        }
        rows
    }

    fn headers(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let typ = self.own.header()["typ"].as_str().unwrap().to_owned();
        let upper = typ.to_uppercase();
        let media_type = format!("application/{typ}");
        for typ in [
            json!("JWT"),
            self.other.header()["typ"].clone(),
            json!(upper),
            json!(media_type),
            json!(""),
            Value::Null,
            json!(1),
        ] {
            rows.push((format!("typ {typ}"), self.header(json!({"typ": typ}))));
        }
        let long = "k".repeat(1000);
        let kids = [
            "",
            "unknown",
            "../../dev/null",
            "/proc/self/environ",
            "' OR '1'='1' --",
            "x'; DROP TABLE users; --",
            "${kid}",
            "\0",
            &long,
        ];
        for kid in kids.map(Value::from).into_iter().chain([
            Value::Null,
            json!(0),
            json!([self.own.kid]),
            json!(self.other.kid),
        ]) {
            rows.push((format!("kid {kid:.40}"), self.header(json!({"kid": kid}))));
        }
        let jwk = json!({"kty": "oct", "k": encode([0; 32]), "kid": self.own.kid});
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("jwk", jwk.clone()),
            ("jku", json!("https://evil.example/keys.json")),
            ("x5u", json!("https://evil.example/chain.pem")),
            ("x5c", json!(["MIIB"])),
            ("zip", json!("DEF")),
            ("enc", json!("A128GCM")),
            ("cty", json!("JWT")),
            ("anything", json!("else")),
        ] {
            rows.push((format!("header member {name}"), self.header(json!({name: value}))));
        }
        let embedded = with(&self.own.header(), json!({"jwk": jwk}));
        rows.push((
            "signed with the key in its header".into(),
            signed(hmac::HMAC_SHA256, &[0; 32], embedded.to_string(), self.genuine().to_string()),
        ));
        let header = self.own.header().to_string();
        for (what, header) in [
            ("alg twice", header.replacen('{', r#"{"alg":"none","#, 1)),
            ("alg twice alike", header.replacen('{', r#"{"alg":"HS256","#, 1)),
            ("typ twice", header.replacen('{', r#"{"typ":"JWT","#, 1)),
            ("kid twice", header.replacen('{', r#"{"kid":"x","#, 1)),
            ("a header with an escape", header.replace("HS256", r"\u0048S256")),
            ("a header that is a list", format!("[{header}]")),
            ("a header that is two", format!("{header}{header}")),
            ("a header that is cut", header[..header.len() - 1].to_owned()),
            ("no header", String::new()),
        ] {
            rows.push((what.into(), self.own.sign(header, self.genuine().to_string())));
        }
        rows
    }

    fn claims(&self) -> Vec<Row> {
        let genuine = self.genuine();
        let mut rows = Vec::new();
        let mut signed = |what: String, payload: String| {
            rows.push((what, self.own.sign(self.own.header().to_string(), payload)));
        };
        let text = genuine.to_string();
        for (name, value) in genuine.as_object().unwrap() {
            let mut without = genuine.clone();
            without.as_object_mut().unwrap().remove(name);
            signed(format!("without {name}"), without.to_string());
            let wrong = if value.is_number() { json!(value.to_string()) } else { json!(1) };
            for wrong in [Value::Null, wrong, json!([value]), json!({"value": value}), json!(true)]
            {
                signed(
                    format!("{name}: {wrong}"),
                    with(&genuine, json!({name: wrong})).to_string(),
                );
            }
            for (twice, other) in [("alike", value.clone()), ("in two ways", json!("other"))] {
                signed(
                    format!("{name} twice, {twice}"),
                    text.replacen('{', &format!("{{\"{name}\":{other},"), 1),
                );
                signed(
                    format!("{name} twice {twice}, the other last"),
                    text.replace('}', &format!(",\"{name}\":{other}}}")),
                );
            }
        }
        let now = genuine["iat"].as_i64().unwrap();
        let other_kind = part(self.other_token, 1);
        for others in [
            json!({"iss": "other"}),
            json!({"iss": "Tally"}),
            json!({"iss": ""}),
            json!({"aud": "other"}),
            json!({"aud": other_kind["aud"]}),
            json!({"aud": [genuine["aud"], "other"]}),
            json!({"type": other_kind["type"]}),
            json!({"type": ""}),
            json!({"iat": now + 3600, "exp": now + 4500}),
            json!({"exp": now - 40}),
            json!({"exp": 0}),
            json!({"exp": -1}),
            json!({"exp": 1.9e9}),
            json!({"exp": 4_102_444_800.5}),
            json!({"iat": 1.5e9}),
        ] {
            signed(others.to_string(), with(&genuine, others.clone()).to_string());
        }
        for number in ["1e400", "99999999999999999999", "18446744073709551615", "0x7fffffff", "NaN"]
        {
            signed(
                format!("exp {number}"),
                with(&genuine, json!({"exp": "?"})).to_string().replace("\"?\"", number),
            );
        }
        for payload in ["", "null", "[]", "{}", "\"token\"", "1"] {
            signed(format!("payload {payload:?}"), payload.to_owned());
        }
        signed("a list of claims".into(), format!("[{text}]"));
        signed("claims and more".into(), format!("{text}{text}"));
        signed("claims that are cut".into(), text[..text.len() - 1].to_owned());
        signed("8 KB".into(), with(&genuine, json!({"padding": "a".repeat(6 * 1024)})).to_string());
        rows.push((
            "not UTF-8".into(),
            self.own.sign(
                self.own.header().to_string(),
                text.replace("tally", "t\u{0}lly")
                    .into_bytes()
                    .iter()
                    .map(|byte| if *byte == 0 { 0xff } else { *byte })
                    .collect::<Vec<_>>(),
            ),
        ));
        rows
    }

    fn shapes(&self) -> Vec<Row> {
        let token = self.token;
        let parts: Vec<_> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("{token}") };
        let flip = |text: &str, place: usize| {
            let replaced = if &text[place..=place] == "A" { "B" } else { "A" };
            format!("{}{replaced}{}", &text[..place], &text[place + 1..])
        };
        // The last of 43 characters holds four bits of 32 bytes: the other two must be zero.
        let last = signature.chars().last().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let padded = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
        let other_payload = self.other_token.split('.').nth(1).unwrap();
        let rows = [
            ("not signed", format!("{header}.{payload}.")),
            ("no third part", format!("{header}.{payload}")),
            ("a header alone", header.to_owned()),
            ("dots", "..".to_owned()),
            ("no header", format!(".{payload}.{signature}")),
            ("no payload", format!("{header}..{signature}")),
            ("a signature cut by one", token[..token.len() - 1].to_owned()),
            ("a signature cut in half", token[..token.len() - 22].to_owned()),
            ("a signature with one more", format!("{token}A")),
            ("a bit of the signature", format!("{header}.{payload}.{}", flip(signature, 0))),
            ("bits that say nothing", format!("{}{padded}", &token[..token.len() - 1])),
            ("a character of the payload", format!("{header}.{}.{signature}", flip(payload, 20))),
            ("another token's payload", format!("{header}.{other_payload}.{signature}")),
            (
                "another token's signature",
                format!("{header}.{payload}.{}", self.other_token.rsplit_once('.').unwrap().1),
            ),
            ("parts the wrong way round", format!("{payload}.{header}.{signature}")),
            ("a dot at the end", format!("{token}.")),
            ("a dot at the beginning", format!(".{token}")),
            ("a fourth part", format!("{token}.AAAA")),
            ("five parts, as of a JWE", format!("{header}.AAAA.AAAA.{payload}.{signature}")),
            ("padding", format!("{token}=")),
            ("the standard alphabet", format!("{header}.{payload}.{}", "+/".repeat(21) + "A")),
            ("no base64", format!("{header}.{payload}.{}", "!".repeat(43))),
            ("percent encoding", token.replace('.', "%2E")),
            ("a space inside", format!("{header}. {payload}.{signature}")),
            ("twice", format!("{token}.{token}")),
            ("two with a comma", format!("{token}, {token}")),
            ("nonsense", "nonsense".to_owned()),
            ("an API key's form", "tly_0_secret".to_owned()),
            ("8 KB of nonsense", "a".repeat(8 * 1024)),
            ("8 KB of dots", ".".repeat(8 * 1024)),
            ("8 KB of signature", format!("{token}{}", "A".repeat(8 * 1024))),
        ];
        rows.map(|(what, token)| (what.to_owned(), token)).to_vec()
    }

    fn keys(&self) -> Vec<Row> {
        let header = self.own.header().to_string();
        let claims = self.genuine().to_string();
        let signed = |key: &[u8]| signed(hmac::HMAC_SHA256, key, &header, &claims);
        let rows = [
            ("the token of the other kind", self.other_token.to_owned()),
            ("signed by the other ring", self.other.sign(self.other.header().to_string(), &claims)),
            ("signed by the other ring under this one's key id", signed(&self.other.key)),
            ("this kind's claims and type, the other ring", {
                let header = with(&self.own.header(), json!({"kid": self.other.kid}));
                self.other.sign(header.to_string(), &claims)
            }),
            (
                "the other kind's claims, signed by this ring",
                self.own.token(&part(self.other_token, 1)),
            ),
            ("the secret's text for a key", signed(self.text.as_str().unwrap().as_bytes())),
            ("the key id for a key", signed(self.own.kid.as_bytes())),
            ("no key", signed(b"")),
            ("a key that is easy to guess", signed(b"secret")),
        ];
        rows.map(|(what, token)| (what.to_owned(), token)).to_vec()
    }
}
