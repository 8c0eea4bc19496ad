//! Analyses of files: archives, tables, PDFs, and files that cannot be read.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Caller, TestStack, id, task_model};
use tokio::sync::Barrier;

use super::{Owner, findings, found, review, stack, stack_in_turn};
use crate::access::NOTHING;
use crate::chat::text;
use crate::files::hostile::{stored, zip};
use crate::files::{self, Sample};
use crate::job_api::{items, path, retry};

const ZIP: &str = "application/zip";
const PDF: &str = "application/pdf";
const CSV: &str = "text/csv";

/// Uploads a file, and waits until it is ready. Returns its id.
async fn ready(
    stack: &TestStack,
    caller: &Caller,
    (name, media_type): (&str, &'static str),
    bytes: Vec<u8>,
) -> String {
    let sample = Sample { name: name.to_owned(), media_type, bytes };
    let announced = files::announce(stack, caller, &sample).await;
    files::upload(stack, &announced["upload"], &sample.bytes).await;
    id(&files::prepared(stack, caller, &announced["file"]).await)
}

fn of_files(kind: &str, files: &[&String]) -> Value {
    let inputs: Vec<_> = files.iter().map(|file| json!({"file_id": file})).collect();
    json!({"type": kind, "inputs": inputs})
}

/// A zip of so many texts, of a line each.
fn many(files: usize) -> Vec<u8> {
    let name = |number: usize| -> &'static str { format!("{number}.txt").leak() };
    let entries: Vec<_> = (0..files).map(|number| stored(name(number), b"one\n")).collect();
    zip(&entries)
}

/// A PDF of these pages, with a line of text on each.
fn pdf(lines: &[&str]) -> Vec<u8> {
    let pages: Vec<_> = (0..lines.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let font = "/Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding";
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!(
            "<</Type/Pages/Kids[{}]/Count {}/MediaBox[0 0 595 842]\
             /Resources<</Font<</F1 3 0 R>>>>>>",
            pages.join(" "),
            pages.len()
        ),
        format!("<<{font}>>"),
    ];
    for (number, line) in lines.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
        let stream = 5 + 2 * number;
        objects.push(format!("<</Type/Page/Parent 2 0 R/Contents {stream} 0 R>>"));
        objects.push(format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()));
    }
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        writeln!(table, "{:010} 00000 n ", bytes.len()).unwrap();
        bytes.extend(format!("{number} 0 obj\n{object}\nendobj\n").into_bytes());
    }
    let start = bytes.len();
    let size = objects.len() + 1;
    let end = format!("{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    [bytes, end.into_bytes()].concat()
}

