//! The prompts that are built in, as version 0.

use std::sync::{Arc, LazyLock};

use crate::domain::{Content, Kind, PromptName, Version};

/// Name, text and purpose of each prompt, by name.
const BUILT_IN: [(&str, &str, &str); 5] = [
    ("agent.auditor", include_str!("texts/agent_auditor.md"), "An agent that reads the audit log."),
    (
        "agent.finance",
        include_str!("texts/agent_finance.md"),
        "An agent that answers from the company's figures.",
    ),
    ("agent.tasks", include_str!("texts/agent_tasks.md"), "An agent that keeps the user's tasks."),
    (PromptName::DEFAULT, include_str!("texts/default.md"), "The assistant, without tools."),
    (
        "excel.formula",
        include_str!("texts/excel_formula.md"),
        "Writes and explains formulas for Excel.",
    ),
];

static VERSIONS: LazyLock<Vec<(Arc<Version>, &'static str)>> = LazyLock::new(|| {
    let built_in = BUILT_IN.iter().filter_map(|(name, text, purpose)| {
        Some((Arc::new(version(name.parse().ok()?, text)), *purpose))
    });
    built_in.collect()
});

/// The prompts that are built in, by name, each with its purpose.
pub fn built_ins() -> &'static [(Arc<Version>, &'static str)] {
    &VERSIONS
}

/// The version of a prompt that is built in.
pub fn built_in(name: &PromptName) -> Option<Arc<Version>> {
    VERSIONS.iter().find(|(version, _)| version.name == *name).map(|(version, _)| version.clone())
}

fn version(name: PromptName, text: &str) -> Version {
    let content = Content {
        kind: Kind::Chat,
        system: text.trim_ascii_end().to_owned(),
        user: None,
        variables: Vec::new(),
        model: None,
        max_tokens: None,
        effort: None,
        output_schema: None,
    };
    let sha256 = content.sha256();
    Version { name, version: 0, content, note: None, sha256, created_at: None, created_by: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Template;

    #[test]
    fn every_prompt_has_a_good_name_and_stands_in_order() {
        let names: Vec<_> = built_ins().iter().map(|(version, _)| version.name.as_str()).collect();
        assert_eq!(names, BUILT_IN.map(|(name, ..)| name));
        assert!(names.is_sorted());
        assert!(built_in(&PromptName::default()).is_some());
        assert!(built_in(&"no.such.prompt".parse().unwrap()).is_none());
    }

    #[test]
    fn every_prompt_keeps_cells_and_withheld_values_apart() {
        for (version, _) in built_ins() {
            let text = &version.content.system;
            assert!(text.starts_with("You are the assistant of a company's "), "{}", version.name);
            for mark in ["`<cells>`", "`</cells>`", "`\"#WITHHELD\"`"] {
                assert!(text.contains(mark), "{}: {mark}", version.name);
            }
            assert_eq!(Template::parse(text).variables().count(), 0, "{}", version.name);
        }
    }
}
