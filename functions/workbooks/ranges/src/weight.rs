//! The limit of an answer's size. Lambda counts an answer's body as a JSON string, and refuses one
//! of more than 6 MB.

use cells::csv::weigh;
use platform::Problem;

/// Bytes of a body as a JSON string, at most. The rest of the 6 MB is for headers.
pub const LIMIT: usize = 5 << 20;

/// Requires that an answer can hold a text.
pub fn must_fit(text: &str) -> Result<(), Problem> {
    if weigh(text) <= LIMIT { Ok(()) } else { Err(too_much()) }
}

/// The problem of cells with more text than an answer can hold.
pub fn too_much() -> Problem {
    let detail = "has more text than an answer can hold; ask for fewer cells";
    Problem::invalid_parameter("address", detail)
}
