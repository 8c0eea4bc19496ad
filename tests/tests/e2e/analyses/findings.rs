//! What analyses find: the places of quotes, duplicates, filters and exports.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::{self, Asked, MessagesApi, reply_of};
use tally_tests::{Answer, Caller, TestStack, task_model};

use super::{Owner, findings, found, of_text, review, stack};
use crate::chat::{own_events, text};
use crate::job_api::{items, path};
use crate::prompts::with;

const SARIF: &str = "application/sarif+json";

const CODE: &str = "fn add(a: u8, b: u8) -> u8 {\n    let sum = a + b;\n    sum\n}\n";

/// Severities from the least.
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

/// The findings of an analysis in this form.
async fn export(stack: &TestStack, caller: &Caller, job: &Value, accept: &str) -> Answer {
    let request = stack.request(Method::GET, &format!("{}/findings", path(job)));
    stack.send(request.bearer_auth(&caller.access).header("accept", accept)).await
}

fn rules(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| text(&finding["rule"])).collect()
}

#[tokio::test]
async fn a_finding_has_the_place_at_which_its_quote_stands() {
    const QUOTES: [(&str, &str, Option<[u32; 2]>); 7] = [
        ("exact", "let sum = a + b;", Some([2, 2])),
        ("lines", "let sum = a + b;\n    sum\n}", Some([2, 4])),
        ("spaced", "fn add(a:  u8,\tb: u8)\n-> u8 {", Some([1, 1])),
        ("numbered", "2\t    let sum = a + b;\n3\t    sum", Some([2, 3])),
        ("nowhere", "let sum = a - b;", None),
        ("other-file", "File: note.txt", None),
        ("unquoted", "", None),
    ];
    let api = MessagesApi::start(|asked| {
        review(asked, |_| QUOTES.map(|(rule, quote, _)| found(rule, "low", quote)).to_vec())
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let job = owner.run(&stack, "/analyses", &of_text(CODE)).await;
    let findings = findings(&stack, &owner, &job, "").await;
    assert_eq!(rules(&findings), QUOTES.map(|(rule, ..)| rule));
    for (finding, (rule, quote, lines)) in findings.iter().zip(QUOTES) {
        assert_eq!(finding["anchored"], lines.is_some(), "{finding}");
        let places = lines.map(|[first, last]| (json!(first), json!(last)));
        let expected = places.unwrap_or_default();
        assert_eq!((&finding["line"], &finding["end_line"]), (&expected.0, &expected.1));
        assert_eq!((text(&finding["input"]), &finding["page"]), ("note.txt", &Value::Null));
        assert!(lines.is_none() || finding["file"] == "note.txt", "{finding}");
        assert_eq!(text(&finding["message"]), format!("There is {rule}."));
        // An empty suggestion is none.
        assert_eq!((text(&finding["quote"]), finding.get("suggestion")), (quote, None));
    }
    let first = items(&stack, &owner.caller, &job).await.remove(0);
    assert_eq!(first["result"], json!({"findings": findings}));
}

#[tokio::test]
async fn what_is_found_twice_is_listed_once_with_its_gravest_severity() {
    let api = MessagesApi::start(|asked| {
        review(asked, |_| {
            vec![
                found("sum", "low", "let sum = a + b;"),
                found("sum", "critical", "let  sum = a + b;"),
                found("sum", "info", "sum\n}"),
                found("total", "low", "let sum = a + b;"),
                found("sum", "medium", "let sum = a + b;"),
            ]
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let job = owner.run(&stack, "/analyses", &of_text(CODE)).await;
    let findings = findings(&stack, &owner, &job, "").await;
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (text(&finding["rule"]), text(&finding["severity"])))
        .collect();
    assert_eq!(told, [("sum", "critical"), ("sum", "info"), ("total", "low")]);
    assert_eq!(job["analysis"]["findings"], json!({"critical": 1, "info": 1, "low": 1}));
}

#[tokio::test]
async fn findings_are_listed_from_a_severity_on() {
    let api = MessagesApi::start(|asked| {
        review(asked, |_| SEVERITIES.map(|severity| found(severity, severity, "sum")).to_vec())
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, other) =
        (Owner::new(&stack, stack.someone().await).await, stack.someone().await);
    let job = owner.run(&stack, "/analyses", &of_text(CODE)).await;
    for (from, severity) in SEVERITIES.iter().enumerate() {
        let found = findings(&stack, &owner, &job, &format!("?severity={severity}")).await;
        let mut found = rules(&found);
        found.sort_unstable();
        let mut expected = SEVERITIES[from..].to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{severity}");
    }
    let list = format!("{}/findings", path(&job));
    let by_two = stack.pages(&list, &owner.caller, 2).await;
    assert_eq!(by_two, findings(&stack, &owner, &job, "").await);
    for (query, fault) in [
        ("severity=grave", "severity"),
        ("severity=", "severity"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("rule=sum", "rule"),
    ] {
        let wrong = format!("{list}?{query}");
        stack.get(&wrong, Some(&owner.caller)).await.invalid(&[fault]);
    }
    // A cursor is that of its filters.
    let page = stack.get(&format!("{list}?limit=2"), Some(&owner.caller)).await;
    assert!(page.header("link").contains("rel=\"next\""), "{page:?}");
    let page = page.expect(200);
    let other_filter = format!("{list}?limit=2&severity=low&cursor={}", text(&page["next_cursor"]));
    stack.get(&other_filter, Some(&owner.caller)).await.invalid(&["cursor"]);
    for path in [path(&job), list, format!("{}/items", path(&job))] {
        stack.get(&path, Some(&other)).await.problem(404, "not_found");
    }
}

/// A model whose findings are hard to write down.
fn hostile(asked: &Asked) -> messages_api::Answer {
    review(asked, |_| {
        let message = "=HYPERLINK(\"http://evil.example\",\"a\nb\")";
        let more = json!({"message": message, "suggestion": "+1, or \"more\"\r\n<b>"});
        vec![
            with(found("=cmd", "critical", "let sum = a + b;"), &more),
            found("a rule: 100% € …", "info", "nowhere"),
        ]
    })
}

#[tokio::test]
async fn findings_are_exported_as_csv_and_sarif() {
    let api = MessagesApi::start(hostile).await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let inputs = json!([{"name": "src/größe und maß.rs", "text": CODE}]);
    let body = json!({"type": "code", "inputs": inputs});
    let job = owner.run(&stack, "/analyses", &body).await;

    let csv = export(&stack, &owner.caller, &job, "text/csv").await;
    csv.expect(200);
    assert!(csv.header("content-type").starts_with("text/csv"), "{csv:?}");
    assert!(csv.text.starts_with("input,rule,severity,message,"), "{csv:?}");
    for cell in ["src/größe und maß.rs", "critical", "let sum = a + b;"] {
        assert!(csv.text.contains(cell), "{cell} is missing in {csv:?}");
    }
    // No cell begins as a formula does.
    for formula in ["=", "+", "-", "@"] {
        for before in [",", ",\"", "\r\n", "\r\n\""] {
            assert!(!csv.text.contains(&format!("{before}{formula}")), "{csv:?}");
        }
    }

    let answer = export(&stack, &owner.caller, &job, SARIF).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, SARIF), "{answer:?}");
    let log = answer.json();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert!(run["tool"]["driver"]["name"].is_string(), "{log}");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let (first, second) = (&results[0], &results[1]);
    assert_eq!((text(&first["ruleId"]), text(&first["level"])), ("=cmd", "error"));
    assert!(text(&first["message"]["text"]).starts_with("=HYPERLINK"), "{first}");
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "src/gr%C3%B6%C3%9Fe%20und%20ma%C3%9F.rs");
    assert_eq!(place["region"]["startLine"], 2);
    assert_eq!(second["level"], "note");
    assert_eq!(run["properties"]["truncated"], false);

    let refused = export(&stack, &owner.caller, &job, "application/xml").await;
    refused.problem(406, "not_acceptable");
    // Files leave an event, lists none.
    findings(&stack, &owner, &job, "").await;
    let exported = own_events(&stack, &owner.caller, "job.exported").await;
    let outcomes: Vec<_> = exported.iter().map(|event| text(&event["outcome"])).collect();
    assert_eq!(outcomes, ["success", "success"], "{exported:?}");
    assert!(!json!(exported).to_string().contains("cmd"), "{exported:?}");
}

#[tokio::test]
async fn a_piece_without_an_answer_fails_alone() {
    // The second text is refused, and the answer to the third is no JSON.
    let api = MessagesApi::start(|asked| {
        let said = task_model::said(asked);
        if said.contains("File: b,") {
            messages_api::Answer::stream(reply_of(&["No."], "refusal"))
        } else if said.contains("File: c,") {
            task_model::text("{\"findings\": [")
        } else {
            review(asked, |_| vec![found("sum", "low", "one")])
        }
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let inputs = ["a", "b", "c"].map(|name| json!({"name": name, "text": "one\n"}));
    let job = owner.run(&stack, "/analyses", &json!({"type": "document", "inputs": inputs})).await;
    assert_eq!(job["status"], "succeeded");
    assert_eq!((&job["counts"]["succeeded"], &job["counts"]["failed"]), (&json!(2), &json!(2)));
    let items = items(&stack, &owner.caller, &job).await;
    let told: Vec<_> = items.iter().map(|item| item["error"]["code"].as_str()).collect();
    assert_eq!(told, [None, Some("refused"), Some("invalid_output"), None]);
    let findings = findings(&stack, &owner, &job, "").await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["input"], "a");
    // The calls that failed were made, so they are paid.
    assert!(items.iter().all(|item| item["cost_usd"] != "0.00"), "{items:?}");
}
