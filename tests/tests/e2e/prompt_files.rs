//! `tally prompts pull` and `tally prompts push`: prompts in files, by the command itself.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_local::builder::build_binaries;
use tally_tests::{Caller, TestStack, binaries, root};
use tempfile::TempDir;
use tokio::process::Command;

use crate::api_keys::new_key;

/// A directory with prompts, and a key for the API.
struct Desk {
    command: PathBuf,
    url: String,
    key: String,
    directory: TempDir,
}

/// What a command has printed, with single blanks, and its exit code.
struct Said {
    code: Option<i32>,
    out: Vec<String>,
    err: String,
}

impl Desk {
    /// A desk with a key of this user.
    async fn of(stack: &TestStack, owner: &Caller, scopes: &[&str]) -> Self {
        let body = new_key(scopes, Duration::from_hours(24));
        let key = stack.post("/api-keys", Some(owner), &body).await.expect(201);
        Self {
            command: tokio::task::spawn_blocking(command).await.unwrap(),
            url: stack.local.url().to_owned(),
            key: key["key"].as_str().unwrap().to_owned(),
            directory: TempDir::new().unwrap(),
        }
    }

    /// A desk of an editor.
    async fn new(stack: &TestStack, editor: &Caller) -> Self {
        Self::of(stack, editor, &["prompts:read", "prompts:write"]).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Replaces a part of a file.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{text}");
        self.write(name, &text.replace(from, to));
    }

    async fn pull(&self) -> Said {
        self.tally("pull", &[]).await
    }

    async fn push(&self, more: &[&str]) -> Said {
        self.tally("push", more).await
    }

    async fn tally(&self, verb: &str, more: &[&str]) -> Said {
        let mut command = Command::new(&self.command);
        command.args(["prompts", verb]).arg(self.directory.path()).args(more);
        let command = command.env("TALLY_URL", &self.url).env("TALLY_API_KEY", &self.key);
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!out.contains(&self.key) && !err.contains(&self.key), "{out}{err}");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        Said { code: output.status.code(), out: out.lines().map(words).collect(), err: words(&err) }
    }
}

impl Said {
    /// Fails unless the command has done all, and said this.
    #[track_caller]
    fn done(&self, lines: &[&str]) {
        assert_eq!(self.code, Some(0), "{:?} {}", self.out, self.err);
        assert_eq!(self.out, lines);
    }

    /// Fails unless the command has failed, and said all of this.
    #[track_caller]
    fn failed(&self, faults: &[&str]) {
        assert_eq!(self.code, Some(1), "{:?} {}", self.out, self.err);
        for fault in faults {
            assert!(self.err.contains(fault), "{fault}: {}", self.err);
        }
    }
}

/// The built command.
fn command() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        build_binaries(["tally"], &root(), &binaries()).unwrap();
        binaries().join("tally")
    };
    BUILT.get_or_init(build).clone()
}

/// Saves a version by the API.
async fn save(stack: &TestStack, editor: &Caller, name: &str, body: &Value) {
    stack.post(&format!("/prompts/{name}/versions"), Some(editor), body).await.expect(201);
}

/// Reads a path below `/prompts`.
async fn get(stack: &TestStack, caller: &Caller, path: &str) -> Value {
    stack.get(&format!("/prompts/{path}"), Some(caller)).await.expect(200)
}

fn chat(system: &str) -> Value {
    json!({"kind": "chat", "system": system})
}

