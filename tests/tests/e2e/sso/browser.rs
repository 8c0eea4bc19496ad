//! Sign-ins in a browser: from a page to the provider, back to the page, and from there into a
//! session.

use std::collections::BTreeMap;

use http::Method;
use http::header::{COOKIE, SET_COOKIE};
use platform::clock::{Clock, Timestamp};
use platform::ids;
use platform::seal::SealKey;
use reqwest::Url;
use serde_json::{Value, json};
use tally_sso::flow::{Flow, PURPOSE};
use tally_tests::fake_tenant::{FakeTenant, Fault, PAGE, Person};
use tally_tests::{Answer, TestStack};

use super::{all_is_well, caller_of, me, readiness, sign_ins_fail};

const BEGIN: &str = "/auth/sso/authorize";
const CALLBACK: &str = "/auth/sso/callback";

/// A browser. It keeps cookies.
pub struct Browser<'s> {
    stack: &'s TestStack,
    cookies: BTreeMap<String, String>,
}

/// A page that begins sign-ins.
pub struct Page {
    verifier: String,
}

impl Page {
    /// A page with a verifier of its own.
    pub fn new() -> Self {
        Self { verifier: ids::new_secret::<32>() }
    }

    fn challenge(&self) -> String {
        ids::sha256(&self.verifier)
    }

    /// The path that begins its sign-in, with more parameters.
    pub fn path(&self, more: &[(&str, &str)]) -> String {
        self.path_to(PAGE, more)
    }

    fn path_to(&self, return_to: &str, more: &[(&str, &str)]) -> String {
        let challenge = self.challenge();
        let own = [("return_to", return_to), ("code_challenge", &challenge)];
        with_query(BEGIN, own.iter().chain(more))
    }

    /// The body by which it takes a sign-in.
    fn body(&self, code: &str) -> Value {
        json!({"code": code, "code_verifier": self.verifier})
    }

    /// Sends the code that it has got.
    async fn redeem(&self, stack: &TestStack, code: &str) -> Answer {
        stack.post("/auth/sso", None, &self.body(code)).await
    }
}

impl<'s> Browser<'s> {
    /// A browser without cookies.
    pub fn new(stack: &'s TestStack) -> Self {
        Self { stack, cookies: BTreeMap::new() }
    }

    /// Opens a path with the cookies, and keeps those of the answer.
    pub async fn open(&mut self, path: &str) -> Answer {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = self.stack.request(Method::GET, path).header(COOKIE, cookies);
        let answer = self.stack.send(request).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.starts_with("Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age="));
            if attributes.ends_with("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        // It would cut the page off from the window that it has opened.
        assert!(!answer.headers.contains_key("cross-origin-opener-policy"), "{answer:?}");
        answer
    }

    /// Begins a sign-in. Returns the provider's URL.
    async fn begin(&mut self, page: &Page) -> String {
        let answer = self.open(&page.path(&[])).await;
        answer.expect(302);
        answer.header("location").to_owned()
    }

    /// Returns from the provider. Gives what the page finds in its fragment.
    async fn end(&mut self, callback: &str) -> BTreeMap<String, String> {
        let answer = self.open(self.path_of(callback)).await;
        answer.expect(302);
        let (page, fragment) = answer.header("location").split_once('#').unwrap();
        assert_eq!(page, PAGE);
        pairs(fragment)
    }

    /// A whole sign-in, up to what the page finds.
    pub async fn sign_in(
        &mut self,
        tenant: &FakeTenant,
        person: &Person,
        page: &Page,
    ) -> BTreeMap<String, String> {
        let location = self.begin(page).await;
        let callback = tenant.authorize(&location, person).await;
        self.end(&callback).await
    }

    /// The return of a user who has cancelled the sign-in that this URL of the provider began.
    pub async fn cancel(&mut self, location: &str) -> Answer {
        let (_, query) = location.split_once('?').unwrap();
        let asked = pairs(query);
        let parameters = [("state", asked["state"].as_str()), ("error", "access_denied")];
        self.open(&with_query(CALLBACK, parameters.iter())).await
    }

