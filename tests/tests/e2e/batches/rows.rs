//! What becomes of rows: outputs by operation, rows that a model leaves out, doubles, invents or
//! gets wrong, numbers of its own, and further rounds.

use serde_json::{Value, json};
use tally_tests::TestStack;
use tally_tests::messages_api::{Answer, MessagesApi, reply_of};
use tally_tests::task_model;

use super::{counts, explain, give, results, states, table, uploaded};
use crate::access::workbook;
use crate::analyses::{Owner, stack};
use crate::chat::text;
use crate::job_api::{items, retry};
use crate::prompts::with;
use crate::ranges::upload;

/// An owner with a range of five invoices.
async fn owner(stack: &TestStack) -> (Owner, String) {
    let owner = Owner::new(stack, stack.someone().await).await;
    let (_, ready) = uploaded(stack, &owner.caller).await;
    (owner, ready.range)
}

#[tokio::test]
async fn each_operation_gives_rows_an_output_of_its_form() {
    let fields = json!([
        {"name": "supplier", "type": "text"}, {"name": "total", "type": "number"},
        {"name": "due", "type": "date"}, {"name": "is_paid", "type": "boolean"},
        {"name": "kind", "type": "text", "enum": ["paper", "ink"]},
    ]);
    let cases = [
        (json!({"type": "clean", "column": "B", "to": "text"}), json!("Paper")),
        (json!({"type": "clean", "column": "B", "to": "number"}), json!(12.5)),
        (json!({"type": "clean", "column": "B", "to": "date"}), json!("2026-01-31")),
        (
            json!({"type": "clean", "column": "B", "to": "currency"}),
            json!({"amount": "12.50", "currency": "EUR"}),
        ),
        (json!({"type": "classify", "labels": ["paid", "open"]}), json!("open")),
        (json!({"type": "classify", "labels": ["a", "b"], "multi": true}), json!(["a", "b"])),
        (
            json!({"type": "extract", "fields": fields}),
            json!({
                "supplier": "Paper & Co", "total": 12.5, "due": "2026-01-31", "is_paid": true,
                "kind": "paper",
            }),
        ),
        (json!({"type": "explain"}), json!("It is an invoice for paper.")),
        (json!({"type": "summarize"}), json!("Paper.")),
    ];
    let outputs = cases.clone().map(|(_, output)| output);
    let api = MessagesApi::start(move |asked| {
        give(asked, |row| (row == 2).then(|| outputs[asked.number].clone()))
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, range) = owner(&stack).await;
    for (number, (operation, output)) in cases.iter().enumerate() {
        let body = json!({
            "range_id": range, "operation": operation, "input_columns": ["A", "B"],
            "instructions": "Be brief, please.",
        });
        let job = owner.run(&stack, "/batches", &body).await;
        let kind = text(&operation["type"]);
        assert_eq!(job["prompt"], json!({"name": format!("excel.{kind}"), "version": 0}));
        let results = results(&stack, &owner.caller, &job, "").await;
        let first = &results[0];
        assert_eq!((&first["row"], &first["status"]), (&json!(2), &json!("succeeded")), "{first}");
        assert_eq!((&first["output"], &first["cells"]), (output, &json!(["A2", "B2"])), "{first}");
        assert_eq!((first["attempts"].as_u64(), first.get("error")), (Some(1), None));
        assert_eq!(counts(&job), [5, 0, 0, 1, 4, 0], "the others were left out");
        // The model has the rows, the headers of the input columns, and what the user asked for.
        let said = task_model::said(&api.asked()[number]);
        for word in ["Be brief, please.", "Invoice", "Paper, 12.50 EUR", "I-5"] {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
        assert!(!said.contains("Zone") && !said.contains("zz-"), "{said}");
    }
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn rows_that_a_model_gets_wrong_fail_alone() {
    let api = MessagesApi::start(|_| {
        task_model::value(&json!({"rows": [
            {"row": 2, "output": "Fine."},
            {"row": 99, "output": "Invented."},
            {"row": 4, "output": "First."},
            {"row": 4, "output": "Second."},
            {"row": 5, "output": 7},
            {"row": 6, "output": "x".repeat(2_001)},
            {"row": 1, "output": "The headers."},
        ]}))
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, range) = owner(&stack).await;
    let body = with(explain(&range), &json!({"rows_per_call": 20}));
    let job = owner.run(&stack, "/batches", &body).await;
    assert_eq!((text(&job["status"]), counts(&job)), ("succeeded", [5, 0, 0, 2, 3, 0]));
    let found = results(&stack, &owner.caller, &job, "").await;
    assert_eq!(
        states(&found),
        [
            (2, "succeeded", None),
            (3, "failed", Some("missing_output")),
            (4, "succeeded", None),
            (5, "failed", Some("invalid_output")),
            (6, "failed", Some("too_long")),
        ]
    );
    assert_eq!((text(&found[0]["output"]), text(&found[2]["output"])), ("Fine.", "First."));
    assert!(found.iter().all(|row| row["attempts"] == 1), "{found:?}");
    // An item of a batch has no result of its own.
    let items = items(&stack, &owner.caller, &job).await;
    assert_eq!((items.len(), items[0].get("result")), (1, None));
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn a_call_without_a_good_answer_fails_all_of_its_rows() {
    let api = MessagesApi::start(|asked| match task_model::rows(asked)[0] {
        2 => Answer::stream(reply_of(&["No."], "refusal")),
        3 => Answer::stream(reply_of(&["{\"rows\": ["], "max_tokens")),
        4 => task_model::text("The rows are fine."),
        5 => Answer::error(400, "invalid_request_error"),
        _ => give(asked, |_| Some(json!("Fine."))),
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, range) = owner(&stack).await;
    let job = owner.run(&stack, "/batches", &explain(&range)).await;
    assert_eq!((text(&job["status"]), counts(&job)), ("succeeded", [5, 0, 0, 1, 4, 0]));
    let found = results(&stack, &owner.caller, &job, "").await;
    assert_eq!(
        states(&found),
        [
            (2, "failed", Some("refused")),
            (3, "failed", Some("too_long")),
            (4, "failed", Some("invalid_output")),
            (5, "failed", Some("provider_error")),
            (6, "succeeded", None),
        ]
    );
}

#[tokio::test]
async fn a_number_that_its_row_does_not_have_is_ungrounded() {
    let api = MessagesApi::start(|asked| {
        give(asked, |row| {
            Some(match row {
                2 => json!({"total": 12.5, "count": 12}),
                3 => json!({"total": 8, "note": "8 of 9"}),
                4 => json!({"note": "None."}),
                5 => json!({"total": 1_000}),
                _ => json!({"total": -5, "count": 6}),
            })
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, range) = owner(&stack).await;
    let fields = ["total", "count"].map(|name| json!({"name": name, "type": "number"}));
    let fields = [&fields[..], &[json!({"name": "note", "type": "text"})]].concat();
    let body = json!({
        "range_id": range, "operation": {"type": "extract", "fields": fields},
        "input_columns": ["B"],
    });
    let job = owner.run(&stack, "/batches", &body).await;
    let found = results(&stack, &owner.caller, &job, "").await;
    assert_eq!(counts(&job), [5, 0, 0, 5, 0, 0]);
    let ungrounded: Vec<_> = found.iter().map(|row| row.get("ungrounded").cloned()).collect();
    // 12 is not 12.50.
    assert_eq!(ungrounded[0], Some(json!(["count"])));
    assert_eq!(ungrounded[1], Some(json!(["total"])));
    assert_eq!((&ungrounded[2], &ungrounded[3]), (&None, &None));
    let last = ungrounded[4].clone().unwrap_or_default();
    assert!(last.as_array().unwrap().contains(&json!("count")), "{last}");
}

#[tokio::test]
async fn empty_rows_cost_nothing_and_long_ones_are_not_sent() {
    let api = MessagesApi::start(|asked| give(asked, |_| Some(json!("Fine.")))).await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let book = workbook(&stack, &owner.caller).await;
    let cells = table(&[["Invoice", "Text", "Zone"], ["", "", "zz"], ["I-2", "Ink", "zz"]]);
    let range = upload(&stack, &owner.caller, &book, cells).await.range;
    let job = owner.run(&stack, "/batches", &explain(&range)).await;
    assert_eq!((counts(&job)[0], counts(&job)[3]), (2, 2));
    let found = results(&stack, &owner.caller, &job, "").await;
    assert_eq!((&found[0]["output"], &found[1]["output"]), (&Value::Null, &json!("Fine.")));
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn the_counts_of_every_message_add_up_to_the_rows() {
    let api = MessagesApi::start(|asked| {
        give(asked, |row| (row % 3 != 0).then(|| json!("Fine.")))
            .paced(std::time::Duration::from_millis(30))
    });
    let api = api.await;
    let stack = stack(&api).await;
    let caller = stack.someone().await;
    let book = workbook(&stack, &caller).await;
    let rows: Vec<_> = (0..60).map(|_| ["I", "Ink", "paid"]).collect();
    let range = upload(&stack, &caller, &book, table(&rows)).await.range;
    let mut socket = stack.connect(&caller).await;
    let body = with(explain(&range), &json!({"rows_per_call": 2}));
    let job = stack.post("/batches", Some(&caller), &body).await.expect(202);
    let mut revision = 0;
    loop {
        let message = socket.next().await.expect("the connection stays");
        if message["type"] == "job.ended" {
            assert_eq!(message["job"]["id"], job["id"]);
            assert_eq!(counts(&message["job"]), [59, 0, 0, 39, 20, 0]);
            return;
        }
        assert_eq!((text(&message["type"]), &message["job_id"]), ("job.progress", &job["id"]));
        assert_eq!(counts(&message)[0], 59);
        let now = message["revision"].as_u64().unwrap();
        assert!(now >= revision, "{message}");
        revision = now;
    }
}

#[tokio::test]
async fn rows_without_a_result_are_tried_again() {
    // Rows 3 and 5 are left out of the first answer, and row 5 also of the second one about it.
    let api = MessagesApi::start(|asked| {
        give(asked, |row| match (row, asked.number) {
            (3 | 5, 0) | (5, 2) => None,
            (_, number) => Some(json!(format!("By call {number}."))),
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (mut owner, range) = owner(&stack).await;
    let body = with(explain(&range), &json!({"rows_per_call": 20}));
    let job = owner.run(&stack, "/batches", &body).await;
    assert_eq!(counts(&job), [5, 0, 0, 3, 2, 0]);
    for (rows, fault) in [
        (json!([2]), "/rows/0"),
        (json!([3, 4]), "/rows/1"),
        (json!([99]), "/rows/0"),
        (json!([]), "/rows"),
        (json!("3"), "/rows"),
    ] {
        let refused = retry(&stack, &owner.caller, &job, &json!({"rows": rows})).await;
        refused.invalid(&[fault]);
    }
    for (body, asked, expected) in [
        (json!({"rows": [3]}), [3], [5, 0, 0, 4, 1, 0]),
        (json!({}), [5], [5, 0, 0, 4, 1, 0]),
        (json!({"rows": [5]}), [5], [5, 0, 0, 5, 0, 0]),
    ] {
        let again = retry(&stack, &owner.caller, &job, &body).await.expect(202);
        assert_eq!((text(&again["status"]), counts(&again)[1]), ("queued", 1), "{body}");
        let ended = owner.end(&stack, &job).await;
        assert_eq!(counts(&ended), expected, "{body}");
        assert_eq!(task_model::rows(api.asked().last().unwrap()), asked, "{body}");
    }
    let found = results(&stack, &owner.caller, &job, "").await;
    let told: Vec<_> =
        found.iter().map(|row| (text(&row["output"]), row["attempts"].as_u64().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("By call 0.", 1),
            ("By call 1.", 2),
            ("By call 0.", 1),
            ("By call 3.", 3),
            ("By call 0.", 1),
        ]
    );
    retry(&stack, &owner.caller, &job, &json!({})).await.problem(409, "conflict");
    assert_eq!(api.asked().len(), 4);
}
