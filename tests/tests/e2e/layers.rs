//! The order of modules and files: each module uses only those above it in the list, and no files
//! use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tally_tests::root;

use crate::rules::files;

/// The crates that functions share, and the modules of each. A module uses only those above it in
/// the list.
const ORDER: &[(&str, &[&str])] = &[
    (
        "platform",
        &[
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
            "database",
            "platform",
            "metrics",
            "store",
            "plan",
            "runtime",
            "worker",
            "tokens",
            "fingerprinter",
            "causes",
            "seal",
            // The path of a request or message.
            "request",
            "routes",
            "idempotency",
            "gate",
            "http",
            "socket",
            "cursor",
            "audit_reader",
        ],
    ),
    (
        "access",
        &[
            "domain",
            "decision",
            "places",
            "cell_access",
            "cleared",
            "register",
            "alignment",
            "effects",
            "store",
            "listing",
            "sources",
            "profits",
        ],
    ),
    ("accounts", &["domain", "store", "tokens", "mail", "erase_start", "sessions", "removal"]),
    (
        "assistant",
        &[
            "domain",
            "pricing",
            "tool",
            "request",
            "shown",
            "error",
            "provider",
            "store",
            "lorem",
            "remote",
            "claude",
            "anthropic",
            "bedrock",
            "openai",
        ],
    ),
    (
        "archive",
        &[
            "error",
            "entry",
            "store",
            "gzip",
            "files",
            "signer",
            "checkpoints",
            "tip",
            "finding",
            "bundles",
            "sealer",
            "archive",
            "check",
        ],
    ),
    ("texts", &["error", "data_key", "key_cache", "kms", "pieces", "store", "data_keys", "texts"]),
    (
        "chat",
        &[
            "domain",
            "store",
            "spending",
            "open_agents",
            "choosing",
            "request",
            "title",
            "messages",
            "reading",
            "notes",
            "notebook",
            "purge_start",
            "credentials",
            "excerpts",
            "context_cells",
            "turn",
            "waking",
            "memory",
            "closing",
            "asked",
            "ending",
            "waiting",
            "subscribing",
            "holds",
            "reply_start",
            "confirming",
            "cancelling",
            "replies",
        ],
    ),
    (
        "cells",
        &[
            "number",
            "names",
            "currency",
            "matrix",
            "moment",
            "format",
            "text_number",
            "value",
            "address",
            "issue",
            "part",
            "layout",
            "read",
            "formula",
            "graph",
            "stored",
            "grid",
            "header",
            "profile",
            "issues",
            "answer",
            "csv",
            "prompt",
            "summary",
        ],
    ),
    ("data", &["domain", "store", "profits", "charts"]),
    ("prompts", &["domain", "builtin", "store", "registry"]),
    ("files", &["domain", "bucket", "updated", "store", "files", "reader", "endings", "purge"]),
    (
        "jobs",
        &[
            "domain", "findings", "pieces", "worst", "store", "rows", "inputs", "standing", "left",
            "choosing", "messages", "starting", "purge", "changing",
        ],
    ),
    (
        "ranges",
        &[
            "blob",
            "about",
            "domain",
            "events",
            "store",
            "ranges",
            "stored_cells",
            "start",
            "put_part",
            "complete",
            "profile",
            "reader",
            "purge",
            "tools",
        ],
    ),
    (
        "sso",
        &[
            "settings",
            "role_map",
            "verified",
            "step_up",
            "refusal",
            "store",
            "provider",
            "claims",
            "token",
            "access_token",
            "id_token",
            "flow",
            // Parts of the tests.
            "samples",
        ],
    ),
    ("tasks", &["domain", "store", "tasks"]),
    (
        "tools",
        &["schema", "sentence", "answer", "input", "tool", "cut", "entry", "tools", "toolbox"],
    ),
    (
        "transparency",
        &[
            "hash",
            "text",
            "tile",
            "bundle",
            "frontier",
            "proof",
            "plan",
            "edge",
            "verifier",
            "note",
            "checkpoint",
            "tlog_proof",
        ],
    ),
];

/// A file without comments and tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first word of a text.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
}