#[tokio::test]
async fn prompts_come_as_files_and_an_edited_file_becomes_a_version() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let desk = Desk::new(&stack, &editor).await;
    let check = json!({
        "kind": "task", "system": "You check. {\"a\": {}} \\{{x}} ''\n", "max_tokens": 2000,
        "effort": "low", "user": "Rules:\r\n{{rules}}\n'''\n{{ input }}",
        "variables": [
            {"name": "rules", "type": "json", "required": false, "default": {"a": [null]}},
        ],
        "output_schema": {"type": "object", "properties": {"score": {"enum": [1, 0.5, null]}}},
    });
    save(&stack, &editor, "books.check", &check).await;
    save(&stack, &editor, "default", &chat("Be brief.\nBe kind.\n")).await;
    desk.write("README.md", "Ours.");
    desk.pull().await.done(&["new books.check.toml version 1", "new default.toml version 1"]);

    let read: toml::Table = desk.read("books.check.toml").parse().unwrap();
    assert_eq!((&check["system"], &check["user"]), (&json!(read["system"]), &json!(read["user"])));
    assert!(desk.read("default.toml").contains("\nsystem = '''\nBe brief.\nBe kind.\n'''\n"));
    let files = ["README.md", "books.check.toml", "default.toml"];
    let before = files.map(|file| desk.read(file));
    desk.pull().await.done(&["same books.check.toml version 1", "same default.toml version 1"]);
    desk.push(&[]).await.done(&["same books.check.toml version 1", "same default.toml version 1"]);
    assert_eq!(files.map(|file| desk.read(file)), before);

    desk.edit("default.toml", "Be brief.", "Be very brief.");
    desk.edit("default.toml", "kind = ", "# Ours.\nkind = ");
    let edited = desk.read("default.toml");
    desk.push(&["--dry-run"]).await.done(&[
        "same books.check.toml version 1",
        "would save default.toml version 2 (system)",
        "This was a dry run: nothing has changed.",
    ]);
    assert_eq!(get(&stack, &editor, "default").await["latest"], 1);
    assert_eq!(desk.read("default.toml"), edited);

    desk.push(&["--note", "Shorter."])
        .await
        .done(&["same books.check.toml version 1", "saved default.toml version 2 (system)"]);
    let saved = get(&stack, &editor, "default/versions/2").await;
    assert_eq!(
        (&saved["system"], &saved["note"]),
        (&json!("Be very brief.\nBe kind.\n"), &json!("Shorter."))
    );
    // The file follows, and keeps its comments.
    assert_eq!(desk.read("default.toml"), edited.replace("version = 1", "version = 2"));
    desk.push(&[]).await.done(&["same books.check.toml version 1", "same default.toml version 2"]);
    desk.edit("default.toml", "Be kind.", "Be polite.");
    desk.push(&[])
        .await
        .done(&["same books.check.toml version 1", "saved default.toml version 3 (system)"]);
    let versions = get(&stack, &editor, "default/versions").await;
    // The built-in version is the fourth.
    assert_eq!(versions["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_file_makes_a_prompt_and_moves_a_label() {
    const NAME: &str = "greeting.toml";
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let desk = Desk::new(&stack, &editor).await;
    desk.write(NAME, "description = 'Greets.'\nkind = 'chat'\nsystem = 'Hello.'\n");
    let staging = ["--label", "staging"];
    let first = "greeting.toml version 1, staging unset -> 1, description";
    desk.push(&["--dry-run", "--label", "staging"])
        .await
        .done(&[&format!("would save {first}"), "This was a dry run: nothing has changed."]);
    stack.get("/prompts/greeting", Some(&editor)).await.problem(404, "not_found");
    desk.push(&staging).await.done(&[&format!("saved {first}")]);
    let prompt = get(&stack, &editor, "greeting").await;
    assert_eq!(
        (&prompt["description"], &prompt["labels"], &prompt["latest"]),
        (&json!("Greets."), &json!({"staging": 1}), &json!(1))
    );
    desk.push(&staging).await.done(&["same greeting.toml version 1"]);

    save(&stack, &editor, "greeting", &chat("Good day.")).await;
    desk.pull().await.done(&["changed greeting.toml version 1 -> 2"]);
    desk.edit(NAME, "Greets.", "Greets people.");
    desk.push(&["--dry-run", "--label", "staging"]).await.done(&[
        "would change greeting.toml staging 1 -> 2, description",
        "This was a dry run: nothing has changed.",
    ]);
    let moved = ["--label", "staging", "--note", "Politer."];
    desk.push(&moved).await.done(&["changed greeting.toml staging 1 -> 2, description"]);
    desk.push(&moved).await.done(&["same greeting.toml version 2"]);
    let prompt = get(&stack, &editor, "greeting").await;
    assert_eq!(
        (&prompt["description"], &prompt["labels"], &prompt["latest"]),
        (&json!("Greets people."), &json!({"staging": 2}), &json!(2))
    );
    assert_eq!(prompt["moves"][0]["note"], "Politer.");

    // A prompt that is built in has a version 0, which says the same here.
    let built_in = get(&stack, &editor, "excel.formula/versions/0").await;
    let text =
        format!("kind = 'chat'\nsystem = '''\n{}'''\n", built_in["system"].as_str().unwrap());
    desk.write("excel.formula.toml", &text);
    let unchanged = ["same excel.formula.toml version 0", "same greeting.toml version 2"];
    desk.push(&[]).await.done(&unchanged);
    assert_eq!(desk.read("excel.formula.toml"), text);
}

#[tokio::test]
async fn a_file_that_was_made_from_an_older_version_is_told_to_pull_first() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let (desk, other) = (Desk::new(&stack, &editor).await, Desk::new(&stack, &editor).await);
    for name in ["a", "b"] {
        save(&stack, &editor, name, &chat("One.")).await;
    }
    desk.pull().await.done(&["new a.toml version 1", "new b.toml version 1"]);
    save(&stack, &editor, "a", &chat("Another's.")).await;
    desk.edit("a.toml", "One.", "Mine.");
    desk.edit("b.toml", "One.", "Two.");
    let told = [
        "failed a.toml it was made from version 1, and version 2 is the newest: pull first",
        "error: 1 of 2 prompts failed",
    ];
    let dry = desk.push(&["--dry-run"]).await;
    dry.failed(&told);
    assert_eq!(dry.out[0], "would save b.toml version 2 (system)");
    // The other file goes on.
    let pushed = desk.push(&[]).await;
    pushed.failed(&told);
    assert_eq!(pushed.out, ["saved b.toml version 2 (system)"]);
    assert_eq!(get(&stack, &editor, "a/versions/2").await["system"], "Another's.");
    desk.edit("a.toml", "version = 1\n", "");
    desk.push(&[]).await.failed(&["failed a.toml it says no version, and version 2 is the newest"]);

    desk.pull().await.done(&["changed a.toml version 2", "same b.toml version 2"]);
    desk.edit("a.toml", "Another's.", "Another's and mine.");
    let saved = ["saved a.toml version 3 (system)", "same b.toml version 2"];
    desk.push(&[]).await.done(&saved);

    // Of two at once, one is told.
    other.pull().await.done(&["new a.toml version 3", "new b.toml version 2"]);
    desk.edit("b.toml", "Two.", "Three.");
    other.edit("b.toml", "Two.", "Four.");
    let (one, two) = join(desk.push(&[]), other.push(&[])).await;
    let (winner, loser) = if one.code == Some(0) { (one, two) } else { (two, one) };
    winner.done(&["same a.toml version 3", "saved b.toml version 3 (system)"]);
    loser.failed(&["it was made from version 2, and version 3 is the newest: pull first"]);
}

