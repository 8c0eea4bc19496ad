//! Outputs of lists, which a tool cuts at an item if they would be too long.

use platform::cursor::Cursors;
use platform::http::Schemas;
use platform::problem::FieldError;
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use tally_ranges::tools::weigh;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::schema::together;
use crate::tool::{Given, OUTPUT_BYTES};

/// Bytes of the list of an output, at most. The other members have room beside it.
pub const LIST_BYTES: usize = OUTPUT_BYTES - 1_024;

/// An output with a list.
pub trait Listing: Serialize + Send {
    /// The items of the list.
    type Item: Serialize;

    /// The list.
    fn items(&mut self) -> &mut Vec<Self::Item>;
}

/// The output of a list, and whether it was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cut<O> {
    /// The output, with the items for which there is room.
    #[serde(flatten)]
    output: O,
    /// Whether items were left out, because the output would have been longer than
    /// [`OUTPUT_BYTES`]. The member is absent if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// Where the list goes on, if it was cut. An output in pages has its own cursor instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Cuts the outputs of a tool without pages, and seals where they go on.
#[derive(Debug, Clone)]
pub struct Cutter {
    cursors: Cursors,
    tool: &'static str,
}

impl Cutter {
    /// Uses the secret of [`Cursors`].
    pub fn new(platform: &Platform, tool: &'static str) -> Result<Self, ConfigError> {
        Ok(Self { cursors: Cursors::new(platform)?, tool })
    }

    /// How many items of the list earlier answers had.
    pub async fn skipped(&self, given: Given<'_>) -> Result<usize, Problem> {
        let user_id = &given.caller.user_id;
        let skipped = self.cursors.open_for_tool(user_id, self.tool, given.arguments).await?;
        Ok(skipped.unwrap_or_default())
    }

    /// The output with as many items as there is room for. Its list begins behind the `skipped`
    /// ones of all. With no room for a single item, the arguments ask for too much.
    pub async fn cut<O: Listing>(
        &self,
        mut output: O,
        (skipped, all): (usize, usize),
        given: Given<'_>,
    ) -> Result<Cut<O>, Problem> {
        let has_some = !output.items().is_empty();
        fit(&mut output).map_err(|_| Problem::internal())?;
        let kept = output.items().len();
        if has_some && kept == 0 {
            return Err(refused(
                "One row of the answer is larger than 32 KB. Ask for less at once.",
            ));
        }
        let reached = skipped + kept;
        let (next, user_id) = ((reached < all).then_some(&reached), &given.caller.user_id);
        let next_cursor =
            self.cursors.seal_for_tool(next, user_id, self.tool, given.arguments).await?;
        Ok(Cut { output, truncated: next_cursor.is_some(), next_cursor })
    }

    /// The same for an output that has its whole list. The `skipped` first items are left out.
    pub async fn cut_rest<O: Listing>(
        &self,
        mut output: O,
        skipped: usize,
        given: Given<'_>,
    ) -> Result<Cut<O>, Problem> {
        let all = output.items().len();
        output.items().drain(..skipped.min(all));
        self.cut(output, (skipped, all), given).await
    }
}

/// Removes the items at the end of a list for which there is no room.
fn fit<O: Listing>(output: &mut O) -> Result<(), serde_json::Error> {
    let items = std::mem::take(output.items());
    let mut left = LIST_BYTES.saturating_sub(weigh(output)?);
    for item in items {
        let Some(rest) = left.checked_sub(weigh(&item)?) else { break };
        left = rest;
        output.items().push(item);
    }
    Ok(())
}

/// The problem of arguments that are well formed, with a sentence that says what would be right.
/// It is about all arguments, because a reader of cells does not say which one is at fault.
pub fn refused(detail: impl Into<String>) -> Problem {
    Problem::validation_failed(vec![FieldError {
        pointer: Some(String::new()),
        parameter: None,
        detail: detail.into(),
    }])
}

impl<O> Cut<O> {
    /// A page, which has a cursor of its own.
    pub fn page(output: O, truncated: bool) -> Self {
        Self { output, truncated, next_cursor: None }
    }
}

impl<O: ToSchema> ToSchema for Cut<O> {
    fn schemas(schemas: &mut Schemas) {
        O::schemas(schemas);
    }
}

