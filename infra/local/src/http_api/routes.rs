//! Finds the route that answers a request.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::template::model::HttpRoute;

/// The routes of an API, the most specific first.
pub(super) struct Routes {
    routes: Vec<Route>,
    default: Option<HttpRoute>,
}

/// A route that matches, and the values of its path's variables.
pub(super) struct Match<'r> {
    pub route: &'r HttpRoute,
    pub path_parameters: BTreeMap<String, String>,
}

struct Route {
    /// `None` for `ANY`.
    method: Option<String>,
    segments: Vec<Segment>,
    target: HttpRoute,
}

/// Ordered by API Gateway's preference.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    /// `{id}`: one segment.
    Variable(String),
    /// `{proxy+}`: the rest of the path.
    Greedy(String),
}

impl Routes {
    pub(super) fn new(routes: Vec<HttpRoute>) -> Routes {
        let (default, routes): (Vec<_>, Vec<_>) =
            routes.into_iter().partition(|route| route.route_key == "$default");
        let mut routes: Vec<Route> = routes.into_iter().map(Route::new).collect();
        // A full match comes before a greedy one, a literal before a variable, a method before ANY.
        routes.sort_by(|a, b| {
            (a.is_greedy(), &a.segments, a.method.is_none()).cmp(&(
                b.is_greedy(),
                &b.segments,
                b.method.is_none(),
            ))
        });
        Routes { routes, default: default.into_iter().next() }
    }

    /// The route for a method and a path as the client sent it. `$default` if no other matches.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let special = self.routes.iter().find_map(|route| {
            let right_method = route.method.as_ref().is_none_or(|own| own == method.as_str());
            let path_parameters = if right_method { route.parameters(&segments) } else { None };
            Some(Match { route: &route.target, path_parameters: path_parameters? })
        });
        special.or_else(|| {
            Some(Match { route: self.default.as_ref()?, path_parameters: BTreeMap::new() })
        })
    }
}

impl Route {
    fn new(route: HttpRoute) -> Route {
        let (method, path) = route.route_key.split_once(' ').unwrap_or(("ANY", &route.route_key));
        let segment =
            |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Variable(name.to_owned()),
                },
                None => Segment::Literal(text.to_owned()),
            };
        Route {
            method: (method != "ANY").then(|| method.to_owned()),
            segments: path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect(),
            target: route,
        }
    }

    fn is_greedy(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Greedy(_)))
    }

    /// The values of the variables, if the path matches this route.
    fn parameters(&self, path: &[&str]) -> Option<BTreeMap<String, String>> {
        if path.len() < self.segments.len()
            || (path.len() > self.segments.len() && !self.is_greedy())
        {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let (name, value) = match segment {
                Segment::Literal(literal) if decode(path[index]) == *literal => continue,
                Segment::Literal(_) => return None,
                Segment::Variable(name) => (name, decode(path[index])),
                Segment::Greedy(name) => (name, decode(&path[index..].join("/"))),
            };
            if value.is_empty() {
                return None;
            }
            parameters.insert(name.clone(), value);
        }
        Some(parameters)
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::{HttpRoute, Routes};

    fn check(keys: &[&str], request: &str, expected: &str) {
        let routes = keys.iter().map(|key| HttpRoute {
            route_key: (*key).to_owned(),
            function: "F".to_owned(),
            timeout: Duration::from_secs(30),
        });
        let routes = Routes::new(routes.collect());
        let (method, path) = request.split_once(' ').unwrap();
        let found = routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), path);
        let actual = found.map_or("none".to_owned(), |found| {
            let parameters: Vec<String> = found
                .path_parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{} {}", found.route.route_key, parameters.join(" ")).trim_end().to_owned()
        });
        assert_eq!(actual, expected, "{request}");
    }

    #[test]
    fn the_most_specific_route_answers() {
        let routes = [
            "$default",
            "ANY /{all+}",
            "GET /pets/{proxy+}",
            "GET /pets/dog/{id}",
            "GET /pets/dog/1",
            "ANY /pets/dog/{id}",
        ];
        check(&routes, "GET /pets/dog/1", "GET /pets/dog/1");
        check(&routes, "GET /pets/dog/2", "GET /pets/dog/{id} id=2");
        check(&routes, "POST /pets/dog/2", "ANY /pets/dog/{id} id=2");
        check(&routes, "GET /pets/cat/1", "GET /pets/{proxy+} proxy=cat/1");
        check(&routes, "POST /pets/cat/1", "ANY /{all+} all=pets/cat/1");
        check(&routes, "GET /", "$default");
    }

    #[test]
    fn what_has_no_route_goes_to_default() {
        let routes = ["GET /users/{id}", "GET /health", "GET /", "$default"];
        for (request, expected) in [
            ("GET /", "GET /"),
            ("GET /health", "GET /health"),
            ("HEAD /health", "$default"),
            ("POST /health", "$default"),
            ("GET /health/", "$default"),
            ("GET //health", "$default"),
            ("GET /Health", "$default"),
            ("GET /users/", "$default"),
            ("GET /users/1/2", "$default"),
        ] {
            check(&routes, request, expected);
        }
        check(&["GET /health"], "POST /health", "none");
    }

    #[test]
    fn variables_are_decoded_and_keep_encoded_slashes_in_one_segment() {
        check(&["GET /users/{id}"], "GET /users/a%20b%23c", "GET /users/{id} id=a b#c");
        check(&["GET /users/{id}"], "GET /users/a%2Fb", "GET /users/{id} id=a/b");
        check(&["GET /users/{id}"], "GET /%75sers/1", "GET /users/{id} id=1");
    }
}
