//! The names in the paths.

use platform::Problem;
use platform::http::{PathKind, PathParameter};
use platform::request::HttpCall;
use tally_prompts::domain::{Label, PromptName, Which};

/// The parameter of the paths below `/prompts`.
pub const PATH: &[PathParameter] = &[NAME];

/// Those of a version.
pub const VERSION_PATH: &[PathParameter] = &[
    NAME,
    PathParameter {
        name: "version",
        description: "Number of the version, or a label. 0 is the version that is built in.",
        kind: PathKind::Matching("^([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8})$"),
    },
];

/// Those of a label.
pub const LABEL_PATH: &[PathParameter] = &[
    NAME,
    PathParameter {
        name: "label",
        description: "The label: 1 to 32 of `[a-z0-9-]`, of which the first is a letter.",
        kind: PathKind::Matching("^[a-z][a-z0-9-]{0,31}$"),
    },
];

const NAME: PathParameter = PathParameter {
    name: "name",
    description: "Name of the prompt: 1 to 64 of `[a-z0-9._-]`, with a letter or a digit at both ends.",
    kind: PathKind::Matching("^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"),
};

/// The prompt that the path names. A text that is no name is answered 404.
pub fn name(call: &HttpCall) -> Result<PromptName, Problem> {
    call.path_parameter("name").parse().map_err(|_| Problem::not_found())
}

/// The label that the path names. `latest` is none.
pub fn label(call: &HttpCall) -> Result<Label, Problem> {
    call.path_parameter("label").parse().map_err(|_| Problem::not_found())
}

/// The version that the path names.
pub fn version(call: &HttpCall) -> Result<Which, Problem> {
    call.path_parameter("version").parse().map_err(|_| Problem::not_found())
}
