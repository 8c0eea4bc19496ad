//! The input of the model: the conversation, the cells of the message to answer, the notes, and the
//! steps that the reply has taken. It has no more than the hold pays for and the rules let a model
//! see.

use std::sync::Arc;

use assistant::domain::{Cost, MessageRole};
use assistant::pricing::{Pricing, tokens_at_most, tokens_of_bytes};
use assistant::{Content, Request, Tool, Turn};
use futures_util::future::try_join3;
use platform::clock::{Clock, Timestamp};
use platform::{ConfigError, Platform, Problem};
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};
use tally_chat::store::{Message, Messages};
use tally_chat::{
    Asked, CELL_BYTES, ContextCells, Excerpts, Notebook, Notes, REMEMBERED, for_model, remembered,
    within,
};
use tally_prompts::Registry;
use tally_prompts::domain::{Pinned, Values, Version};

use crate::taken::Taken;
use crate::turns::with_steps;

/// Reads conversations, cells and notes, and knows what replies to them can cost.
pub struct Inputs {
    messages: Messages,
    readers: Readers,
    cells: ContextCells,
    notebook: Notebook,
    registry: Registry,
    /// What replies can cost, if they cost anything.
    pricing: Option<Pricing>,
    clock: Clock,
}

/// The input of a model.
pub struct Input {
    /// The version of the prompt.
    prompt: Arc<Version>,
    /// The system prompt.
    system: String,
    /// The messages, oldest first. The model answers the last one, whose text stands in the
    /// template of the prompt.
    said: Vec<Message>,
    /// The cells that the last one is about.
    cells: Option<Excerpts>,
    /// The notes of the conversation. There are none without an agent.
    notes: Notes,
    /// The sources of all this, and of the steps that the reply has taken.
    pub sources: Sources,
    /// The tools that the model may use.
    pub tools: Vec<Tool>,
}

impl Inputs {
    /// Uses the table of messages, those of [`Readers`], [`ContextCells`] and [`Notebook`], and the
    /// prices of the settings.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            readers: Readers::new(platform)?,
            cells: ContextCells::new(platform)?,
            notebook: Notebook::new(platform)?,
            registry: Registry::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
            clock: platform.clock.clone(),
        })
    }

    /// The conversation up to the message that this reply answers, the cells of this message, and
    /// with an agent the notes. The rules at this moment decide, for the user, which of them a
    /// model may see. If the reply can cost anything, the input has no more of them than the hold
    /// pays for.
    pub async fn read(&self, reply: &Message) -> Result<Input, Problem> {
        let now = self.clock.now();
        let (read, notes, prompt) =
            try_join3(self.said(reply, now), self.notes(reply, now), self.prompt(reply)).await?;
        let (mut said, sources) = read;
        let last = reply.answers.as_ref().unwrap_or(&reply.id);
        let mut asked = said.last_mut().filter(|message| message.id == *last);
        let system = in_template(&prompt, reply, asked.as_deref_mut())?;
        let cells = self.cells_of(reply, asked.as_deref(), now).await?;
        let said = match &reply.hold {
            Some(hold) => {
                let taken = cells.as_ref().map_or(0, |cells| tokens_at_most(cells.text()));
                within(said, hold.tokens.saturating_sub(taken))
            }
            None => said,
        };
        let tools = Vec::new();
        Input { prompt, system, said, cells, notes, sources, tools }.with_sources(reply)
    }

    /// The version of the prompt with which the reply began.
    async fn prompt(&self, reply: &Message) -> Result<Arc<Version>, Problem> {
        let Pinned { name, version } = &reply.prompt;
        self.registry.version(name, *version).await?.ok_or_else(|| {
            tracing::error!(
                message_id = reply.id,
                prompt = %name,
                version,
                "failed to find the prompt of a reply"
            );
            Problem::internal()
        })
    }

    /// The messages that the model may see, and their sources.
    async fn said(
        &self,
        reply: &Message,
        now: Timestamp,
    ) -> Result<(Vec<Message>, Sources), Problem> {
        let last = reply.answers.as_ref().unwrap_or(&reply.id);
        let said = remembered(&self.messages, &reply.conversation_id, last, REMEMBERED).await?;
        let is_asked = |said: &[Message]| said.last().is_some_and(|message| message.id == *last);
        let was_asked = is_asked(&said);
        let (said, sources) = for_model(&self.readers, &reply.user_id, said, now).await?;
        if was_asked && !is_asked(&said) {
            return Err(Problem::not_granted(Action::Ai.as_str()));
        }
        Ok((said, sources))
    }

    async fn notes(&self, reply: &Message, now: Timestamp) -> Result<Notes, Problem> {
        if reply.terms.is_none() {
            return Ok(Notes::default());
        }
        Ok(self.notebook.notes(&reply.user_id, &reply.conversation_id, now).await?)
    }

    async fn cells_of(
        &self,
        reply: &Message,
        asked: Option<&Message>,
        now: Timestamp,
    ) -> Result<Option<Excerpts>, Problem> {
        let Some(asked) = asked else { return Ok(None) };
        let Some(context) = &asked.context else { return Ok(None) };
        let paid = reply.hold.as_ref().map_or(CELL_BYTES, |hold| {
            let others = tokens_at_most(&asked.text) + tokens_of_bytes(0);
            usize::try_from(hold.tokens.saturating_sub(others)).unwrap_or(CELL_BYTES)
        });
        self.cells.read(context, &reply.user_id, paid, now).await.map(Some)
    }

    /// Whether the reply's hold covers this request, after what the reply has cost. Another
    /// function computed the hold, and may have had other prices.
    pub fn is_covered(&self, reply: &Message, spent: Cost, request: &Request) -> bool {
        let worst = self.pricing.as_ref().map(|pricing| pricing.worst_of_request(request));
        let mut worst = worst.unwrap_or(Cost::ZERO);
        worst += spent;
        worst <= reply.hold.as_ref().map_or(Cost::ZERO, |hold| hold.cost)
    }

    /// Requires that the model may see again what it has seen in this reply. The rules may have
    /// changed since the step before, above all while the reply waited for its user.
    pub async fn may_be_shown(&self, reply: &Message) -> Result<(), Problem> {
        let Message { user_id, sources, .. } = reply;
        let rights = self.readers.rights(user_id, &[sources], self.clock.now()).await?;
        if rights.may(sources, Action::Ai) {
            Ok(())
        } else {
            Err(Problem::not_granted(Action::Ai.as_str()))
        }
    }

    /// Stores the sources of a reply before there is any text from them. Returns false if another
    /// function has ended the reply.
    pub async fn note(&self, reply: &Message, sources: &Sources) -> Result<bool, Problem> {
        Ok(self.messages.note_sources(&reply.conversation_id, &reply.id, sources).await?)
    }
}

