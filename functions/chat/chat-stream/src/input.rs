//! The input of the model: the conversation that a reply continues, and the cells of the message to
//! answer. It has no more than the hold pays for and the rules let a model see.

use assistant::domain::{Cost, MessageRole, PromptName};
use assistant::pricing::{Pricing, tokens_at_most, tokens_of_bytes};
use assistant::{Content, Turn, system_prompt};
use platform::clock::{Clock, Timestamp};
use platform::{ConfigError, Platform, Problem};
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};
use tally_chat::store::{Message, Messages};
use tally_chat::{
    Asked, CELL_BYTES, ContextCells, Excerpts, REMEMBERED, for_model, remembered, within,
};

/// Reads conversations and cells, and knows what replies to them can cost.
pub struct Inputs {
    messages: Messages,
    readers: Readers,
    cells: ContextCells,
    /// What replies can cost, if they cost anything.
    pricing: Option<Pricing>,
    clock: Clock,
}

/// The input of a model.
pub struct Input {
    /// The messages, oldest first. The model answers the last one.
    said: Vec<Message>,
    /// The cells that the last one is about.
    cells: Option<Excerpts>,
    /// The sources of the messages and the cells.
    pub sources: Sources,
}

impl Inputs {
    /// Uses the table of messages, those of [`Readers`] and [`ContextCells`], and the prices of the
    /// settings.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            readers: Readers::new(platform)?,
            cells: ContextCells::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
            clock: platform.clock.clone(),
        })
    }

    /// The conversation up to the message that this reply answers, and the cells of this message.
    /// The rules at this moment decide, for the user, which of them a model may see. If the reply
    /// can cost anything, the input has no more of both than the hold pays for.
    pub async fn read(&self, reply: &Message) -> Result<Input, Problem> {
        let now = self.clock.now();
        let last = reply.answers.as_ref().unwrap_or(&reply.id);
        let said = remembered(&self.messages, &reply.conversation_id, last, REMEMBERED).await?;
        let is_asked = |said: &[Message]| said.last().is_some_and(|message| message.id == *last);
        let was_asked = is_asked(&said);
        let (said, sources) = for_model(&self.readers, &reply.user_id, said, now).await?;
        if was_asked && !is_asked(&said) {
            return Err(Problem::not_granted(Action::Ai.as_str()));
        }
        let asked = said.last().filter(|message| message.id == *last);
        let cells = self.cells_of(reply, asked, now).await?;
        let said = match &reply.hold {
            Some(hold) => {
                let taken = cells.as_ref().map_or(0, |cells| tokens_at_most(cells.text()));
                within(said, hold.tokens.saturating_sub(taken))
            }
            None => said,
        };
        Input::of(said, cells, sources)
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

    /// Whether the reply's hold covers what the reply can cost. Another function computed the hold,
    /// and may have had other prices.
    pub fn is_covered(&self, reply: &Message, prompt: PromptName, input: &Input) -> bool {
        let cells = input.cells.iter().map(Excerpts::text);
        let texts = input.said.iter().map(|message| message.text.as_str());
        let texts = texts.chain(cells).chain([system_prompt(prompt)]);
        let worst = self.pricing.as_ref().map_or(Cost::ZERO, |pricing| pricing.worst(texts));
        worst <= reply.hold.as_ref().map_or(Cost::ZERO, |hold| hold.cost)
    }

    /// Stores the sources of a reply before there is any text of it. Returns false if another
    /// function has ended the reply.
    pub async fn note(&self, reply: &Message, sources: &Sources) -> Result<bool, Problem> {
        Ok(self.messages.note_sources(&reply.conversation_id, &reply.id, sources).await?)
    }
}

impl Input {
    /// If a message can't keep all sources together, the model is not shown the earlier messages.
    fn of(
        mut said: Vec<Message>,
        cells: Option<Excerpts>,
        mut sources: Sources,
    ) -> Result<Self, Problem> {
        let Some(found) = &cells else { return Ok(Self { said, cells, sources }) };
        if !sources.add(found.sources()) {
            said.drain(..said.len().saturating_sub(1));
            sources = said.last().map(|last| last.sources.clone()).unwrap_or_default();
            if !sources.add(found.sources()) {
                return Err(Problem::internal());
            }
        }
        Ok(Self { said, cells, sources })
    }

    /// The input for the audit log.
    pub fn asked(&self, prompt: PromptName) -> Asked {
        let asked = Asked::new(prompt, &self.said);
        self.cells.iter().fold(asked, Asked::about)
    }

    /// The turns of the conversation. The cells stand in the last one, before the question.
    pub fn into_turns(self) -> Vec<Turn> {
        let said = self.said.into_iter();
        let mut turns: Vec<_> =
            said.map(|message| Turn::text(message.role, message.text)).collect();
        let cells = self.cells.filter(|cells| !cells.text().is_empty());
        if let (Some(cells), Some(last)) = (cells, turns.last_mut())
            && last.role == MessageRole::User
        {
            last.content.insert(0, Content::Text(cells.text().to_owned()));
        }
        turns
    }
}
