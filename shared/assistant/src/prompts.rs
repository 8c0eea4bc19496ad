//! The system prompts, by their names.

use crate::domain::PromptName;

/// The text of a system prompt.
pub fn system_prompt(name: PromptName) -> &'static str {
    match name {
        PromptName::Default => include_str!("prompts/default.md").trim_ascii_end(),
    }
}

/// The version of a system prompt. The audit log says by it which text a model was given, so
/// another text is another version.
pub fn prompt_version(name: PromptName) -> u32 {
    match name {
        PromptName::Default => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::{prompt_version, system_prompt};
    use crate::domain::PromptName;
    use platform::ids;

    /// Every version of each prompt, with the hash of its text. Add a row for another text, and
    /// change none.
    const VERSIONS: [(PromptName, u32, &str); 2] = [
        (PromptName::Default, 1, "dLc2qAZfzY6Hv5GfYtOdjTIIdGvdSgbGkkEQox1wR_k"),
        (PromptName::Default, 2, "qYYnfKgBLYYtTrjUCMcU-QG0JtcJk7L_I-pIMP-bbns"),
    ];

    #[test]
    fn another_text_is_another_version() {
        let name = PromptName::Default;
        let newest = VERSIONS.iter().filter(|(of, ..)| *of == name).max_by_key(|row| row.1);
        let text = ids::sha256(system_prompt(name));
        assert_eq!(newest, Some(&(name, prompt_version(name), text.as_str())));
    }
}