#[tokio::test]
async fn an_error_names_the_file_and_the_field() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let desk = Desk::new(&stack, &editor).await;
    desk.push(&[]).await.failed(&["has no file that ends with .toml"]);
    for (name, text) in [
        ("Big Name.toml", "kind = 'chat'\nsystem = 'a'\n"),
        ("good.toml", "kind = 'chat'\nsystem = 'a'\n"),
        ("key.toml", "kind = 'chat'\nsystem = 'a'\ntemperature = 1\n"),
        ("refused.toml", "kind = 'chat'\nsystem = '{{x}}'\nuser = 'b'\n"),
        ("syntax.toml", "kind = 'chat'\nsystem =\n"),
        ("zero.toml", "version = 4\nkind = 'chat'\nsystem = 'a'\n"),
    ] {
        desk.write(name, text);
    }
    let pushed = desk.push(&[]).await;
    pushed.failed(&[
        "failed Big Name.toml the file must be called <prompt>.toml",
        "failed key.toml TOML parse error at line 3, column 1",
        "unknown field `temperature`",
        "failed refused.toml 422 validation_failed",
        "/system: names `x`",
        "/user: must name `{{message}}` exactly once",
        "failed syntax.toml TOML parse error at line 2",
        "failed zero.toml it says version 4, and version 0 is the newest",
        "error: 5 of 6 prompts failed",
    ]);
    assert_eq!(pushed.out, ["saved good.toml version 1"]);

    // An archived prompt is not pulled, and takes no versions.
    let archive = json!({"archived": true});
    let path = "/prompts/good";
    stack.call(http::Method::PATCH, path, &editor, &archive).await.expect(200);
    desk.pull().await.done(&["No prompt has a version that is stored."]);
    desk.edit("good.toml", "'a'", "'b'");
    desk.push(&[]).await.failed(&["failed good.toml the prompt is archived"]);
}

