//! The OpenAPI document. Each endpoint describes itself, and its row of the route table adds the
//! rest. This module groups the functions, in the order in which a client uses them.

mod check;
mod document;
mod operation;
mod responses;
mod schema;

use platform::http::Endpoints;
use serde_json::Value;

use self::document::Document;

pub use check::verify;

/// Adds the endpoints of functions under a heading.
macro_rules! group {
    ($document:ident, $tag:literal, $description:literal, $($function:ident)*) => {
        let $document = $document.tag($tag, $description);
        $(let Ok($document) = $function::Endpoints::visit($document);)*
    };
}

/// The whole document.
pub fn document() -> Value {
    let document = Document::default();
    group!(document, "account", "Register, confirm an address, and manage your own \
                                 account.", register account me password ask_mail);
    group!(document, "session", "Sign in, stay signed in, and sign \
                                 out.", login sso sso_browser refresh logout sessions ws_ticket);
    group!(document, "profits", "Read profits by company and month.", profits);
    group!(document, "workbooks", "Register workbooks, their sheets and columns.", workbooks);
    group!(
        document,
        "ranges",
        "Upload ranges of cells, read what you may of them, and see what a \
                                model would be sent.",
        ranges
    );
    group!(
        document,
        "access",
        "Decide who may see what: rules, groups, and explanations of \
                                both.",
        access
    );
    group!(document, "tasks", "Keep your tasks.", tasks);
    group!(document, "files", "Upload files, and see how far they have come.", files);
    group!(document, "chat", "Ask the assistant, read your conversations, and choose \
                              agents.", chat conversations agents);
    group!(
        document,
        "prompts",
        "Keep the prompts of the assistant under version control: save versions, move labels, \
                                render texts.",
        prompts
    );
    group!(
        document,
        "jobs",
        "Let a model review files, compare versions of a prompt, or work through the rows of a range. \
                                These calls go on after their request has been answered.",
        analyses batches jobs
    );
    group!(document, "usage", "Read the tokens, costs and budgets of replies.", usage budgets);
    group!(document, "api-keys", "Let a service call the API for you.", api_keys);
    group!(document, "users", "Manage accounts and invitations, as an \
                               administrator.", users invites erasures);
    group!(document, "audit", "Search the audit log, and read its events with their texts.", audit);
    group!(
        document,
        "mcp",
        "Connect an MCP client (<https://modelcontextprotocol.io>): list and call tools, read \
                                resources.",
        mcp
    );
    group!(document, "oauth", "Use the API as an OAuth 2.0 client.", token revoke introspect);
    group!(document, "service", "Check that the service works, and read its \
                                 documents.", health ready docs);
    document.finish()
}
