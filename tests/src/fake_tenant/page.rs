//! The pages of the provider. They work with the keyboard alone, and without styles.

use super::person::Person;

const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; }
li { margin: 0.5rem 0; }
pre { border: 1px solid; overflow: auto; padding: 0.5rem; white-space: pre-wrap; word-break: break-all; }";

/// A person to pick, and the query of the link that does so.
pub(super) struct Choice {
    pub person: Person,
    pub query: String,
}

/// The page on which a user picks the person that signs in. `cancel` is the query of the link that
/// ends the sign-in.
pub(super) fn people(choices: &[Choice], cancel: &str) -> String {
    let items = choices.iter().map(|choice| {
        format!(
            "<li><a href=\"?{}\">{}</a> ({}; {})</li>\n",
            escape(&choice.query),
            escape(&choice.person.name),
            escape(&choice.person.upn),
            roles(&choice.person)
        )
    });
    let list = match items.collect::<String>() {
        items if items.is_empty() => "<p>This provider knows no people.</p>".to_owned(),
        items => format!("<ul>\n{items}</ul>"),
    };
    let cancel = format!("<p><a href=\"?{}\">Cancel the sign-in</a></p>", escape(cancel));
    document(
        "Pick a person",
        &format!("<p>Who signs in? This provider asks for no password.</p>\n{list}\n{cancel}"),
    )
}

/// The first page: how to sign in by hand. Each person comes with a command, if there is one.
pub(super) fn start(people: &[(Person, Option<String>)], browser_url: &str) -> String {
    let items = people.iter().map(|(person, command)| {
        let command = command.as_deref().map(pre).unwrap_or_default();
        format!(
            "<li>{} ({}; {}){command}</li>\n",
            escape(&person.name),
            escape(&person.upn),
            roles(person)
        )
    });
    let items: String = items.collect();
    let has_commands = people.iter().any(|(_, command)| command.is_some());
    let how = if has_commands {
        "<p>The command signs a person in with an access token, as an add-in does.</p>\n"
    } else {
        ""
    };
    let link = escape(browser_url);
    document(
        "The fake tenant",
        &format!(
            "<p>This is an identity provider for trials of Tally on this machine.</p>\n\
             <h2>In a browser</h2>\n<p><a href=\"{link}\">Sign in to Tally</a></p>\n\
             <h2>People</h2>\n{how}<ul>\n{items}</ul>"
        ),
    )
}

/// The page to which Tally sends the browser back. `command` redeems the code in the place of
/// `code`.
pub(super) fn returned(command: &str, code: &str) -> String {
    let script = format!(
        "const answer = new URLSearchParams(location.hash.slice(1));\n\
         const outcome = document.getElementById('outcome');\n\
         const command = document.getElementById('command');\n\
         const code = (answer.get('code') || '').replace(/[^\\w.~-]/g, '');\n\
         if (code) {{\n  \
           outcome.textContent = 'Tally has given a code. This command redeems it within a minute:';\n  \
           command.textContent = command.textContent.replace('{code}', code);\n  \
           command.hidden = false;\n\
         }} else if (answer.get('error')) {{\n  \
           outcome.textContent = 'The sign-in has failed: '\n    \
             + [...answer].map(([name, value]) => name + '=' + value).join(', ');\n\
         }}"
    );
    document(
        "Back from Tally",
        &format!(
            "<p id=\"outcome\" role=\"status\">No sign-in has come back to this page.</p>\n\
             <pre id=\"command\" tabindex=\"0\" hidden>{}</pre>\n\
             <p><a href=\"/\">To the first page</a></p>\n<script>\n{script}\n</script>",
            escape(command)
        ),
    )
}

/// A page with one sentence.
pub(super) fn message(title: &str, sentence: &str) -> String {
    document(title, &format!("<p>{}</p>", escape(sentence)))
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{content}\n</main>\n</body>\n</html>\n"
    )
}

fn roles(person: &Person) -> String {
    match person.roles.as_slice() {
        [] => "no role".to_owned(),
        roles => escape(&roles.join(", ")),
    }
}

fn pre(text: &str) -> String {
    format!("<pre tabindex=\"0\">{}</pre>", escape(text))
}

fn escape(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}
