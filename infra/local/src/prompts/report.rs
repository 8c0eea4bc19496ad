//! The output of the commands: one line for each file.

use std::io::{self, Write};

/// Tells what has been done with a file.
pub(crate) fn tell(state: &str, file: &str, rest: &str) {
    say(format!("{state:<12} {file}  {rest}").trim_end());
}

/// Tells why nothing, or not all, has been done with a file.
pub(crate) fn fail(file: &str, fault: &str) {
    let fault = fault.trim_end().replace('\n', "\n    ");
    // The reader may have closed the pipe. The other files still go on.
    let _ = writeln!(io::stderr(), "{:<12} {file}  {fault}", "failed");
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The result of a command that has failed for some of its files.
pub(crate) fn verdict(failed: usize, all: usize) -> Result<(), String> {
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {all} prompts failed")) }
}