#[tokio::test]
async fn each_file_of_an_archive_is_read_with_its_path() {
    let api = MessagesApi::start(|asked| {
        review(asked, |said| {
            let is_code = said.contains("File: src/add.rs, ");
            let quote = if is_code { "let sum = a + b;" } else { "# Sums" };
            vec![found("sum", "low", quote)]
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let archive = zip(&[
        stored("src/add.rs", b"fn add() {\n    let sum = a + b;\n}\n"),
        stored("docs/read me.md", b"# Sums\n\nOf two numbers.\n"),
        stored("logo.png", b"\x89PNG\r\n\x1A\n\0"),
    ]);
    let file = ready(&stack, &owner.caller, ("sources.zip", ZIP), archive).await;
    let mut body = of_files("code", &[&file]);
    let note = json!({"name": "note.txt", "text": "About\n# Sums\n"});
    body["inputs"].as_array_mut().unwrap().push(note);
    let dry = "/analyses?dry_run=true";
    let estimate = stack.post(dry, Some(&owner.caller), &body).await.expect(200);
    let job = owner.run(&stack, "/analyses", &body).await;
    assert_eq!((&job["counts"]["succeeded"], &estimate["items"]), (&json!(4), &json!(4)));
    assert_eq!(job["title"], "code analysis of sources.zip");

    let said: Vec<_> = api
        .asked()
        .iter()
        .filter(|asked| task_model::asks_for_findings(asked))
        .map(task_model::said)
        .collect();
    assert_eq!(said.len(), 3);
    for piece in [
        "File: src/add.rs, lines 1-3\n\n1\tfn add() {\n2\t    let sum = a + b;\n3\t}\n",
        "File: docs/read me.md, lines 1-3\n\n1\t# Sums\n2\t\n3\tOf two numbers.\n",
        "File: note.txt, lines 1-2\n\n1\tAbout\n2\t# Sums\n",
    ] {
        assert!(said.iter().any(|said| said.contains(piece)), "{piece} in {said:?}");
    }
    let findings = findings(&stack, &owner, &job, "").await;
    let mut places: Vec<_> = findings
        .iter()
        .map(|finding| (text(&finding["input"]), text(&finding["file"]), &finding["line"]))
        .collect();
    places.sort_by_key(|(input, file, _)| (*input, *file));
    assert_eq!(
        places,
        [
            ("note.txt", "note.txt", &json!(2)),
            ("sources.zip", "docs/read me.md", &json!(1)),
            ("sources.zip", "src/add.rs", &json!(2)),
        ]
    );
}

#[tokio::test]
async fn what_two_parts_of_a_table_have_in_common_is_found_once() {
    let api = MessagesApi::start(|asked| {
        review(asked, |said| {
            // The second part begins somewhere behind the first row.
            let is_second = !said.contains("\n1,");
            let severity = if is_second { "high" } else { "low" };
            let quote = if is_second { "200,last" } else { "1,first" };
            vec![found("header", severity, "number,text"), found("row", "info", quote)]
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let row = |number: u32| match number {
        1 => "1,first\n".to_owned(),
        200 => "200,last\n".to_owned(),
        _ => format!("{number},{}\n", "x".repeat(500)),
    };
    let table: String =
        ["number,text\n".to_owned()].into_iter().chain((1..=200).map(row)).collect();
    let file = ready(&stack, &owner.caller, ("rows.csv", CSV), table.into_bytes()).await;
    let job = owner.run(&stack, "/analyses", &of_files("document", &[&file])).await;
    assert_eq!(job["counts"]["total"], 3, "two parts and the summary");
    let mut findings = findings(&stack, &owner, &job, "").await;
    findings.sort_by_key(|finding| finding["line"].as_u64());
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (text(&finding["rule"]), text(&finding["severity"]), &finding["line"]))
        .collect();
    // The header is record 1.
    assert_eq!(
        told,
        [("header", "high", &json!(1)), ("row", "info", &json!(2)), ("row", "info", &json!(201)),]
    );
    assert_eq!(job["analysis"]["findings"], json!({"high": 1, "info": 2}));
}

#[tokio::test]
async fn a_pdf_is_sent_as_a_document_and_its_quotes_have_pages() {
    let api = MessagesApi::start(|asked| {
        review(asked, |_| {
            vec![
                found("second", "low", "Costs fell  by 7."),
                found("first", "low", "Revenue rose."),
                found("nowhere", "low", "Profits rose."),
            ]
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let bytes = pdf(&["Revenue rose.", "Costs fell by 7."]);
    let file = ready(&stack, &owner.caller, ("report.pdf", PDF), bytes).await;
    let body = of_files("document", &[&file]);
    let dry = "/analyses?dry_run=true";
    let estimate = stack.post(dry, Some(&owner.caller), &body).await.expect(200);
    // 8,000 tokens are held for each page.
    assert!(estimate["input_tokens_at_most"].as_u64() > Some(2 * 8_000), "{estimate}");
    let job = owner.run(&stack, "/analyses", &body).await;
    assert_eq!(job["counts"]["succeeded"], 2);

    let asked = api.asked();
    let last = asked[0].body["messages"].as_array().unwrap().last().unwrap();
    let blocks = last["content"].as_array().unwrap();
    let document = blocks.iter().find(|block| block["type"] == "document").unwrap();
    let source = &document["source"];
    assert_eq!((text(&source["type"]), text(&source["media_type"])), ("base64", PDF));
    let sent = STANDARD.decode(text(&source["data"])).unwrap();
    assert!(sent.starts_with(b"%PDF-"));
    assert!(task_model::said(&asked[0]).contains("File: report.pdf, pages 1-2"));
    assert_eq!(api.counted().len(), 1, "the tokens of the document alone are counted");

    let findings = findings(&stack, &owner, &job, "").await;
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (text(&finding["rule"]), &finding["page"], &finding["line"]))
        .collect();
    let nothing = Value::Null;
    assert_eq!(
        told,
        [
            ("second", &json!(2), &nothing),
            ("first", &json!(1), &nothing),
            ("nowhere", &nothing, &nothing),
        ]
    );
    assert_eq!(findings[2]["anchored"], false);
}

#[tokio::test]
async fn a_pdf_of_more_tokens_than_are_held_is_not_sent() {
    let api = MessagesApi::start(|asked| review(asked, |_| Vec::new())).await;
    api.count_by(|_| 1_000_000);
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let file = ready(&stack, &owner.caller, ("report.pdf", PDF), pdf(&["Dense."])).await;
    let mut body = of_files("document", &[&file]);
    let note = json!({"name": "note.txt", "text": "Sparse.\n"});
    body["inputs"].as_array_mut().unwrap().push(note);
    let job = owner.run(&stack, "/analyses", &body).await;
    assert_eq!((&job["counts"]["succeeded"], &job["counts"]["failed"]), (&json!(2), &json!(1)));
    let items = items(&stack, &owner.caller, &job).await;
    assert_eq!(items[0]["error"]["code"], "too_large");
    assert_eq!(items[0]["cost_usd"], "0.00");
    // The other piece and the summary were asked for.
    assert_eq!(api.asked().len(), 2);
    assert!(api.asked().iter().all(|asked| !asked.body.to_string().contains("%PDF")));
}

#[tokio::test]
async fn files_that_are_not_ready_or_not_there_start_nothing() {
    let api = MessagesApi::start(|asked| review(asked, |_| Vec::new())).await;
    let stack = stack(&api).await;
    let (owner, other) = (stack.someone().await, stack.someone().await);
    let mine = ready(&stack, &owner, ("a.txt", "text/plain"), b"one\n".to_vec()).await;
    let theirs = ready(&stack, &other, ("b.txt", "text/plain"), b"two\n".to_vec()).await;
    let deleted = ready(&stack, &owner, ("c.txt", "text/plain"), b"three\n".to_vec()).await;
    stack.delete(&format!("/files/{deleted}"), Some(&owner)).await.expect(204);
    let pending = id(&files::announce(&stack, &owner, &files::text("d")).await["file"]);
    let nothing = NOTHING.to_owned();

    let refused = async |files: &[&String]| {
        stack.post("/analyses", Some(&owner), &of_files("code", files)).await
    };
    for gone in [&theirs, &deleted, &nothing] {
        refused(&[&mine, gone]).await.invalid(&["/inputs/1/file_id"]);
    }
    refused(&[&theirs, &mine, &nothing]).await.invalid(&["/inputs/0/file_id", "/inputs/2/file_id"]);
    refused(&[&mine, &pending]).await.problem(409, "file_not_ready");
    // A rejected file never becomes ready.
    let blank = Sample { bytes: b" \n".to_vec(), ..files::text("e") };
    let announced = files::announce(&stack, &owner, &blank).await;
    files::upload(&stack, &announced["upload"], &blank.bytes).await;
    let complete = format!("/files/{}/complete", id(&announced["file"]));
    let request = stack.request(Method::POST, &complete).bearer_auth(&owner.access);
    stack.send(request).await.expect(202);
    let rejected = files::ended(&stack, &owner, &announced["file"]).await;
    assert_eq!(rejected["status"], "rejected");
    refused(&[&id(&rejected)]).await.problem(409, "file_not_ready");

    // An archive may have 500 parts. With one more input there are too many.
    let full = ready(&stack, &owner, ("full.zip", ZIP), many(500)).await;
    refused(&[&full, &mine]).await.invalid(&["/inputs"]);
    let dry = "/analyses?dry_run=true";
    let estimate = stack.post(dry, Some(&owner), &of_files("code", &[&full])).await.expect(200);
    assert_eq!(estimate["items"], 501);
    assert_eq!(stack.items("JobsTable").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_file_that_goes_before_its_call_fails_its_items_alone() {
    let held = Arc::new(Barrier::new(2));
    let at = Arc::clone(&held);
    let api = MessagesApi::start(move |asked| {
        let answer = review(asked, |_| Vec::new());
        // The text is asked about first.
        if task_model::said(asked).contains("File: note.txt") {
            answer.held_at(0, &at)
        } else {
            answer
        }
    });
    let api = api.await;
    let stack = stack_in_turn(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let bytes = b"one\n".to_vec();
    let file = ready(&stack, &owner.caller, ("a.txt", "text/plain"), bytes).await;
    let inputs = json!([{"name": "note.txt", "text": "One.\n"}, {"file_id": file}]);
    let job = owner.start(&stack, "/analyses", &json!({"type": "code", "inputs": inputs})).await;
    api.was_asked(1).await;
    stack.delete(&format!("/files/{file}"), Some(&owner.caller)).await.expect(204);
    held.wait().await;
    let job = owner.end(&stack, &job).await;
    assert_eq!((text(&job["status"]), &job["counts"]["failed"]), ("succeeded", &json!(1)));
    let items = items(&stack, &owner.caller, &job).await;
    assert_eq!(items[1]["error"]["code"], "input_gone");
    assert_eq!((items[1]["attempts"].as_u64(), &items[1]["cost_usd"]), (Some(1), &json!("0.00")));
    // A later attempt does not find it either.
    let retried = retry(&stack, &owner.caller, &job, &json!({})).await.expect(202);
    let job = owner.end(&stack, &retried).await;
    assert_eq!(job["counts"]["failed"], 1);
}

#[tokio::test]
async fn a_log_of_findings_says_that_it_lacks_some() {
    let api = MessagesApi::start(|asked| {
        let rule = |number: usize| found(&format!("rule-{number}"), "low", "one");
        review(asked, |_| (0..200).map(rule).collect())
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let file = ready(&stack, &owner.caller, ("many.zip", ZIP), many(26)).await;
    let job = owner.run(&stack, "/analyses", &of_files("code", &[&file])).await;
    assert_eq!(job["analysis"]["findings"], json!({"low": 5_200}));
    let export = async |query: &str, accept: &str| {
        let request = stack.request(Method::GET, &format!("{}/findings{query}", path(&job)));
        stack.send(request.bearer_auth(&owner.caller.access).header("accept", accept)).await
    };
    let log = export("", "application/sarif+json").await.json();
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 5_000);
    assert_eq!(run["properties"]["truncated"], true);
    // A file goes on in a next part.
    let first = export("", CSV).await;
    assert_eq!(first.text.lines().count(), 1 + 5_000);
    let (next, _) = first.header("link").split_once('>').unwrap();
    let next = next.split_once('?').unwrap().1;
    let second = export(&format!("?{next}"), CSV).await;
    assert_eq!(second.text.lines().count(), 1 + 200);
    assert_eq!(second.header("link"), "");
}
