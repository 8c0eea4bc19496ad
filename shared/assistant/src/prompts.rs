//! The system prompts, by their names.

use crate::domain::PromptName;

/// The text of a system prompt.
pub fn system_prompt(name: PromptName) -> &'static str {
    let text = match name {
        PromptName::Default => include_str!("prompts/default.md"),
        PromptName::Finance => include_str!("prompts/agent_finance.md"),
        PromptName::Tasks => include_str!("prompts/agent_tasks.md"),
        PromptName::Auditor => include_str!("prompts/agent_auditor.md"),
    };
    text.trim_ascii_end()
}

/// The version of a system prompt. The audit log says by it which text a model was given, so
/// another text is another version.
pub fn prompt_version(name: PromptName) -> u32 {
    match name {
        PromptName::Default => 2,
        PromptName::Finance | PromptName::Tasks | PromptName::Auditor => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{prompt_version, system_prompt};
    use crate::domain::PromptName;
    use platform::ids;

    /// Every version of each prompt, with the hash of its text. Add a row for another text, and
    /// change none.
    const VERSIONS: [(PromptName, u32, &str); 5] = [
        (PromptName::Default, 1, "dLc2qAZfzY6Hv5GfYtOdjTIIdGvdSgbGkkEQox1wR_k"),
        (PromptName::Default, 2, "qYYnfKgBLYYtTrjUCMcU-QG0JtcJk7L_I-pIMP-bbns"),
        (PromptName::Finance, 1, "CHxPciVn8Q4-1rvb4-8xoII4mepICGXt_Y4zMvBrBkY"),
        (PromptName::Tasks, 1, "4L-151t84HkNnZQ8ccRBVaLXmalieI9zKtqp3lnkLyQ"),
        (PromptName::Auditor, 1, "LoWlamGgAQxsHs-XiwVTJbeVYEDZB_-28ymbTGnHW3M"),
    ];

    #[test]
    fn another_text_is_another_version() {
        for name in PromptName::ALL {
            let newest = VERSIONS.iter().filter(|(of, ..)| *of == name).max_by_key(|row| row.1);
            let text = ids::sha256(system_prompt(name));
            assert_eq!(newest, Some(&(name, prompt_version(name), text.as_str())));
        }
    }

    #[test]
    fn every_prompt_keeps_cells_and_withheld_values_apart() {
        for name in PromptName::ALL {
            let text = system_prompt(name);
            assert!(text.starts_with("You are the assistant of a company's "), "{name:?}");
            for mark in ["`<cells>`", "`</cells>`", "`\"#WITHHELD\"`"] {
                assert!(text.contains(mark), "{name:?}: {mark}");
            }
        }
    }
}