    fn path_of<'u>(&self, callback: &'u str) -> &'u str {
        callback.strip_prefix(self.stack.local.url()).unwrap()
    }
}

fn with_query<'p>(path: &str, parameters: impl Iterator<Item = &'p (&'p str, &'p str)>) -> String {
    let url = Url::parse_with_params("http://localhost", parameters).unwrap();
    format!("{path}?{}", url.query().unwrap_or_default())
}

/// The pairs of a query or a fragment, each name once.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let url = Url::parse(&format!("http://localhost?{text}")).unwrap();
    let all: Vec<_> = url.query_pairs().into_owned().collect();
    let pairs: BTreeMap<_, _> = all.iter().cloned().collect();
    assert_eq!(pairs.len(), all.len(), "{text}");
    pairs
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Signs a person in with a browser. Gives the body by which the page takes the sign-in.
pub async fn code_of(stack: &TestStack, tenant: &FakeTenant, person: &Person) -> Value {
    let page = Page::new();
    let mut found = Browser::new(stack).sign_in(tenant, person, &page).await;
    let code = found.remove("code").unwrap_or_else(|| panic!("{found:?}"));
    page.body(&code)
}

/// The events of sign-ins that the request of this answer has left.
async fn events(stack: &TestStack, answer: &Answer) -> Vec<Value> {
    let admin = stack.admin().await;
    let path = format!("/audit?action=auth.login&request_id={}", answer.header("x-request-id"));
    let page = stack.get(&path, Some(&admin)).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

/// The one event of these.
async fn event(stack: &TestStack, answer: &Answer) -> Value {
    let mut events = events(stack, answer).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[tokio::test]
async fn a_page_gets_a_code_and_a_session_for_it() {
    for (tenant, name) in [(FakeTenant::start(), "anna"), (FakeTenant::oidc(), "bert")] {
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let mut browser = Browser::new(&stack);
        let (person, page) = (Person::new(name), Page::new());

        let hint = [("login_hint", person.upn.as_str()), ("prompt", "login")];
        let begun = browser.open(&page.path(&hint)).await;
        begun.expect(302);
        let (endpoint, query) = begun.header("location").split_once('?').unwrap();
        assert!(endpoint.starts_with(&tenant.url), "{endpoint}");
        let asked = pairs(query);
        let callback = format!("{}{CALLBACK}", stack.local.url());
        for (name, value) in [
            ("response_type", "code"),
            ("response_mode", "query"),
            ("code_challenge_method", "S256"),
            ("scope", "openid profile email"),
            ("redirect_uri", &callback),
            ("login_hint", &person.upn),
            ("prompt", "login"),
        ] {
            assert_eq!(asked[name], value, "{name}");
        }
        assert_ne!(asked["code_challenge"], page.challenge(), "the page's is for our own code");
        assert_eq!(browser.cookies.len(), 1);

        let callback = tenant.authorize(begun.header("location"), &person).await;
        let answer = browser.open(browser.path_of(&callback)).await;
        answer.expect(302);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(browser.cookies.is_empty());
        assert!(events(&stack, &answer).await.is_empty());
        let (to, fragment) = answer.header("location").split_once('#').unwrap();
        let found = pairs(fragment);
        assert_eq!((to, found.len(), found["code"].len()), (PAGE, 1, 43));
        let stored = stack.items("SsoHandoffsTable").await;
        assert_eq!(stored.len(), 1);
        assert!(!stored[0].to_string().contains(&found["code"]), "{stored:?}");

        let answer = page.redeem(&stack, &found["code"]).await;
        let user = me(&stack, &caller_of(&answer.expect(200))).await;
        assert_eq!((&user["username"], &user["sign_in"]), (&json!(name), &json!("sso")));
        assert_eq!(event(&stack, &answer).await["outcome"], "success");
        assert!(stack.items("SsoHandoffsTable").await.is_empty());
    }
}

#[tokio::test]
async fn a_code_is_for_its_page_and_for_a_minute() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    let (person, page) = (Person::new("anna"), Page::new());
    let code = browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
    for (code, verifier) in [
        (code.as_str(), Page::new().verifier.as_str()),
        (&code, &page.challenge()),
        (&page.verifier, &page.verifier),
    ] {
        let page = Page { verifier: verifier.to_owned() };
        page.redeem(&stack, code).await.problem(401, "invalid_sso_code");
    }

    let mut item = stack.items("SsoHandoffsTable").await.remove(0);
    let expires_at: i64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    let now = Clock::System.now().as_second();
    assert!((50..=60).contains(&(expires_at - now)), "{expires_at} {now}");
    item["expires_at"] = json!({"N": now.to_string()});
    stack.put_item("SsoHandoffsTable", &item).await;
    page.redeem(&stack, &code).await.problem(401, "invalid_sso_code");
}

#[tokio::test]
async fn a_state_is_for_its_browser_once() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let (person, page) = (Person::new("anna"), Page::new());
    let mut own = Browser::new(&stack);
    let location = own.begin(&page).await;
    let callback = tenant.authorize(&location, &person).await;
    let path = own.path_of(&callback);

    // Another browser has no sign-in, or another one.
    let mut other = Browser::new(&stack);
    let refused = other.open(path).await;
    refused.problem(400, "malformed_request");
    let event = event(&stack, &refused).await;
    assert_eq!(
        (&event["outcome"], &event["detail"]["reason"]),
        (&json!("failure"), &json!("state"))
    );
    other.begin(&page).await;
    other.open(path).await.problem(400, "malformed_request");
    assert_eq!(other.cookies.len(), 1, "its own sign-in goes on");
    for path in [CALLBACK.to_owned(), path.replace("state=0.", "state=1."), format!("{path}x")] {
        own.open(&path).await.problem(400, "malformed_request");
    }

    let kept = own.cookies.clone();
    assert!(own.end(&callback).await.contains_key("code"));
    own.open(path).await.problem(400, "malformed_request");
    // A browser that has kept the cookie gets no second code, because the provider gives none.
    own.cookies = kept;
    let fragment = own.end(&callback).await;
    assert_eq!(fragment, expected(&[("error", "invalid_grant"), ("error_code", "AADSTS54005")]));
}

