//! The input of a model: the last messages of a conversation as far as they are paid.

use assistant::pricing::tokens_at_most;
use jiff::Timestamp;
use platform::database::StoreError;
use tally_access::domain::Action;
use tally_access::sources::{Readers, Sources};

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

/// The messages of these, oldest first, that a model may see now on behalf of a user, and the
/// sources of all. A message is left out if the user may no longer give one of its sources to a
/// model. So are all messages before the first one, from the end, whose sources no longer fit.
pub async fn for_model(
    readers: &Readers,
    user_id: &str,
    mut said: Vec<Message>,
    now: Timestamp,
) -> Result<(Vec<Message>, Sources), StoreError> {
    said = fitting(said);
    let named: Vec<_> = said.iter().map(|message| &message.sources).collect();
    let rights = readers.rights(user_id, &named, now).await?;
    said.retain(|message| rights.may(&message.sources, Action::Ai));
    let mut sources = Sources::default();
    // They fit together, so the ones that are left do too.
    said.retain(|message| sources.add(&message.sources));
    Ok((said, sources))
}

/// The last of these messages whose sources fit together.
fn fitting(mut said: Vec<Message>) -> Vec<Message> {
    let mut sources = Sources::default();
    let fit = said.iter().rev().take_while(|message| sources.add(&message.sources)).count();
    said.split_off(said.len() - fit)
}

#[cfg(test)]
mod tests {
    use super::{fitting, mark_stopped, within};
    use crate::store::Message;
    use crate::turn;
    use assistant::domain::MessageRole;
    use jiff::Timestamp;
    use tally_access::sources::{Source, Sources, WORKBOOKS};

    fn message(text: &str) -> Message {
        let (role, at) = (MessageRole::User, Timestamp::UNIX_EPOCH);
        turn::message("c".into(), "u", role, text, at)
    }

    #[test]
    fn the_newest_messages_are_shown_as_far_as_they_are_paid() {
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
            let shown = within(said.iter().map(|text| message(text)).collect(), tokens);
            let shown: Vec<_> = shown.iter().map(|message| message.text.as_str()).collect();
            assert_eq!(shown, expected, "{tokens}");
        }
    }

    #[test]
    fn the_newest_messages_are_shown_as_far_as_their_sources_fit() {
        let about = |workbooks: std::ops::Range<usize>| {
            let id = |number| format!("019a0000-0000-7000-8000-{number:012x}");
            let source = |number| Source {
                workbook_id: id(number),
                sheet_id: id(0),
                column_ids: vec![id(1)],
                results_only: false,
            };
            let sources: Vec<_> = workbooks.map(source).collect();
            Message { sources: Sources::of(&sources).unwrap(), ..message("") }
        };
        for (said, expected) in [
            (vec![], 0),
            (vec![about(0..0), about(0..WORKBOOKS), about(0..5)], 3),
            (vec![about(0..WORKBOOKS), about(0..0), about(WORKBOOKS..WORKBOOKS + 3)], 2),
            (vec![about(0..5), about(1..WORKBOOKS), about(WORKBOOKS - 1..WORKBOOKS)], 3),
            (vec![about(0..2), about(1..WORKBOOKS), about(WORKBOOKS..WORKBOOKS + 1)], 2),
        ] {
            assert_eq!(fitting(said).len(), expected);
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