#[tokio::test]
async fn a_key_does_what_its_owner_may() {
    let stack = TestStack::start().await;
    let (editor, admin, demo) = (stack.editor().await, stack.admin().await, stack.demo().await);
    save(&stack, &editor, "a", &chat("One.")).await;
    let reader = Desk::of(&stack, &editor, &["prompts:read"]).await;
    reader.pull().await.done(&["new a.toml version 1"]);
    reader.push(&[]).await.done(&["same a.toml version 1"]);
    reader.edit("a.toml", "One.", "Two.");
    reader.push(&[]).await.failed(&["failed a.toml 403 forbidden"]);

    let user = Desk::of(&stack, &demo, &["prompts:read", "prompts:write"]).await;
    user.pull().await.failed(&["failed a.toml 403 forbidden", "error: 1 of 1 prompts failed"]);

    let production = ["--label", "production"];
    let desk = Desk::new(&stack, &editor).await;
    desk.pull().await.done(&["new a.toml version 1"]);
    desk.push(&production).await.failed(&["failed a.toml production: 403 forbidden"]);
    let owner = Desk::new(&stack, &admin).await;
    owner.pull().await.done(&["new a.toml version 1"]);
    owner.push(&production).await.done(&["changed a.toml production unset -> 1"]);
    assert_eq!(get(&stack, &editor, "a").await["labels"], json!({"production": 1}));

    let wrong = Desk { key: "tly_wrong".to_owned(), ..desk };
    wrong.pull().await.failed(&["error: 401 invalid_token"]);
    let none = Desk { key: String::new(), ..wrong };
    let output = Command::new(&none.command)
        .args(["prompts", "pull"])
        .arg(none.directory.path())
        .env_remove("TALLY_API_KEY")
        .output()
        .await
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && err.contains("set TALLY_API_KEY to"), "{err}");
}

#[tokio::test]
async fn a_server_is_named_and_reached_safely() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let desk = Desk::new(&stack, &editor).await;
    save(&stack, &editor, "a", &chat("One.")).await;
    let url = desk.url.clone();
    let desk = Desk { url: "http://127.0.0.1:1".to_owned(), ..desk };
    desk.pull().await.failed(&["error: http://127.0.0.1:1 does not answer"]);
    desk.tally("pull", &["--url", &url]).await.done(&["new a.toml version 1"]);
    let refused = desk.tally("pull", &["--url", "http://192.0.2.1"]).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("https URL"), "{}", refused.err);
    // A path of the API at which there are no prompts.
    let elsewhere = desk.tally("pull", &["--url", &format!("{url}/elsewhere")]).await;
    elsewhere.failed(&["error: 404 not_found"]);
}

#[tokio::test]
async fn a_push_waits_for_limits_and_for_a_service_that_recovers() {
    let limits = "prompts_write=1/1s,login_lock=100000/1m,*=100000/1m";
    let stack = TestStack::with(&[("RateLimits", limits)]).await;
    let editor = stack.editor().await;
    let desk = Desk::new(&stack, &editor).await;
    for name in ["a.toml", "b.toml", "c.toml"] {
        desk.write(name, "kind = 'chat'\nsystem = 'One.'\n");
    }
    let saved = ["saved a.toml version 1", "saved b.toml version 1", "saved c.toml version 1"];
    desk.push(&[]).await.done(&saved);
    stack.fail("PromptsTable", None, Failure::Internal, 3);
    let same = ["same a.toml version 1", "same b.toml version 1", "same c.toml version 1"];
    desk.pull().await.done(&same);
}

#[tokio::test]
async fn all_pages_are_pulled() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let (desk, other) = (Desk::new(&stack, &editor).await, Desk::new(&stack, &editor).await);
    let names: Vec<_> = (10..35).map(|number| format!("many.n{number}.toml")).collect();
    for name in &names {
        desk.write(name, &format!("kind = 'chat'\nsystem = 'I am {name}.'\n"));
    }
    let lines = |state: &str| -> Vec<String> {
        names.iter().map(|name| format!("{state} {name} version 1")).collect()
    };
    let pushed = desk.push(&[]).await;
    assert_eq!((pushed.code, pushed.out), (Some(0), lines("saved")), "{}", pushed.err);
    let pulled = other.pull().await;
    assert_eq!((pulled.code, pulled.out), (Some(0), lines("new")), "{}", pulled.err);
    assert!(other.read(&names[24]).contains(&format!("I am {}.", names[24])));
}