#[tokio::test]
async fn a_sign_in_has_ten_minutes() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let secret = stack.secret("SealSecret").await;
    let key = SealKey::derive(secret["current"].as_str().unwrap(), PURPOSE).unwrap();
    let now = Clock::System.now().as_second();
    for (second, is_known) in [(now, true), (now - 601, false)] {
        let began = Timestamp::from_second(second).unwrap();
        let flow = Flow::begin(3, PAGE.into(), Page::new().challenge(), began);
        let cookie = flow.cookie(&key).unwrap();
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let mut browser = Browser::new(&stack);
        browser.cookies.insert(name.to_owned(), value.to_owned());
        let parameters = [("state", flow.state.as_str()), ("error", "access_denied")];
        let answer = browser.open(&with_query(CALLBACK, parameters.iter())).await;
        if is_known {
            answer.expect(302);
            assert_eq!(answer.header("location"), format!("{PAGE}#error=access_denied"));
        } else {
            answer.problem(400, "malformed_request");
        }
    }
}

#[tokio::test]
async fn tabs_sign_in_beside_each_other_and_the_sixth_takes_the_place_of_the_first() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    let people: Vec<_> =
        ["ada", "bea", "cy", "dee", "eva", "fay"].into_iter().map(Person::new).collect();
    let mut tabs = Vec::new();
    for person in &people {
        let page = Page::new();
        let location = browser.begin(&page).await;
        tabs.push((page, tenant.authorize(&location, person).await, person));
    }
    assert_eq!(browser.cookies.len(), 5);
    let (_, first, _) = tabs.remove(0);
    browser.open(browser.path_of(&first)).await.problem(400, "malformed_request");
    // Each ends by itself, the last first.
    for (page, callback, person) in tabs.iter().rev() {
        let code = browser.end(callback).await.remove("code").unwrap();
        let pair = page.redeem(&stack, &code).await.expect(200);
        assert_eq!(me(&stack, &caller_of(&pair)).await["full_name"], person.name);
    }
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_page_is_told_the_number_of_an_error_and_no_description() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    tenant.fault(Fault::Deny("AADSTS50105"));
    let location = browser.begin(&Page::new()).await;
    let callback = tenant.authorize(&location, &Person::new("anna")).await;
    assert!(callback.contains("error_description="), "{callback}");
    let answer = browser.open(browser.path_of(&callback)).await;
    answer.expect(302);
    let told = format!("{PAGE}#error=access_denied&error_code=AADSTS50105");
    assert_eq!(answer.header("location"), told);
    assert!(browser.cookies.is_empty());
    let event = event(&stack, &answer).await;
    assert_eq!(event["outcome"], "failure");
    let detail = json!({"method": "sso", "reason": "access_denied", "error_code": "AADSTS50105"});
    assert_eq!(event["detail"], detail);
    assert!(stack.items("SsoHandoffsTable").await.is_empty());
}

