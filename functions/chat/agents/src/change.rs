//! The body of `PUT /agents/{name}`.

use assistant::domain::ModelName;
use platform::domain::Role;
use platform::input::{Fields, Input};
use tally_access::domain::Label;
use tally_chat::domain::{
    Agent, AgentName, AgentRoles, Confirm, MaxCost, MaxSteps, Purpose, ToolNames,
};
use tally_prompts::domain::PromptRef;
use tally_tools::NAMES;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};

/// The agent from now on. A field that you leave out gets its default.
#[derive(Debug, Clone, ToSchema)]
pub struct AgentChange {
    /// Name for people, on one line.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Finance")]
    pub title: Label,
    /// Its purpose, for people.
    #[schema(value_type = Option<String>, max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "Answers questions about profits and uploaded ranges.")]
    pub description: Purpose,
    /// The server's prompt, of the kind `chat`: `default`, unless you name another. You may name a
    /// version of it too: `name@label` or `name@7`.
    #[schema(value_type = Option<String>, pattern = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?(@([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8}))?$", example = "agent.finance")]
    pub prompt: PromptRef,
    /// Names of the tools that the model may use; none by default.
    #[schema(schema_with = tools, required = false)]
    pub tools: ToolNames,
    /// The model to ask. It needs a price in this deployment. Without a name, the model of the
    /// deployment is asked.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,95}$")]
    pub model: Option<ModelName>,
    /// Calls of the model for one reply, at most.
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 8, default = 8)]
    pub max_steps: MaxSteps,
    /// The most that one reply may cost, in US dollars.
    #[schema(schema_with = max_cost, required = false)]
    pub max_cost_usd: MaxCost,
    /// The calls of tools that the user has to confirm: `writes`, unless you say otherwise.
    #[schema(value_type = Option<Confirm>)]
    pub confirm: Confirm,
    /// The roles of which a user needs one. Without any, every user may use it.
    #[schema(value_type = Option<BTreeSet<Role>>, example = json!(["auditor"]))]
    pub roles: AgentRoles,
    /// Whether users may use it.
    #[schema(value_type = Option<bool>, default = true)]
    pub enabled: bool,
}

/// The schema of a list of tools.
fn tools() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(NAMES));
    ArrayBuilder::new()
        .items(name)
        .unique_items(true)
        .description(Some("Names of the tools that the model may use; none by default."))
        .examples([serde_json::json!(["query_profits", "remember"])])
        .into()
}

/// The schema of an amount: text, or a number that is exact in as many places.
fn max_cost() -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^([0-9]{1,2}(\.[0-9]{1,9})?|100(\.0{1,9})?)$"));
    let number = ObjectBuilder::new()
        .schema_type(Type::Number)
        .exclusive_minimum(Some(0))
        .maximum(Some(100));
    let description = "The most that one reply may cost, in US dollars: more than 0 and at most \
                       100, with at most nine places after the point. The default is 0.50. If the \
                       first call of the model alone could cost more, the reply may cost that.";
    OneOfBuilder::new()
        .item(text)
        .item(number)
        .description(Some(description))
        .examples(["0.50"])
        .into()
}

impl Input for AgentChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let title = fields.required("title");
        let description = fields.optional("description");
        let prompt = fields.optional("prompt");
        let tools = fields.optional::<ToolNames>("tools");
        let model = fields.optional("model");
        let max_steps = fields.optional("max_steps");
        let max_cost_usd = fields.optional("max_cost_usd");
        let confirm = fields.optional("confirm");
        let roles = fields.optional("roles");
        let enabled = fields.optional("enabled");
        let tools = tools?.unwrap_or_default();
        if !tools.as_slice().iter().all(|name| NAMES.contains(&name.as_str())) {
            fields.refuse("tools", &format!("must be names of tools: {}", NAMES.join(", ")));
            return None;
        }
        Some(Self {
            title: title?,
            description: description?.unwrap_or_default(),
            prompt: prompt?.unwrap_or_default(),
            tools,
            model: model?,
            max_steps: max_steps?.unwrap_or_default(),
            max_cost_usd: max_cost_usd?.unwrap_or_default(),
            confirm: confirm?.unwrap_or_default(),
            roles: roles?.unwrap_or_default(),
            enabled: enabled?.unwrap_or(true),
        })
    }
}

impl AgentChange {
    /// The agent with this name and version.
    pub fn agent(&self, name: &AgentName, version: u64) -> Agent {
        let change = self.clone();
        let Label(title) = change.title;
        Agent {
            name: name.to_string(),
            title,
            description: change.description.into_string(),
            prompt: change.prompt,
            tools: change.tools.into_vec(),
            model: change.model.map(ModelName::into_string),
            max_steps: change.max_steps.get(),
            max_cost_usd: change.max_cost_usd.amount(),
            confirm: change.confirm,
            roles: change.roles.into_vec(),
            enabled: change.enabled,
            version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: Value) -> Result<Agent, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        let change = Fields::json(members).read::<AgentChange>();
        let change = change.map(|change| change.agent(&"a".parse().unwrap(), 1));
        change.map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn an_agent_has_defaults() {
        let agent = read(json!({"title": "A"})).unwrap();
        let expected = json!({
            "name": "a", "title": "A", "description": "", "prompt": "default", "tools": [],
            "max_steps": 8, "max_cost_usd": "0.50", "confirm": "writes", "roles": [],
            "enabled": true, "version": 1,
        });
        assert_eq!(json!(agent), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (more, faults) in [
            (json!({"title": ""}), &["/title"][..]),
            (json!({"title": null}), &["/title"]),
            (json!({"description": "x".repeat(501)}), &["/description"]),
            (json!({"prompt": "You are a pirate."}), &["/prompt"]),
            (json!({"tools": ["no_such_tool"]}), &["/tools"]),
            (json!({"tools": ["find", "find"]}), &["/tools"]),
            (json!({"model": "a model"}), &["/model"]),
            (json!({"max_steps": 9, "max_cost_usd": 0}), &["/max_steps", "/max_cost_usd"]),
            (json!({"confirm": "never", "roles": ["root"]}), &["/confirm", "/roles"]),
            (json!({"enabled": "yes"}), &["/enabled"]),
            (json!({"version": 3}), &["/version"]),
        ] {
            let mut body = json!({"title": "A"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(read(body).unwrap_err(), faults, "{more}");
        }
    }
}
