//! `GET /docs` and the files that the page loads.

use std::sync::Arc;

use http::header;
use platform::config::ConfigError;
use platform::http::{Answer, Endpoint, Output, PathParameter, Rendered, Request};
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use utoipa_swagger_ui::Config;

/// The page. Its links are relative, so that it works under any base path.
const PAGE: &str = include_str!("page.html");

/// What starts Swagger UI; a file of its own, because the policy allows no inline script.
const INITIALIZER: &str = include_str!("initializer.js");

/// Scripts and requests of this origin alone. Swagger UI styles elements inline and draws `data:` images.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`.
pub struct Page;

/// A page for people.
pub struct Html(&'static str);

impl Output for Html {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(Rendered { content_type: "text/html; charset=utf-8", body: self.0.into() })
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::text("text/html")]
    }
}

impl Endpoint for Page {
    const ROUTE: Route = routes::DOCS;
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = Html;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<Html>, Problem> {
        let page = Html(PAGE);
        let reply = Reply::new(page).header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        Ok(Plan::reply(reply.header(header::CACHE_CONTROL, "public, max-age=300")))
    }
}

/// `GET /docs/{file}`.
pub struct Asset;

/// A file of the page.
pub struct File(Rendered);

impl Output for File {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(self.0)
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::text("text/css").or_text("text/javascript").or_text("image/png")]
    }
}

impl Endpoint for Asset {
    const ROUTE: Route = routes::DOCS_ASSET;
    const PATH: &'static [PathParameter] = &[PathParameter::one_of("file", "Name of the file.", FILES)];
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = File;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<File>, Problem> {
        let asset = asset(request.call.path_parameter("file")).ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(Reply::new(File(asset)).header(header::CACHE_CONTROL, "public, max-age=86400")))
    }
}

/// The files that the page names.
const FILES: &[&str] = &["swagger-ui.css", "swagger-ui-bundle.js", "initializer.js", "favicon-32x32.png"];

/// The files that the page names, and no others.
fn asset(file: &str) -> Option<Rendered> {
    let content_type = match file {
        "initializer.js" => return Some(Rendered { content_type: "text/javascript; charset=utf-8", body: INITIALIZER.into() }),
        "swagger-ui-bundle.js" => "text/javascript; charset=utf-8",
        "swagger-ui.css" => "text/css; charset=utf-8",
        "favicon-32x32.png" => "image/png",
        _ => return None,
    };
    let found = utoipa_swagger_ui::serve(file, Arc::new(Config::from("openapi.json"))).ok()??;
    Some(Rendered { content_type, body: found.bytes.into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_names_is_there_and_nothing_else() {
        let named: Vec<_> = PAGE.split("\"docs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(named.len(), 4);
        for file in named {
            assert!(asset(file).is_some_and(|asset| !asset.body.is_empty()), "{file}");
        }
        for file in ["", "index.html", "../secret", "swagger-ui.js"] {
            assert!(asset(file).is_none(), "{file}");
        }
    }

    #[test]
    fn the_page_has_no_inline_script_and_no_other_origin() {
        assert!(PAGE.split("<script").skip(1).all(|tag| tag.starts_with(" src=\"docs/")));
        assert!(!PAGE.contains("//") && !INITIALIZER.contains("http"));
    }
}