#[tokio::test]
async fn answers_and_tokens_of_another_provider_or_sign_in_are_refused() {
    for (tenant, fault, reason) in [
        (FakeTenant::oidc(), Fault::WrongIss, "issuer"),
        (FakeTenant::oidc(), Fault::NoIss, "issuer"),
        (FakeTenant::oidc(), Fault::WrongNonce, "nonce"),
        (FakeTenant::start(), Fault::WrongNonce, "nonce"),
    ] {
        let stack = TestStack::with_sso(&tenant, &[]).await;
        let mut browser = Browser::new(&stack);
        tenant.fault(fault);
        let person = Person::new("anna");
        let fragment = browser.sign_in(&tenant, &person, &Page::new()).await;
        let told = expected(&[("error", "invalid_sso_token"), ("reason", reason)]);
        assert_eq!(fragment, told, "{fault:?}");
        assert!(browser.cookies.is_empty());
        tenant.heal();
        let page = Page::new();
        let code = browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
        page.redeem(&stack, &code).await.expect(200);
    }
}

#[tokio::test]
async fn a_credential_that_the_provider_refuses_is_the_operators() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    let person = Person::new("anna");
    assert_eq!(readiness(&stack).await, all_is_well());
    tenant.fault(Fault::Refuse("AADSTS7000222"));
    let fragment = browser.sign_in(&tenant, &person, &Page::new()).await;
    assert_eq!(fragment, expected(&[("error", "unavailable")]));
    assert!(browser.cookies.is_empty());
    assert_eq!(readiness(&stack).await, sign_ins_fail());

    tenant.heal();
    let page = Page::new();
    let code = browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
    page.redeem(&stack, &code).await.expect(200);
    assert_eq!(readiness(&stack).await, all_is_well());

    // A code that the provider refuses says nothing about the credential.
    let location = browser.begin(&page).await;
    let asked = pairs(location.split_once('?').unwrap().1);
    let parameters = [("state", asked["state"].as_str()), ("code", "made-up")];
    let path = with_query(CALLBACK, parameters.iter());
    let fragment = browser.end(&format!("{}{path}", stack.local.url())).await;
    assert_eq!(fragment, expected(&[("error", "invalid_grant"), ("error_code", "AADSTS70000")]));
    assert_eq!(readiness(&stack).await, all_is_well());
}

#[tokio::test]
async fn a_replaced_credential_is_taken_at_once() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    let person = Person::new("anna");
    // The function keeps the wrong credential, of which the provider has not said anything yet.
    stack.set_sso_credential(&json!({"client_secret": "the-secret-of-another-client"})).await;
    let location = browser.begin(&Page::new()).await;
    let callback = tenant.authorize(&location, &person).await;
    tenant.fault(Fault::Refuse("AADSTS70008"));
    assert_eq!(browser.end(&callback).await["error"], "invalid_grant");
    tenant.heal();
    stack.set_sso_credential(&tenant.credential()).await;
    let page = Page::new();
    let code = browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
    page.redeem(&stack, &code).await.expect(200);
}