impl Input {
    /// The same with the sources of all its parts. If a message can't keep all sources together,
    /// the model is not shown the earlier messages. A reply that goes on after it has waited keeps
    /// the sources of its steps.
    fn with_sources(mut self, reply: &Message) -> Result<Self, Problem> {
        let steps = (reply.steps > 0).then_some(&reply.sources);
        let cells = self.cells.iter().map(Excerpts::sources);
        let more: Vec<_> = cells.chain([self.notes.sources()]).chain(steps).collect();
        if !add_all(&mut self.sources, &more) {
            self.said.drain(..self.said.len().saturating_sub(1));
            self.sources = self.said.last().map(|last| last.sources.clone()).unwrap_or_default();
            if !add_all(&mut self.sources, &more) {
                return Err(Problem::internal());
            }
        }
        Ok(self)
    }

    /// The request of the step with this number, after these steps. The last step that the agent
    /// may take has to do without tools.
    pub fn request(&self, reply: &Message, taken: &[Taken], number: u8) -> Request {
        let terms = reply.terms.as_ref();
        Request {
            reply_id: reply.id.clone(),
            system: self.system.clone(),
            turns: with_steps(self.turns(), taken),
            tools: self.tools.clone(),
            without_tools: terms.is_some_and(|terms| number >= terms.max_steps),
            model: terms.and_then(|terms| terms.model.clone()).or_else(|| {
                self.prompt.content.model.as_ref().map(|model| model.as_str().to_owned())
            }),
            max_tokens: self.prompt.content.max_tokens,
            effort: self.prompt.content.effort,
            // A prompt of a chat has none.
            output_schema: None,
        }
    }

    /// The input for the audit log. The end of the reply adds its steps.
    pub fn asked(&self) -> Asked {
        let asked = Asked::new(&self.prompt, &self.said).with_notes(&self.notes);
        self.cells.iter().fold(asked, Asked::about)
    }

    /// The turns of the conversation. The cells and the notes stand in the last one, before the
    /// question.
    fn turns(&self) -> Vec<Turn> {
        let said = self.said.iter();
        let mut turns: Vec<_> =
            said.map(|message| Turn::text(message.role, message.text.clone())).collect();
        let cells = self.cells.iter().map(Excerpts::text);
        let before = cells.chain([self.notes.text()]).filter(|text| !text.is_empty());
        if let Some(last) = turns.last_mut().filter(|last| last.role == MessageRole::User) {
            last.content.splice(0..0, before.map(|text| Content::Text(text.to_owned())));
        }
        turns
    }
}

/// Puts the text of the message to answer into the template of the prompt. Gives the system prompt.
fn in_template(
    prompt: &Version,
    reply: &Message,
    asked: Option<&mut Message>,
) -> Result<String, Problem> {
    let Some(asked) = asked else {
        return Ok(prompt.render(&Values::default(), "", reply.day())?.system);
    };
    let rendered = prompt.render(&asked.variables, &asked.text, reply.day())?;
    asked.text = rendered.user;
    Ok(rendered.system)
}

/// Adds all of these sources. Returns false if there is no room for them.
fn add_all(sources: &mut Sources, more: &[&Sources]) -> bool {
    more.iter().all(|more| sources.add(more))
}
