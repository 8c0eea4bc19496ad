//! The agents that a new deployment has.

use platform::audit::AuditDetails;
use platform::domain::Role;
use platform::{Plan, Problem};
use tally_chat::domain::{Agent, Confirm, MaxCost, MaxSteps};
use tally_chat::store::Agents;
use tally_prompts::domain::PromptName;

/// An agent as it is at first.
pub struct Sample {
    pub name: &'static str,
    title: &'static str,
    description: &'static str,
    prompt: &'static str,
    tools: &'static [&'static str],
    roles: &'static [Role],
}

pub const SAMPLES: &[Sample] = &[
    Sample {
        name: "default",
        title: "Assistant",
        description: "Answers from the conversation, without tools.",
        prompt: PromptName::DEFAULT,
        tools: &[],
        roles: &[],
    },
    Sample {
        name: "finance",
        title: "Finance",
        description: "Answers questions about profits and uploaded ranges of cells.",
        prompt: "agent.finance",
        tools: &[
            "query_profits",
            "summarize_profits",
            "list_ranges",
            "read_cells",
            "find",
            "aggregate",
            "remember",
            "forget",
        ],
        roles: &[],
    },
    Sample {
        name: "tasks",
        title: "Tasks",
        description: "Keeps your list of tasks.",
        prompt: "agent.tasks",
        tools: &[
            "add_task",
            "list_tasks",
            "complete_task",
            "update_task",
            "delete_task",
            "remember",
            "forget",
        ],
        roles: &[],
    },
    Sample {
        name: "auditor",
        title: "Auditor",
        description: "Answers questions about the audit log.",
        prompt: "agent.auditor",
        tools: &["query_audit"],
        roles: &[Role::Auditor, Role::Admin],
    },
];

impl Sample {
    /// The agent and its event, where there has never been one of this name.
    pub fn plan(&self, agents: &Agents) -> Result<Plan<()>, Problem> {
        let details = AuditDetails::default().resource("agent", self.name).detail("seeded", true);
        let plan = Plan::reply(()).details(details.detail("version", 1));
        Ok(plan.write(agents.put(&self.agent()?, 0)?))
    }

    fn agent(&self) -> Result<Agent, Problem> {
        let prompt = self.prompt.parse().map_err(|_| Problem::internal())?;
        Ok(Agent {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            prompt,
            tools: self.tools.iter().map(|&tool| tool.to_owned()).collect(),
            model: None,
            max_steps: MaxSteps::default().get(),
            max_cost_usd: MaxCost::default().amount(),
            confirm: Confirm::default(),
            roles: self.roles.to_vec(),
            enabled: true,
            version: 1,
        })
    }
}
