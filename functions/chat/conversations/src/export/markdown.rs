//! A conversation as Markdown. Every message is a block quote, and each of its lines begins with
//! the mark of the quote. So no text in it can end the quote, close over what follows, or pass for
//! a heading of the document. A message contains no HTML and loads no image, because a viewer of
//! the file would run the HTML and fetch the image.

use std::fmt::Write as _;

use assistant::domain::MessageRole;
use tally_chat::domain::MessageStatus;

use super::ExportedConversation;
use crate::MessageView;

/// The document.
pub fn document(export: &ExportedConversation) -> String {
    let conversation = &export.conversation;
    let title = match conversation.title.as_str() {
        _ if conversation.withheld => "Withheld",
        "" => "Untitled",
        title => title,
    };
    let mut text = format!("# {}\n\n", escape(title));
    let _ = writeln!(
        text,
        "Conversation {}, begun {}, exported {}.",
        conversation.id, conversation.created_at, export.exported_at
    );
    if export.part > 1 || export.next_cursor.is_some() {
        let rest = if export.next_cursor.is_some() {
            "; more follows in the next one"
        } else {
            ", the last one"
        };
        let _ = writeln!(text, "This is part {}{rest}.", export.part);
    }
    for message in &export.messages {
        let _ = write!(text, "\n## {}\n", heading(message));
        if message.withheld {
            text.push_str("\nWithheld: it came from cells that you may no longer read.\n");
        } else if !message.text.is_empty() {
            let _ = write!(text, "\n{}", quote(&message.text));
        }
    }
    text
}

/// The author and time of a message, and how it ended unless it is complete.
fn heading(message: &MessageView) -> String {
    let who = match message.role {
        MessageRole::User => "You",
        MessageRole::Assistant => "Assistant",
    };
    let end = match message.status {
        MessageStatus::Completed => "",
        MessageStatus::Pending | MessageStatus::Streaming => " (being written)",
        MessageStatus::AwaitingConfirmation => " (waits for a confirmation)",
        MessageStatus::Cancelled => " (cancelled)",
        MessageStatus::Failed => " (failed)",
    };
    format!("{who}, {}{end}", message.created_at)
}

/// A text as a block quote. In Markdown, a line feed, a carriage return or both end a line.
pub fn quote(text: &str) -> String {
    let lines = disarm(text).replace("\r\n", "\n").replace('\r', "\n");
    lines
        .split('\n')
        .map(|line| if line.is_empty() { ">\n".to_owned() } else { format!("> {line}\n") })
        .collect()
}

/// A text in which no HTML, autolink or image begins. Each `<` and each `![` has a backslash,
/// unless it has one already. In code the backslash shows. The JSON export has every text as it is.
fn disarm(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        let begins = c == '<' || text[at..].starts_with("![");
        if begins && !is_escaped {
            out.push('\\');
        }
        out.push(c);
        is_escaped = c == '\\' && !is_escaped;
    }
    out
}

/// A text whose special characters are escaped, for use within a line.
fn escape(text: &str) -> String {
    let special = |c| {
        matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '~' | '$' | '|')
    };
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConversationView;
    use tally_chat::domain::ConversationStatus;

    #[test]
    fn no_text_leaves_its_quote() {
        for (text, expected) in [
            ("one", "> one\n"),
            ("one\n\ntwo", "> one\n>\n> two\n"),
            ("```\nfence", "> ```\n> fence\n"),
            ("# heading\r## another\r\nunder\n===", "> # heading\n> ## another\n> under\n> ===\n"),
            ("<!--\n\n", "> \\<!--\n>\n>\n"),
            ("    code\n> quote\n- [x]: y", ">     code\n> > quote\n> - [x]: y\n"),
        ] {
            assert_eq!(quote(text), expected, "{text:?}");
            assert!(quote(text).lines().all(|line| line.starts_with('>')));
        }
    }

    #[test]
    fn a_message_holds_no_html_and_no_image() {
        for (text, expected) in [
            ("<script>x</script>", "\\<script>x\\</script>"),
            ("![a](https://evil.example/p.gif)", "\\![a](https://evil.example/p.gif)"),
            ("well! [a](b) 1 < 2", "well! [a](b) 1 \\< 2"),
            // Escaped already, and an escaped backslash before it.
            ("\\<b> \\![a](b)", "\\<b> \\![a](b)"),
            ("\\\\<b> \\\\![a](b)", "\\\\\\<b> \\\\\\![a](b)"),
            ("\\\n<b>", "\\\n\\<b>"),
        ] {
            assert_eq!(disarm(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_title_is_text_and_nothing_else() {
        for (title, expected) in [
            ("How did Alpha do?", "How did Alpha do?"),
            ("<script> & `x` *y* _z_ #", "\\<script\\> \\& \\`x\\` \\*y\\* \\_z\\_ \\#"),
            ("[a](javascript:b) \\", "\\[a\\](javascript:b) \\\\"),
        ] {
            assert_eq!(escape(title), expected);
        }
    }

    #[test]
    fn a_document_says_who_said_what_and_how_it_ended() {
        let message = |role, text: &str, status| MessageView {
            id: "m".into(),
            conversation_id: "c".into(),
            role,
            text: text.into(),
            withheld: false,
            sources: Vec::new(),
            status,
            created_at: "2026-01-31T09:30:00.000Z".into(),
            stop_reason: None,
            usage: None,
            cost_usd: None,
            error: None,
            prompt: None,
            agent: None,
            tool_calls: Vec::new(),
        };
        let at = |time: &str| format!("2026-01-31T{time}.000Z");
        let conversation = ConversationView {
            id: "c".into(),
            title: "A *title*".into(),
            withheld: false,
            agent: None,
            status: ConversationStatus::Active,
            created_at: at("09:30:00"),
            updated_at: at("09:30:00"),
        };
        let said = vec![
            message(MessageRole::User, "Hello\n# there", MessageStatus::Completed),
            message(MessageRole::Assistant, "", MessageStatus::Failed),
        ];
        let mut export = ExportedConversation {
            conversation,
            exported_at: at("10:00:00"),
            part: 1,
            messages: said,
            next_cursor: None,
        };
        let expected = "# A \\*title\\*\n\nConversation c, begun 2026-01-31T09:30:00.000Z, \
                        exported 2026-01-31T10:00:00.000Z.\n\n\
                        ## You, 2026-01-31T09:30:00.000Z\n\n> Hello\n> # there\n\n## Assistant, \
                        2026-01-31T09:30:00.000Z (failed)\n";
        assert_eq!(document(&export), expected);
        export.next_cursor = Some("more".into());
        assert!(document(&export).contains("This is part 1; more follows in the next one.\n"));
        (export.part, export.next_cursor) = (2, None);
        assert!(document(&export).contains("This is part 2, the last one.\n"));
        export.conversation.title.clear();
        assert!(document(&export).starts_with("# Untitled\n"));
        (export.conversation.withheld, export.messages[0].withheld) = (true, true);
        export.messages[0].text.clear();
        let text = document(&export);
        assert!(text.starts_with("# Withheld\n"));
        assert!(text.contains("\nWithheld: it came from cells that you may no longer read.\n"));
    }
}
