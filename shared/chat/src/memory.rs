//! The input of a model: the last messages of a conversation as far as they are paid.

use assistant::pricing::tokens_at_most;
use platform::database::StoreError;

use crate::domain::MessageStatus;
use crate::store::{Message, Messages};

/// Messages of a conversation that a model is shown at most, the one that it answers included.
pub const REMEMBERED: u16 = 20;

/// The last messages of a conversation up to one, oldest first, as a model is shown them. The
/// worst-case cost of a reply is computed from the same messages.
pub async fn remembered(
    messages: &Messages,
    conversation_id: &str,
    until: &str,
    limit: u16,
) -> Result<Vec<Message>, StoreError> {
    let mut said = messages.said_until(conversation_id, until, limit).await?;
    for stopped in said.iter_mut().filter(|message| message.status == MessageStatus::Cancelled) {
        mark_stopped(&mut stopped.text);
    }
    Ok(said)
}

/// Marks a reply as stopped by its user.
fn mark_stopped(text: &mut String) {
    if text.trim().is_empty() {
        "[The user stopped this reply before it began.]".clone_into(text);
    } else {
        text.push_str("\n\n[The user stopped this reply here.]");
    }
}

/// The last of these messages, oldest first, that fit into so many tokens together.
pub fn within(mut said: Vec<Message>, mut tokens: u64) -> Vec<Message> {
    let paid = said.iter().rev().take_while(|message| {
        let left = tokens.checked_sub(tokens_at_most(&message.text));
        tokens = left.unwrap_or_default();
        left.is_some()
    });
    let paid = paid.count();
    said.split_off(said.len() - paid)
}

#[cfg(test)]
mod tests {
    use super::{mark_stopped, within};
    use crate::domain::MessageStatus;
    use crate::store::Message;
    use assistant::domain::MessageRole;

    #[test]
    fn the_newest_messages_are_shown_as_far_as_they_are_paid() {
        let message = |text: &&str| Message {
            conversation_id: "c".into(),
            id: "m".into(),
            user_id: "u".into(),
            role: MessageRole::User,
            text: (*text).to_owned(),
            status: MessageStatus::Completed,
            created_at: 0,
            answers: None,
            stop_reason: None,
            usage: None,
            cost_usd: None,
            failure: None,
            hold: None,
            origin: None,
        };
        // Each takes its bytes and 16 tokens.
        let said = ["oldest", "€€", "newest"];
        for (tokens, expected) in [
            (0, &[][..]),
            (21, &[]),
            (22, &["newest"]),
            (43, &["newest"]),
            (44, &["€€", "newest"]),
            (65, &["€€", "newest"]),
            (66, &said),
            (u64::MAX, &said),
        ] {
            let shown = within(said.iter().map(message).collect(), tokens);
            let shown: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
            assert_eq!(shown, expected, "{tokens}");
        }
    }

    #[test]
    fn a_stopped_reply_says_so_and_is_never_blank() {
        for (text, expected) in [
            ("Half of", "Half of\n\n[The user stopped this reply here.]"),
            ("", "[The user stopped this reply before it began.]"),
            (" \n", "[The user stopped this reply before it began.]"),
        ] {
            let mut marked = text.to_owned();
            mark_stopped(&mut marked);
            assert_eq!(marked, expected);
        }
    }
}