impl<O: ToSchema> PartialSchema for Cut<O> {
    fn schema() -> RefOr<Schema> {
        let truncated = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
            "True if items were left out, because an answer has at most 32 KB. The list goes on at \
             `next_cursor`.",
        ));
        let cursor = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Value of `cursor` for the rest. Set if the answer was cut."));
        let cut =
            ObjectBuilder::new().property("truncated", truncated).property("next_cursor", cursor);
        // The cursor of a page comes later, and so takes the place of this one.
        together([cut.into(), O::schema()])
    }
}

#[cfg(test)]
mod tests {
    use platform::cursor::Page;
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::Refused;
    use crate::schema::schema;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
    struct Sample {
        /// The list.
        items: Vec<String>,
        /// Number of all.
        total: usize,
    }

    impl Listing for Sample {
        type Item = String;

        fn items(&mut self) -> &mut Vec<String> {
            &mut self.items
        }
    }

    fn sample(items: &[usize]) -> Sample {
        let items = items.iter().map(|bytes| "x".repeat(*bytes));
        Sample { items: items.collect(), total: 9 }
    }

    #[test]
    fn a_list_keeps_the_items_that_fit() {
        for (items, kept) in [
            (&[][..], 0),
            (&[1, 2, 3], 3),
            (&[10_000, 10_000, 10_000], 3),
            (&[10_000, 10_000, 10_000, 10_000], 3),
            (&[10_000, 30_000, 1], 1),
            (&[31_700], 1),
            (&[33_000], 0),
        ] {
            let mut output = sample(items);
            fit(&mut output).unwrap();
            assert_eq!(output.items.len(), kept, "{items:?}");
            assert!(serde_json::to_vec(&output).unwrap().len() < OUTPUT_BYTES, "{items:?}");
        }
        // A `<` takes six bytes where a model reads it.
        let mut output = Sample { items: vec!["<".repeat(4_000); 3], total: 3 };
        fit(&mut output).unwrap();
        assert_eq!(output.items.len(), 1);
    }

    fn is_as_its_schema_says<O: Serialize + ToSchema>(output: &Cut<O>, expected: &Value) {
        let validator = jsonschema::draft202012::new(&schema::<Cut<O>>()).unwrap();
        let found = serde_json::to_value(output).unwrap();
        assert_eq!(&found, expected);
        assert!(validator.is_valid(&found), "{found}");
        let mut other = found;
        other["other"] = 1.into();
        assert!(!validator.is_valid(&other), "{other}");
    }

    #[test]
    fn an_output_says_that_it_was_cut_and_nothing_otherwise() {
        let output = sample(&[1]);
        let whole = Cut { output: output.clone(), truncated: false, next_cursor: None };
        is_as_its_schema_says(&whole, &json!({"items": ["x"], "total": 9}));
        let cut = Cut { output, truncated: true, next_cursor: Some("c".into()) };
        let expected = json!({"items": ["x"], "total": 9, "truncated": true, "next_cursor": "c"});
        is_as_its_schema_says(&cut, &expected);
        let schema = schema::<Cut<Sample>>();
        assert_eq!(schema["required"], json!(["items", "total"]));
        assert_eq!(schema["properties"]["next_cursor"]["type"], "string");
    }

    #[test]
    fn a_page_has_its_own_cursor() {
        let page = |cursor: Option<&str>| Page {
            items: vec![sample(&[1])],
            next_cursor: cursor.map(str::to_owned),
        };
        let items = json!([{"items": ["x"], "total": 9}]);
        is_as_its_schema_says(
            &Cut::page(page(None), false),
            &json!({"items": items, "next_cursor": null}),
        );
        is_as_its_schema_says(
            &Cut::page(page(Some("c")), true),
            &json!({"items": items, "next_cursor": "c", "truncated": true}),
        );
        let schema = schema::<Cut<Page<Sample>>>();
        assert_eq!(schema["required"], json!(["items", "next_cursor"]));
        assert_eq!(schema["properties"]["next_cursor"]["type"], json!(["string", "null"]));
    }

    #[test]
    fn a_model_reads_what_would_be_right() {
        let refused = Refused::from(refused("The address names another sheet."));
        let expected = "Some arguments are not valid.\nThe address names another sheet.";
        assert_eq!(refused.text(), expected);
    }
}
