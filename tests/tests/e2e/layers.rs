//! The order of the platform's modules.

use std::collections::BTreeSet;
use std::fs;

use tally_tests::root;

use crate::rules::files;

/// The modules of the platform. Each uses only those above it.
const ORDER: &[&str] = &[
    // These use no others.
    "ids",
    "backoff",
    "config",
    "logging",
    "clock",
    "context",
    "api_key",
    // Refusals of requests, and the meaning of fields.
    "problem",
    "failure",
    "input",
    "domain",
    "identity",
    "limits",
    "audit",
    // AWS and the tables.
    "aws",
    "secrets",
    "store",
    "plan",
    "platform",
    "runtime",
    "worker",
    "mail",
    "tokens",
    "seal",
    "causes",
    // The path of a request or message.
    "request",
    "routes",
    "idempotency",
    "gate",
    "http",
    "socket",
    "cursor",
    // The steps of the areas.
    "charts",
    "spending",
    "chat",
    "sessions",
];

/// A file without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_of_the_platform_use_those_above_them_alone() {
    let source = root().join("shared/platform/src");
    let (mut known, mut wrong) = (BTreeSet::new(), Vec::new());
    for file in files(&source, ".rs") {
        let name = file.strip_prefix(&source).unwrap().with_extension("");
        let module = name.iter().next().unwrap().to_str().unwrap();
        if module == "lib" {
            continue;
        }
        let place = |module: &str| ORDER.iter().position(|known| *known == module);
        let own = place(module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        known.insert(module.to_owned());
        let code = code(&fs::read_to_string(&file).unwrap());
        let names = code.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
        // A name that is not a module comes from the crate's root.
        let used = names.filter_map(place);
        wrong.extend(used.filter(|used| *used > own).map(|used| format!("{} uses {}", name.display(), ORDER[used])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(known.len(), ORDER.len(), "the order has a module that is not there");
}
