//! The table of prompts.
//!
//! Key: `part`, `name`. It has three kinds of items:
//!
//! - `names`, `<name>`: the head of a prompt. One query lists all of them.
//! - `versions#<name>`, `<number with ten digits>`: a version. It is put once and never changed.
//! - `current`, `<name>`: a copy of the production version, so that a reply needs one read. A
//!   prompt without this item uses the version that is built in.
//!
//! Each change of a prompt replaces its head, under the condition that the head is as it was read.
//! So the numbers of versions have no gaps, and the copy always fits the head.

use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s, unavailable,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

use super::head::Head;
use crate::builtin::built_in;
use crate::domain::{PromptName, Version};

/// The prompts' table.
#[derive(Debug, Clone)]
pub struct Prompts {
    database: Database,
    table: String,
}

/// The version of a prompt that replies use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// The one that is built in, if one is.
    BuiltIn,
    /// This one.
    Version(Box<Version>),
    /// None: the prompt is archived.
    Archived,
}

const HEADS: &str = "names";
const CURRENT: &str = "current";

/// The item with the copy of the production version.
#[derive(Serialize, Deserialize)]
struct StoredCurrent {
    part: String,
    name: String,
    /// Absent if the prompt is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    production: Option<Stored>,
}

/// The item of a head.
#[derive(Serialize)]
struct StoredHead<'a> {
    part: &'static str,
    #[serde(flatten)]
    head: &'a Head,
}

/// The item of a version. Its sort key is the number, so the name is in `version`.
#[derive(Serialize, Deserialize)]
struct StoredVersion {
    part: String,
    name: String,
    version: Stored,
}

/// A version as an item has it. The texts stand apart, because JSON would make them longer.
#[derive(Serialize, Deserialize)]
struct Stored {
    system: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The version without these texts, as JSON. It is text, because a table takes neither every
    /// number nor every depth of JSON.
    rest: String,
}

impl Stored {
    fn of(version: &Version) -> Result<Self, StoreError> {
        let mut rest = version.clone();
        let system = std::mem::take(&mut rest.content.system);
        let user = rest.content.user.take();
        Ok(Self { system, user, rest: serde_json::to_string(&rest).map_err(unavailable)? })
    }

    fn into_version(self) -> Result<Version, StoreError> {
        let mut version: Version = serde_json::from_str(&self.rest).map_err(unavailable)?;
        version.content.system = self.system;
        version.content.user = self.user;
        Ok(version)
    }
}

