//! Resources: data that a client shows to its user, or gives to a model without a tool. They are
//! read by the tools, so the same rights apply.

use http::StatusCode;
use percent_encoding::percent_decode_str;
use platform::domain::ResourceId;
use platform::identity::Authority;
use platform::{ConfigError, Platform, Problem};
use serde_json::{Map, Value, json};
use tally_tasks::Tasks;
use tally_tools::Refused;

use super::asked::{Asked, Refusal, text};
use super::tools::Tools;
use crate::protocol::{Fault, RpcResult};

/// The scheme of the URIs.
const SCHEME: &str = "tally://";

/// Media type of every resource.
const JSON: &str = "application/json";

/// The tool that lists tasks.
const LIST_TASKS: &str = "list_tasks";

/// The tool that reads profits.
const QUERY_PROFITS: &str = "query_profits";

/// A resource by its URI.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    /// The open tasks of the caller.
    Tasks,
    /// One task of the caller.
    Task(ResourceId),
    /// The profits of a company in a year.
    Profits { company: String, year: u16 },
}

/// Reads resources.
pub struct Resources {
    tasks: Tasks,
}

/// The resources that have a URI of their own.
pub fn list(tools: &Tools, authority: &Authority) -> RpcResult {
    let tasks = json!({
        "uri": "tally://tasks",
        "name": "tasks",
        "title": "Open tasks",
        "description": "Your open tasks, the newest first.",
        "mimeType": JSON,
    });
    let tasks = tools.permits(LIST_TASKS, authority).then_some(tasks);
    RpcResult::default().with("resources", Vec::from_iter(tasks)).cacheable()
}

/// The resources whose URI depends on what is read.
pub fn templates(tools: &Tools, authority: &Authority) -> RpcResult {
    let profits = json!({
        "uriTemplate": "tally://profits/{company}/{year}",
        "name": "profits",
        "title": "Profits of a company in a year",
        "description": "The profits of each month, as decimal strings.",
        "mimeType": JSON,
    });
    let task = json!({
        "uriTemplate": "tally://tasks/{id}",
        "name": "task",
        "title": "One task",
        "description": "A task of yours, open or completed.",
        "mimeType": JSON,
    });
    let templates: Vec<_> = [(QUERY_PROFITS, profits), (LIST_TASKS, task)]
        .into_iter()
        .filter_map(|(tool, template)| tools.permits(tool, authority).then_some(template))
        .collect();
    RpcResult::default().with("resourceTemplates", templates).cacheable()
}

/// The tool whose rights a resource needs.
pub fn tool_of(uri: &str) -> Option<&'static str> {
    Some(Resource::parse(uri)?.tool())
}

impl Resources {
    /// Uses the table of tasks.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    /// Reads the resource that a request names.
    pub async fn read(&self, tools: &Tools, asked: &Asked<'_>) -> Result<RpcResult, Refusal> {
        let uri = text(asked.message, "uri")?;
        let found = match Resource::parse(uri) {
            Some(resource) if tools.permits(resource.tool(), asked.authority) => {
                self.find(resource, tools, asked).await?
            }
            _ => None,
        };
        let found = found.ok_or_else(|| Fault::no_resource(asked.era, uri))?;
        let contents = json!([{"uri": uri, "mimeType": JSON, "text": found.to_string()}]);
        Ok(RpcResult::default().with("contents", contents).cacheable())
    }

    /// What a resource has; `None` if there is no such resource for the caller.
    async fn find(
        &self,
        resource: Resource,
        tools: &Tools,
        asked: &Asked<'_>,
    ) -> Result<Option<Value>, Problem> {
        let tool = resource.tool();
        match resource {
            Resource::Tasks => of_tool(tools, asked, tool, &Map::new()).await,
            Resource::Task(id) => {
                let task = self.tasks.get(&asked.caller.user_id, id.as_str()).await?;
                task.map(serde_json::to_value).transpose().map_err(|_| Problem::internal())
            }
            Resource::Profits { company, year } => {
                let arguments = [("company", Value::from(company)), ("year", Value::from(year))];
                let arguments =
                    arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let page = of_tool(tools, asked, tool, &arguments).await?;
                let has_rows =
                    |page: &Value| page["items"].as_array().is_some_and(|rows| !rows.is_empty());
                Ok(page.filter(has_rows))
            }
        }
    }
}

/// The output of a tool; `None` if its arguments name nothing.
async fn of_tool(
    tools: &Tools,
    asked: &Asked<'_>,
    tool: &str,
    arguments: &Map<String, Value>,
) -> Result<Option<Value>, Problem> {
    match tools.run(asked, tool, arguments).await {
        Ok(answer) => Ok(Some(answer.content)),
        Err(Refused::Failed(problem))
            if !matches!(
                problem.status,
                StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY
            ) =>
        {
            Err(problem)
        }
        Err(_) => Ok(None),
    }
}

impl Resource {
    /// Reads a URI; `None` if no resource has it.
    fn parse(uri: &str) -> Option<Self> {
        let parts: Vec<_> = uri.strip_prefix(SCHEME)?.split('/').collect();
        match parts.as_slice() {
            ["tasks"] => Some(Self::Tasks),
            ["tasks", id] => Some(Self::Task(id.parse().ok()?)),
            ["profits", company, year] => {
                let company = percent_decode_str(company).decode_utf8().ok()?.into_owned();
                let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
                let is_named = is_year && !company.is_empty();
                Some(Self::Profits { company, year: year.parse().ok()? }).filter(|_| is_named)
            }
            _ => None,
        }
    }

    /// The tool whose rights it needs.
    fn tool(&self) -> &'static str {
        match self {
            Self::Tasks | Self::Task(_) => LIST_TASKS,
            Self::Profits { .. } => QUERY_PROFITS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_resource_or_none() {
        let id = "019a0000-0000-7000-8000-000000000000";
        let profits =
            |company: &str| Some(Resource::Profits { company: company.into(), year: 2023 });
        let task = format!("tally://tasks/{id}");
        for (uri, expected) in [
            ("tally://tasks", Some(Resource::Tasks)),
            (task.as_str(), Some(Resource::Task(id.parse().unwrap()))),
            ("tally://profits/Alpha/2023", profits("Alpha")),
            ("tally://profits/M%C3%BCller%20%26%20Co%2FKG/2023", profits("Müller & Co/KG")),
            ("tally://profits/a+b/2023", profits("a+b")),
            ("tally://profits/%FF/2023", None),
            ("tally://profits//2023", None),
            ("tally://profits/Alpha/23", None),
            ("tally://profits/Alpha/+023", None),
            ("tally://profits/Alpha/2023/1", None),
            ("tally://profits", None),
            ("tally://tasks/", None),
            ("tally://tasks/1", None),
            ("TALLY://tasks", None),
            ("https://tasks", None),
            ("tasks", None),
            ("", None),
        ] {
            assert_eq!(Resource::parse(uri), expected, "{uri}");
        }
    }
}
