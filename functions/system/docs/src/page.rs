//! `GET /docs`, `GET /redoc` and the files that these pages load.

use std::sync::Arc;

use http::header;
use platform::http::{Answer, Output, PathParameter, PlainEndpoint, Rendered};
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};
use utoipa_swagger_ui::Config;

/// Swagger UI. The links of a page are relative, so that it works under any base path.
const PAGE: &str = include_str!("page.html");

/// `ReDoc`.
const REDOC_PAGE: &str = include_str!("redoc.html");

/// `redoc.standalone.js` of the npm package `redoc` (MIT), compressed by gzip: 0.3 MB instead of
/// 1.1.
const REDOC: &[u8] = include_bytes!("../vendor/redoc.standalone.js.gz");

/// Allows scripts, styles and requests of this origin alone. Both pages style elements inline and
/// draw `data:` images.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
                           'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src \
                           'self'; base-uri 'none'; form-action \
                           'none'; frame-ancestors 'none'";

/// `ReDoc` also searches in a worker that it makes itself.
const REDOC_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
                            'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src \
                            'self'; worker-src blob:; base-uri 'none'; form-action 'none'; \
                            frame-ancestors 'none'";

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

/// `GET /docs`.
pub struct ReadDocs;

impl PlainEndpoint for ReadDocs {
    const ROUTE: Route = routes::DOCS;
    type Output = Html;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Html>, Problem> {
        Ok(page(PAGE, PAGE_POLICY))
    }
}

/// `GET /redoc`.
pub struct ReadRedoc;

impl PlainEndpoint for ReadRedoc {
    const ROUTE: Route = routes::REDOC;
    type Output = Html;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Html>, Problem> {
        Ok(page(REDOC_PAGE, REDOC_POLICY))
    }
}

fn page(html: &'static str, policy: &str) -> Reply<Html> {
    Reply::new(Html(html))
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::CACHE_CONTROL, "public, max-age=300")
}

/// `GET /docs/{file}`.
pub struct ReadDocsFile;

/// A file of a page.
pub struct File(Rendered);

impl Output for File {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(self.0)
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::text("text/css").or_text("text/javascript").or_text("image/png")]
    }
}

impl PlainEndpoint for ReadDocsFile {
    const ROUTE: Route = routes::DOCS_ASSET;
    const PATH: &'static [PathParameter] =
        &[PathParameter::one_of("file", "Name of the file.", FILES)];
    type Output = File;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<File>, Problem> {
        let asset = asset(call.path_parameter("file")).ok_or_else(Problem::not_found)?;
        let reply =
            Reply::new(File(asset.file)).header(header::CACHE_CONTROL, "public, max-age=86400");
        Ok(if asset.gzipped { reply.header(header::CONTENT_ENCODING, "gzip") } else { reply })
    }
}

/// The files that the pages name.
const FILES: &[&str] = &[
    "swagger-ui.css",
    "page.css",
    "swagger-ui-bundle.js",
    "fold-errors.js",
    "initializer.js",
    "sign-in.js",
    "redoc.css",
    "redoc.standalone.js",
    "redoc-initializer.js",
    "favicon-32x32.png",
];

/// A file of a page, and whether it is compressed.
struct Found {
    file: Rendered,
    gzipped: bool,
}

/// The files that the pages name, and no others.
fn asset(file: &str) -> Option<Found> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    let found = |content_type, body: &[u8], gzipped| {
        Some(Found { file: Rendered { content_type, body: body.into() }, gzipped })
    };
    let ours = |content_type, text: &str| found(content_type, text.as_bytes(), false);
    match file {
        "page.css" => ours(STYLE, include_str!("page.css")),
        "fold-errors.js" => ours(SCRIPT, include_str!("fold-errors.js")),
        "initializer.js" => ours(SCRIPT, include_str!("initializer.js")),
        "sign-in.js" => ours(SCRIPT, include_str!("sign-in.js")),
        "redoc.css" => ours(STYLE, include_str!("redoc.css")),
        "redoc-initializer.js" => ours(SCRIPT, include_str!("redoc-initializer.js")),
        "redoc.standalone.js" => found(SCRIPT, REDOC, true),
        "swagger-ui-bundle.js" => found(SCRIPT, &swagger_ui(file)?, false),
        "swagger-ui.css" => found(STYLE, &swagger_ui(file)?, false),
        "favicon-32x32.png" => found("image/png", &swagger_ui(file)?, false),
        _ => None,
    }
}

fn swagger_ui(file: &str) -> Option<Vec<u8>> {
    let found = utoipa_swagger_ui::serve(file, Arc::new(Config::from("openapi.json"))).ok()??;
    Some(found.bytes.into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The files that a page names.
    fn named(page: &'static str) -> impl Iterator<Item = &'static str> {
        page.split("\"docs/").skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_file_that_a_page_names_is_there_and_nothing_else() {
        let all: BTreeSet<_> = named(PAGE).chain(named(REDOC_PAGE)).collect();
        assert_eq!(all, FILES.iter().copied().collect());
        for file in all {
            assert!(asset(file).is_some_and(|asset| !asset.file.body.is_empty()), "{file}");
        }
        for file in ["", "index.html", "../secret", "swagger-ui.js"] {
            assert!(asset(file).is_none(), "{file}");
        }
    }

    #[test]
    fn no_page_has_an_inline_script_or_another_origin() {
        for page in [PAGE, REDOC_PAGE] {
            assert!(page.split("<script").skip(1).all(|tag| tag.starts_with(" src=\"docs/")));
            assert!(!page.contains("//"));
            let ours = named(page)
                .filter(|file| !file.starts_with("swagger-ui") && *file != "redoc.standalone.js");
            for file in ours.filter(|file| *file != "favicon-32x32.png") {
                let text = String::from_utf8(asset(file).unwrap().file.body).unwrap();
                assert!(!text.contains("http:") && !text.contains("https:"), "{file}");
            }
        }
    }
}