impl Prompts {
    /// Uses the table that `PROMPTS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("PROMPTS_TABLE")?.to_owned(),
        })
    }

    /// The head of a prompt, as it is now. If none is stored, a prompt that is built in has one with
    /// revision 0.
    pub async fn head(&self, name: &PromptName) -> Result<Option<Head>, StoreError> {
        let key = key(HEADS, name.as_str());
        let stored: Option<Head> = self.database.get(&self.table, key, true).await?;
        let new = || built_in(name).map(|version| Head::new(name.clone(), version.content.kind));
        Ok(stored.or_else(new))
    }

    /// The heads whose names begin with `prefix`, by name: at most `limit` after the name `after`.
    /// Says also whether there are more.
    pub async fn heads(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Head>, bool), StoreError> {
        let expression = Expression::default()
            .name("part", "part")
            .name("name", "name")
            .value("part", s(HEADS))
            // A key is never empty, and no name comes before `0`.
            .value("first", s(after.unwrap_or(if prefix.is_empty() { "0" } else { prefix })))
            // `~` comes after every character of a name.
            .value("last", s(format!("{prefix}~")));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("#part = :part AND #name BETWEEN :first AND :last")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(|after| key(HEADS, after)))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .consistent_read(true),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let heads = page.items.unwrap_or_default().into_iter().map(read::<Head>);
        Ok((heads.collect::<Result<_, _>>()?, more))
    }

    /// A version.
    pub async fn version(
        &self,
        name: &PromptName,
        number: u32,
    ) -> Result<Option<Version>, StoreError> {
        let key = key(&versions(name), &digits(number));
        let found: Option<StoredVersion> = self.database.get(&self.table, key, true).await?;
        found.map(|found| found.version.into_version()).transpose()
    }

    /// The versions of a prompt, newest first: at most `limit` before the number `before`, and at
    /// most 1 MB. Says also whether there are more.
    pub async fn versions(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: usize,
    ) -> Result<(Vec<Version>, bool), StoreError> {
        let part = versions(name);
        let expression = Expression::default().name("part", "part").value("part", s(&part));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("#part = :part")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(before.map(|number| key(&part, &digits(number))))
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .consistent_read(true),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let found = page.items.unwrap_or_default().into_iter();
        let found = found.map(|item| read::<StoredVersion>(item)?.version.into_version());
        Ok((found.collect::<Result<_, _>>()?, more))
    }

    /// The version that replies use.
    pub async fn current(&self, name: &PromptName) -> Result<Current, StoreError> {
        let key = key(CURRENT, name.as_str());
        let found: Option<StoredCurrent> = self.database.get(&self.table, key, true).await?;
        Ok(match found {
            None => Current::BuiltIn,
            Some(StoredCurrent { production: Some(version), .. }) => {
                Current::Version(Box::new(version.into_version()?))
            }
            Some(StoredCurrent { production: None, .. }) => Current::Archived,
        })
    }

    /// A new version. The condition fails where there is one with this number.
    pub fn add(&self, version: &Version) -> Result<Write, StoreError> {
        let stored = StoredVersion {
            part: versions(&version.name),
            name: digits(version.version),
            version: Stored::of(version)?,
        };
        let new = "attribute_not_exists(part)";
        Ok(Write::put(&self.table, item(stored)?, new, &Expression::default()))
    }

    /// The head from now on. The condition fails if the stored head does not have the revision
    /// `before`. 0 stands for a head that is not stored.
    pub fn replace(&self, before: u64, head: &Head) -> Result<Write, StoreError> {
        let stored = item(StoredHead { part: HEADS, head })?;
        let (condition, expression) = if before == 0 {
            ("attribute_not_exists(part)", Expression::default())
        } else {
            ("revision = :before", Expression::default().value("before", n(before)))
        };
        Ok(Write::put(&self.table, stored, condition, &expression))
    }

    /// The version that replies use from now on. Add it to the transaction that replaces the head.
    pub fn set_current(&self, name: &PromptName, current: &Current) -> Result<Write, StoreError> {
        let production = match current {
            Current::BuiltIn => {
                return Ok(Write::delete(&self.table, key(CURRENT, name.as_str())));
            }
            Current::Version(version) => Some(Stored::of(version)?),
            Current::Archived => None,
        };
        let (part, name) = (CURRENT.to_owned(), name.to_string());
        let stored = item(StoredCurrent { part, name, production })?;
        Ok(Write::put(&self.table, stored, None, &Expression::default()))
    }
}

fn versions(name: &PromptName) -> String {
    format!("versions#{name}")
}

fn digits(number: u32) -> String {
    format!("{number:010}")
}

fn key(part: &str, name: &str) -> Item {
    key2(("part", part), ("name", name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Content, Kind, Variable, VariableType};
    use serde_json::json;

    #[test]
    fn a_version_is_read_as_it_was_stored() {
        let mut deep = json!(1e300);
        for _ in 0..50 {
            deep = json!([deep]);
        }
        let variable = Variable {
            name: "x".into(),
            r#type: VariableType::Json,
            required: true,
            default: Some(deep.clone()),
            values: None,
            max_length: None,
            description: None,
        };
        for user in [None, Some("\"{{x}}\"\n{{input}}".to_owned())] {
            let content = Content {
                kind: Kind::Task,
                system: "\u{1}\"Be\" brief.".into(),
                user,
                variables: vec![variable.clone()],
                model: None,
                max_tokens: Some(7),
                effort: None,
                output_schema: Some(json!({"const": deep})),
            };
            let version = Version {
                name: "a".parse().unwrap(),
                version: 7,
                sha256: content.sha256(),
                content,
                note: None,
                created_at: Some(1),
                created_by: Some("u".into()),
            };
            let stored = item(Stored::of(&version).unwrap()).unwrap();
            assert!(stored["rest"].is_s(), "{:?}", stored["rest"]);
            let found = read::<Stored>(stored).unwrap().into_version().unwrap();
            assert_eq!(found, version);
        }
    }
}
