//! docs/api/errors.md: every code with its status, meaning and advice.

use std::fmt::Write as _;

use platform::problem::Code;

const INTRODUCTION: &str = "\
# Errors

Every error of this API is an RFC 9457 problem (`application/problem+json`) with a stable `code`.
WebSocket errors carry the same codes. `shared/platform/src/problem/code.rs` holds this table; a test keeps this page current.

API Gateway answers some errors itself, as `application/json` with the one member `message`:
throttling (429), a request over 10 MB (413), a crashed function (500) and a function that timed out (503).
A client treats them as it treats the code of the same status.

| Status | Code | Meaning | What a client does |
|---|---|---|---|
";

/// Builds the whole page.
pub fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    for code in Code::ALL {
        writeln!(
            page,
            "| {} | `{code}` | {} | {} |",
            code.status().as_u16(),
            code.meaning(),
            code.advice()
        )
        .unwrap();
    }
    page
}