#[tokio::test]
async fn a_certificate_proves_the_client() {
    for tenant in [FakeTenant::start(), FakeTenant::oidc()] {
        let stack = TestStack::with_sso(&tenant, &[]).await;
        stack.set_sso_credential(&tenant.certificate_credential()).await;
        let mut browser = Browser::new(&stack);
        for name in ["anna", "bert"] {
            let page = Page::new();
            let mut found = browser.sign_in(&tenant, &Person::new(name), &page).await;
            let code = found.remove("code").unwrap_or_else(|| panic!("{found:?}"));
            page.redeem(&stack, &code).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_an_outage() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[]).await;
    let mut browser = Browser::new(&stack);
    let (person, page) = (Person::new("anna"), Page::new());
    // After this the function knows the provider's metadata and keys.
    browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
    for fault in [Fault::Status(500), Fault::Garbage, Fault::Redirect, Fault::Hang] {
        let location = browser.begin(&page).await;
        let callback = tenant.authorize(&location, &person).await;
        tenant.fault(fault);
        let fragment = browser.end(&callback).await;
        assert_eq!(fragment, expected(&[("error", "unavailable")]), "{fault:?}");
        tenant.heal();
    }
    browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();

    // Without metadata, a sign-in does not begin.
    let stack = TestStack::with_sso(&tenant, &[]).await;
    tenant.fault(Fault::Status(500));
    let answer = Browser::new(&stack).open(&page.path(&[])).await;
    answer.problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn roles_beyond_user_need_the_stronger_sign_in_of_the_deployment() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoAdminAuthContext", "c1")]).await;
    let mut browser = Browser::new(&stack);
    let (person, page) = (Person::new("anna").with_roles(&["Tally.Admin"]), Page::new());
    let code = browser.sign_in(&tenant, &person, &page).await.remove("code").unwrap();
    page.redeem(&stack, &code).await.problem(401, "step_up_required");

    let begun = browser.open(&page.path(&[("step_up", "true")])).await;
    begun.expect(302);
    let callback = tenant.authorize(begun.header("location"), &person).await;
    let code = browser.end(&callback).await.remove("code").unwrap();
    let pair = page.redeem(&stack, &code).await.expect(200);
    let user = me(&stack, &caller_of(&pair)).await;
    assert_eq!(user["roles"], json!(["user", "admin"]));
}

#[tokio::test]
async fn a_browser_returns_to_listed_pages_alone() {
    let tenant = FakeTenant::start();
    let own = "https://app.example.com/auth?from=tally";
    let listed = format!("{PAGE},{own}");
    let stack = TestStack::with_sso(&tenant, &[("SsoReturnUrls", &listed)]).await;
    let mut browser = Browser::new(&stack);
    let page = Page::new();
    for other in [
        "https://localhost:3000/auth.html?x",
        "https://localhost:3000/auth.html#",
        "https://localhost:3000",
        "https://LOCALHOST:3000/auth.html",
        "https://evil.example/auth.html",
        "//localhost:3000/auth.html",
        &listed,
        "",
    ] {
        browser.open(&page.path_to(other, &[])).await.invalid(&["return_to"]);
    }
    browser.open(BEGIN).await.invalid(&["return_to", "code_challenge"]);
    browser.open(&page.path(&[("prompt", "none"), ("x", "1")])).await.invalid(&["prompt", "x"]);
    assert!(browser.cookies.is_empty());

    let begun = browser.open(&page.path_to(own, &[])).await;
    begun.expect(302);
    let callback = tenant.authorize(begun.header("location"), &Person::new("anna")).await;
    let answer = browser.open(browser.path_of(&callback)).await;
    answer.expect(302);
    let (to, fragment) = answer.header("location").split_once('#').unwrap();
    assert_eq!(to, own);
    page.redeem(&stack, &pairs(fragment)["code"]).await.expect(200);
}

#[tokio::test]
async fn without_pages_or_single_sign_on_there_is_no_sign_in_in_a_browser() {
    let tenant = FakeTenant::start();
    for stack in
        [TestStack::with_sso(&tenant, &[("SsoReturnUrls", "")]).await, TestStack::start().await]
    {
        let mut browser = Browser::new(&stack);
        for path in [Page::new().path(&[]), BEGIN.to_owned(), CALLBACK.to_owned()] {
            browser.open(&path).await.problem(404, "not_found");
        }
    }
}
