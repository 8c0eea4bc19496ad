//! `$default`: answers requests that no other route takes with our own 405 (the path exists) or
//! 404.

use platform::http::{Plain, PlainEndpoint};
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, ROUTES, Route};
use platform::{ConfigError, Platform, Problem};

/// The endpoints of this function.
pub type Endpoints = Plain<(Fallback,)>;

/// The endpoint.
pub struct Fallback;

impl PlainEndpoint for Fallback {
    const ROUTE: Route = routes::FALLBACK;
    type Output = ();

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<()>, Problem> {
        Err(judge(&call.path))
    }
}

/// 405 with the methods that the path has, or 404.
fn judge(path: &str) -> Problem {
    let methods: Vec<_> = ROUTES
        .iter()
        .filter(|route| routes::matches(route, path))
        .map(|route| route.method)
        .collect();
    if methods.is_empty() {
        Problem::no_route()
    } else {
        Problem::method_not_allowed(&methods.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_known_path_is_405_and_any_other_404() {
        for (path, status) in
            [("/health", 405), ("/health/", 404), ("/", 405), ("/nope", 404), ("", 404)]
        {
            assert_eq!(judge(path).status.as_u16(), status, "{path}");
        }
    }
}
