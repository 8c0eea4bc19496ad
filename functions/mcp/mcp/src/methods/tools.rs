//! The tools of the toolbox, as the protocol lists and calls them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use platform::Problem;
use platform::identity::{Authority, Scope};
use serde_json::{Map, Value, json};
use tally_tools::{Answer, Call, Effect, Listed, Refused, Toolbox};

use super::asked::{Asked, Refusal, text};
use crate::protocol::{Fault, RpcResult};

/// All tools.
pub struct Tools {
    toolbox: Toolbox,
    /// The JSON of each tool in a list, by its name. It is made when the tool is listed for the
    /// first time, because the schemas are long.
    entries: BTreeMap<&'static str, OnceLock<Arc<str>>>,
}

impl Tools {
    /// The tools of this toolbox.
    pub fn new(toolbox: Toolbox) -> Self {
        let entries = toolbox.all().map(|tool| (tool.about.name, OnceLock::new())).collect();
        Self { toolbox, entries }
    }

    /// The scope of a tool that the caller lacks. A tool that the roles of the caller hide has
    /// none.
    pub fn missing_scope(&self, name: &str, authority: &Authority) -> Option<Scope> {
        match self.toolbox.permitted(name, authority) {
            Err(Refused::MissingScope(scope)) => Some(scope),
            _ => None,
        }
    }

    /// Whether the caller may use a tool now.
    pub fn permits(&self, name: &str, authority: &Authority) -> bool {
        self.toolbox.permitted(name, authority).is_ok()
    }

    /// The tools that the caller may use now, by name.
    pub fn list(&self, authority: &Authority) -> RpcResult {
        let entries = self.toolbox.listed(authority).filter_map(|tool| {
            let entry = self.entries.get(tool.about.name)?;
            Some(Arc::clone(entry.get_or_init(|| listed(tool).to_string().into())))
        });
        RpcResult::default().with_list("tools", entries.collect()).cacheable()
    }

    /// Calls the tool that a request names. A failure that the caller can mend is a result, so that
    /// the model reads it.
    pub async fn call(&self, asked: &Asked<'_>) -> Result<RpcResult, Refusal> {
        let name = text(asked.message, "name")?;
        let none = Map::new();
        let arguments = match asked.message.params.get("arguments") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(arguments)) => arguments,
            Some(_) => {
                return Err(Fault::invalid_params("`params.arguments` must be an object.").into());
            }
        };
        match self.run(asked, name, arguments).await {
            Ok(Answer { content, text, .. }) => Ok(RpcResult::default()
                .with("content", texts(&text))
                .with("structuredContent", content)
                .with("isError", false)),
            Err(Refused::Unknown) => {
                let detail =
                    "`params.name` names no tool: `tools/list` has those that you may use.";
                Err(Fault::invalid_params(detail).into())
            }
            Err(Refused::MissingScope(scope)) => {
                Err(Problem::insufficient_scope(scope.as_str()).into())
            }
            Err(refused) => match refused.fault() {
                Some(problem) => Err(problem.clone().into()),
                // `structuredContent` would have to be as `outputSchema` says.
                None => Ok(RpcResult::default()
                    .with("content", texts(&refused.text()))
                    .with("isError", true)),
            },
        }
    }

    /// Calls a tool.
    pub async fn run(
        &self,
        asked: &Asked<'_>,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Answer, Refused> {
        let call = Call {
            tool,
            arguments,
            caller: asked.caller,
            authority: asked.authority,
            context: asked.context,
            now: asked.now,
            conversation_id: None,
            seen: None,
            details: vec![
                ("via", "mcp".into()),
                ("tool", tool.into()),
                ("client", asked.client.as_str().into()),
            ],
            writes: Vec::new(),
        };
        self.toolbox.call(call).await
    }
}

/// A tool as the protocol lists it.
fn listed(tool: &Listed) -> Value {
    let Listed { about, input_schema, output_schema } = tool;
    json!({
        "name": about.name,
        "title": about.title,
        "description": about.description,
        "inputSchema": **input_schema,
        "outputSchema": **output_schema,
        "annotations": {
            "title": about.title,
            "readOnlyHint": about.effect == Effect::Read,
            "destructiveHint": about.effect == Effect::Destroy,
            "idempotentHint": about.idempotent,
            "openWorldHint": false,
        },
    })
}

/// A text as content.
fn texts(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}
