//! A client of a running stack, local or remote.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::{Answer, openapi};

/// A client of the API at one URL.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    client: reqwest::Client,
}

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Username.
    pub username: String,
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
}

impl Client {
    /// A client of the API at this URL, which has no trailing slash. It follows no redirect: its
    /// answers are those of the API.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: unredirected().build().unwrap() }
    }

    /// A client that sends its requests from this address of the loopback range.
    #[must_use]
    pub fn from_address(&self, address: [u8; 4]) -> Self {
        let client = unredirected().local_address(IpAddr::from(address)).build().unwrap();
        Self { url: self.url.clone(), client }
    }

    /// The HTTP client, for requests to other addresses. Another one would read the system's
    /// certificates again.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.client
    }

    /// A request that the caller completes and sends.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request to another URL than the API's, such as a signed one.
    pub fn request_to(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request. The answer must match the document.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let method = request.method().clone();
        let path = request.url().path().to_owned();
        let answer = Answer::read(&path, self.client.execute(request).await.unwrap()).await;
        openapi::verify(method.as_str(), &answer);
        answer
    }

    /// GET by a caller, or without one.
    pub async fn get(&self, path: &str, caller: Option<&Caller>) -> Answer {
        self.send(authorized(self.request(Method::GET, path), caller)).await
    }

    /// POST of a JSON body by a caller, or without one.
    pub async fn post(&self, path: &str, caller: Option<&Caller>, body: &Value) -> Answer {
        self.send(authorized(self.request(Method::POST, path), caller).json(body)).await
    }

    /// Sends a JSON body by a caller with any method.
    pub async fn call(&self, method: Method, path: &str, caller: &Caller, body: &Value) -> Answer {
        self.send(authorized(self.request(method, path), Some(caller)).json(body)).await
    }

    /// DELETE by a caller, or without one.
    pub async fn delete(&self, path: &str, caller: Option<&Caller>) -> Answer {
        self.send(authorized(self.request(Method::DELETE, path), caller)).await
    }

    /// Signs in.
    pub async fn login(&self, username: &str, password: &str) -> Caller {
        let pair = self
            .post("/auth/login", None, &json!({"username": username, "password": password}))
            .await
            .expect(200);
        Caller {
            username: username.to_owned(),
            access: text(&pair["access_token"]),
            refresh: text(&pair["refresh_token"]),
        }
    }

    /// The seeded user.
    pub async fn demo(&self) -> Caller {
        self.login("demo", "SecureDemo123!").await
    }

    /// The seeded administrator and auditor.
    pub async fn admin(&self) -> Caller {
        self.login("admin", "SecureAdmin123!").await
    }

    /// A new account for this caller alone, signed in.
    pub async fn someone(&self) -> Caller {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let username = format!("someone_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let body = json!({
            "username": username, "email": format!("{username}@example.com"),
            "password": "Correct-Horse-9",
        });
        self.post("/auth/register", None, &body).await.expect(201);
        self.login(&username, "Correct-Horse-9").await
    }

    /// A new account with the role `editor`, signed in.
    pub async fn editor(&self) -> Caller {
        self.someone_with("editor").await
    }

    /// A new account with this role, signed in.
    pub async fn someone_with(&self, role: &str) -> Caller {
        let (caller, admin) = (self.someone().await, self.admin().await);
        let me = self.get("/auth/me", Some(&caller)).await.expect(200);
        let path = format!("/users/{}", id(&me["user"]));
        let roles = json!({"roles": [role]});
        self.call(Method::PATCH, &path, &admin, &roles).await.expect(200);
        caller
    }

    /// All items of a list, read by pages of at most so many.
    pub async fn pages(&self, path: &str, caller: &Caller, limit: usize) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit={limit}");
        let (mut items, mut next) = (Vec::new(), first.clone());
        loop {
            let page = self.get(&next, Some(caller)).await.expect(200);
            let part = page["items"].as_array().unwrap();
            assert!(part.len() <= limit, "{page}");
            items.extend(part.iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            next = format!("{first}&cursor={cursor}");
        }
    }

    /// Events of an action (or prefix), oldest first, as the auditor reads them.
    pub async fn events(&self, auditor: &Caller, action: &str) -> Vec<Value> {
        self.pages(&format!("/audit?action={action}&order=asc"), auditor, 100).await
    }
}

fn unredirected() -> reqwest::ClientBuilder {
    reqwest::Client::builder().redirect(Policy::none())
}

/// Adds a caller's `Authorization` header.
fn authorized(
    request: reqwest::RequestBuilder,
    caller: Option<&Caller>,
) -> reqwest::RequestBuilder {
    match caller {
        Some(caller) => request.bearer_auth(&caller.access),
        None => request,
    }
}

/// A string member of an answer.
#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// The `id` of an object.
#[track_caller]
pub fn id(value: &Value) -> String {
    text(&value["id"])
}