#[test]
fn modules_use_those_above_them_alone() {
    let mut wrong = Vec::new();
    for (name, order) in ORDER {
        let source = root().join("shared").join(name).join("src");
        let mut known = BTreeSet::new();
        for file in files(&source, ".rs") {
            let relative = file.strip_prefix(&source).unwrap().with_extension("");
            let module = relative.iter().next().unwrap().to_str().unwrap();
            if module == "lib" {
                continue;
            }
            let place = |module: &str| order.iter().position(|known| *known == module);
            let own = place(module)
                .unwrap_or_else(|| panic!("{name}::{module} has no place in the order"));
            known.insert(module.to_owned());
            let code = code(&file);
            // A name that is not a module comes from the crate's root.
            let used = code.split("crate::").skip(1).filter_map(|rest| place(word(rest)));
            wrong.extend(
                used.filter(|used| *used > own)
                    .map(|used| format!("{name}::{} uses {}", relative.display(), order[used])),
            );
        }
        assert_eq!(known.len(), order.len(), "the order of {name} has a module that is not there");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names that a file takes from its own crate: leaves of `use`, and paths in its code. A name
/// that it only exports again is none.
fn taken(code: &str) -> BTreeSet<&str> {
    let mut taken = BTreeSet::new();
    let statements =
        code.split(';').filter(|statement| !statement.trim_start().starts_with("pub use"));
    for statement in statements {
        let starts = ["crate::", "super::", "self::"].into_iter();
        for rest in starts.flat_map(|start| statement.split(start).skip(1)) {
            // A tree of names ends with the statement, a path with the first sign that is none of
            // its own.
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let head: &str = rest.split(|c: char| !is_path(c)).next().unwrap();
            let names = if rest[head.len()..].starts_with('{') { rest } else { head };
            taken.extend(
                names
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .filter(|name| !name.is_empty()),
            );
        }
    }
    taken
}

/// The names that a file defines for others.
fn defined(code: &str) -> BTreeSet<&str> {
    let kinds = ["struct ", "enum ", "trait ", "type ", "const ", "static ", "fn "];
    let public = code.lines().filter(|line| line.starts_with("pub"));
    public
        .filter_map(|line| kinds.iter().find_map(|kind| Some(word(line.split_once(kind)?.1))))
        .collect()
}

/// A circle of files that ends at `file`, if one does.
fn circle<'a>(
    graph: &'a BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    path: &mut Vec<&'a PathBuf>,
    done: &mut BTreeSet<&'a PathBuf>,
) -> bool {
    let file = *path.last().unwrap();
    for next in &graph[file] {
        if let Some(start) = path.iter().position(|earlier| *earlier == next) {
            path.drain(..start);
            return true;
        }
        if !done.contains(next) {
            path.push(next);
            if circle(graph, path, done) {
                return true;
            }
            path.pop();
        }
    }
    done.insert(file);
    false
}

#[test]
fn no_files_use_each_other() {
    let manifests = ["shared", "functions", "infra", "tests", "tools"]
        .iter()
        .flat_map(|directory| files(&root().join(directory), "/Cargo.toml"));
    for source in manifests.map(|manifest| manifest.with_file_name("src")) {
        let codes: BTreeMap<_, _> =
            files(&source, ".rs").into_iter().map(|file| (file.clone(), code(&file))).collect();
        let mut homes = BTreeMap::<_, Vec<_>>::new();
        for (file, code) in &codes {
            for name in defined(code) {
                homes.entry(name).or_default().push(file);
            }
        }
        // A name that several files define tells nothing. A file that only lists others (`mod.rs`)
        // is no part of a circle.
        let uses = |file: &PathBuf, code: &str| {
            let homes = taken(code)
                .into_iter()
                .filter_map(|name| homes.get(name).filter(|homes| homes.len() == 1));
            homes.map(|homes| homes[0].clone()).filter(|home| home != file).collect()
        };
        let graph: BTreeMap<_, BTreeSet<_>> =
            codes.iter().map(|(file, code)| (file.clone(), uses(file, code))).collect();
        let mut done = BTreeSet::new();
        for file in graph.keys() {
            let mut path = vec![file];
            assert!(
                done.contains(file) || !circle(&graph, &mut path, &mut done),
                "files use each other: {path:#?}"
            );
        }
    }
}
