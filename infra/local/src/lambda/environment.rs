//! The environment variables that a function's process sees.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the environment is the functions'"
)]

use std::collections::BTreeMap;
use std::path::Path;

use crate::template::REGION;
use crate::template::model::Function;

/// Variables that a function inherits from the environment of the stack.
const PASSED_ON: &[&str] = &["RUST_BACKTRACE"];

/// All variables but those that differ between the processes of a function: the template's,
/// `extra`, and those that Lambda sets. Lambda's override the others, because on Lambda their names
/// are reserved.
pub(super) fn process_environment(
    function: &Function,
    extra: &BTreeMap<String, String>,
    binaries: &Path,
) -> BTreeMap<String, String> {
    let mut variables = function.environment.clone();
    variables.extend(
        PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))),
    );
    variables.extend(extra.clone());
    let memory_mb = function.memory_mb.to_string();
    let log_group = format!("/aws/lambda/{}", function.id);
    let task_root = binaries.to_string_lossy();
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", function.id.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory_mb),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("LAMBDA_TASK_ROOT", &task_root),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}
