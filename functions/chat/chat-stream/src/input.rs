//! The input of the model: the conversation that a reply continues, as far as its hold pays for it.

use assistant::domain::{Cost, PromptName};
use assistant::pricing::Pricing;
use assistant::system_prompt;
use platform::{ConfigError, Platform, Problem};
use tally_chat::store::{Message, Messages};
use tally_chat::{REMEMBERED, remembered, within};

/// Reads conversations, and knows what replies to them can cost.
pub struct Inputs {
    messages: Messages,
    /// What replies can cost, if they cost anything.
    pricing: Option<Pricing>,
}

impl Inputs {
    /// Uses the table of messages, and the prices of the settings.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
        })
    }

    /// The conversation up to the message that this reply answers, as the model sees it. If the
    /// reply can cost anything, these are the remembered messages that its hold pays for.
    pub async fn turns(&self, reply: &Message) -> Result<Vec<Message>, Problem> {
        let last = reply.answers.as_ref().unwrap_or(&reply.id);
        let said = remembered(&self.messages, &reply.conversation_id, last, REMEMBERED).await?;
        Ok(match &reply.hold {
            Some(hold) => within(said, hold.tokens),
            None => said,
        })
    }

    /// Whether the reply's hold covers what the reply can cost. Another function computed the hold,
    /// and may have had other prices.
    pub fn is_covered(&self, reply: &Message, prompt: PromptName, turns: &[Message]) -> bool {
        let texts =
            turns.iter().map(|message| message.text.as_str()).chain([system_prompt(prompt)]);
        let worst = self.pricing.as_ref().map_or(Cost::ZERO, |pricing| pricing.worst(texts));
        worst <= reply.hold.as_ref().map_or(Cost::ZERO, |hold| hold.cost)
    }
}
