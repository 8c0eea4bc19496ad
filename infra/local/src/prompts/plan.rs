//! The plan of a push for one prompt.

use super::api::Head;
use super::content::Content;
use super::form::PromptFile;

/// The plan of a push for one prompt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The newest version after it.
    pub number: u32,
    /// Whether that version is saved, and the members that differ from the one before. The first
    /// version of a prompt has none.
    pub saved: Option<Vec<&'static str>>,
    /// The label that moves to that version.
    pub label: Option<LabelMove>,
    /// Whether the description changes.
    pub described: bool,
}

/// A move of a label.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LabelMove {
    /// The label.
    pub label: String,
    /// The version to which it points.
    pub from: Option<u32>,
}

impl Plan {
    /// The plan for a file, and the newest version of its prompt, if there is one. The error says
    /// what the user has to do first.
    pub(crate) fn new(
        file: &PromptFile,
        head: &Head,
        newest: Option<&Content>,
        label: Option<&str>,
    ) -> Result<Self, String> {
        let saved = match newest.map(|newest| file.content.differing(newest)) {
            Some(members) if members.is_empty() => None,
            Some(members) => Some(members),
            None => Some(Vec::new()),
        };
        if saved.is_some() && file.version.unwrap_or(0) != head.latest {
            return Err(conflict(file.version, head.latest));
        }
        let number = head.latest + u32::from(saved.is_some());
        let label = label.map(|label| LabelMove {
            label: label.to_owned(),
            from: head.labels.get(label).copied(),
        });
        let label = label.filter(|label| label.from != Some(number));
        if head.archived && (saved.is_some() || label.is_some()) {
            return Err("the prompt is archived: unarchive it, or delete the file".to_owned());
        }
        let described = file.description.as_ref();
        let described = described.is_some_and(|text| !text.is_empty() && *text != head.description);
        Ok(Self { number, saved, label, described })
    }

    /// Whether it does nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.saved.is_none() && self.label.is_none() && !self.described
    }

    /// Its steps, such as `version 4 (system, model), staging 3 -> 4, description`.
    pub(crate) fn steps(&self) -> String {
        let mut steps = Vec::new();
        match &self.saved {
            Some(members) if members.is_empty() => steps.push(format!("version {}", self.number)),
            Some(members) => {
                steps.push(format!("version {} ({})", self.number, members.join(", ")));
            }
            None if self.is_empty() => steps.push(format!("version {}", self.number)),
            None => {}
        }
        if let Some(LabelMove { label, from }) = &self.label {
            let from = from.map_or("unset".to_owned(), |from| from.to_string());
            steps.push(format!("{label} {from} -> {}", self.number));
        }
        if self.described {
            steps.push("description".to_owned());
        }
        steps.join(", ")
    }
}

/// The error of a file that was not made from the newest version.
pub(crate) fn conflict(made_from: Option<u32>, newest: u32) -> String {
    match made_from {
        Some(version) if version > newest => format!(
            "it says version {version}, and version {newest} is the newest: was it pulled from \
             another deployment?"
        ),
        Some(version) => format!(
            "it was made from version {version}, and version {newest} is the newest: pull first"
        ),
        None => format!("it says no version, and version {newest} is the newest: pull first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(system: &str) -> Content {
        serde_json::from_value(json!({"kind": "chat", "system": system})).unwrap()
    }

    #[test]
    fn a_push_does_what_the_file_has_and_the_server_lacks() {
        // The version, text and description of the file, the newest text, and the label.
        for (version, text, description, newest, label, expected) in [
            (Some(3), "a", None, "a", None, Ok("version 3")),
            (Some(1), "a", None, "a", None, Ok("version 3")),
            (None, "a", Some("Old."), "a", None, Ok("version 3")),
            (Some(3), "b", None, "a", None, Ok("version 4 (system)")),
            (Some(3), "a", Some("New."), "a", None, Ok("description")),
            (Some(3), "a", Some(""), "a", None, Ok("version 3")),
            (Some(3), "a", None, "a", Some("staging"), Ok("staging 2 -> 3")),
            (Some(3), "a", None, "a", Some("canary"), Ok("canary unset -> 3")),
            (Some(3), "a", None, "a", Some("beta"), Ok("version 3")),
            (
                Some(3),
                "b",
                Some("New."),
                "a",
                Some("beta"),
                Ok("version 4 (system), beta 3 -> 4, description"),
            ),
            (
                Some(2),
                "b",
                None,
                "a",
                None,
                Err("it was made from version 2, and version 3 is the newest: pull first"),
            ),
            (
                Some(4),
                "b",
                None,
                "a",
                None,
                Err("it says version 4, and version 3 is the newest: was it pulled from another \
                     deployment?"),
            ),
            (
                None,
                "b",
                None,
                "a",
                None,
                Err("it says no version, and version 3 is the newest: pull first"),
            ),
        ] {
            let description = description.map(str::to_owned);
            let file = PromptFile { description, version, content: content(text) };
            let head = Head {
                description: "Old.".to_owned(),
                labels: [("staging".to_owned(), 2), ("beta".to_owned(), 3)].into(),
                latest: 3,
                ..Head::default()
            };
            let plan = Plan::new(&file, &head, Some(&content(newest)), label);
            let steps = plan.map(|plan| plan.steps());
            assert_eq!(steps.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn a_file_makes_a_prompt_and_an_archived_one_stays() {
        let file = |version| PromptFile {
            description: Some("For tests.".to_owned()),
            version,
            content: content("a"),
        };
        let plan = Plan::new(&file(None), &Head::default(), None, Some("staging")).unwrap();
        assert_eq!(plan.steps(), "version 1, staging unset -> 1, description");
        let error = Plan::new(&file(Some(2)), &Head::default(), None, None).unwrap_err();
        assert!(error.contains("another deployment"), "{error}");

        let archived = Head {
            archived: true,
            latest: 2,
            description: "For tests.".to_owned(),
            ..Head::default()
        };
        for (newest, label, expected) in
            [("a", None, Ok(true)), ("b", None, Err(true)), ("a", Some("staging"), Err(true))]
        {
            let plan = Plan::new(&file(Some(2)), &archived, Some(&content(newest)), label);
            let done = plan.map(|plan| plan.is_empty());
            assert_eq!(done.map_err(|error| error.contains("archived")), expected);
        }
    }
}
