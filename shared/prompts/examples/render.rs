//! The renderer as a program, for `.ci/check-prompts`. It reads a template and the values of its
//! variables from each line of its input. For each it writes a line with the text, or with the
//! variable that has no value.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Error, Write as _};

use serde::Deserialize;
use serde_json::json;
use tally_prompts::domain::{Template, TemplateFault};

#[derive(Deserialize)]
struct Case {
    template: String,
    values: BTreeMap<String, String>,
}

fn main() -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Case { template, values } = serde_json::from_str(&line?)?;
        let value = |name: &str| values.get(name).map(String::as_str);
        let answer = match Template::parse(&template).render(value) {
            Ok(text) => json!({ "text": text }),
            Err(TemplateFault::Undeclared(name)) => json!({ "undeclared": name }),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}
