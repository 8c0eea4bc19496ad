//! Measures a batch of 10,000 rows, and what it costs beside the model:
//! `cargo bench -p tally-tests --bench batch`. docs/PERFORMANCE.md has the results. A number after
//! `--` is the seed of the moments at which workers are killed.
//!
//! The model is the tests' Messages API, which takes 100 ms for an answer. The functions are the
//! release binaries. One batch runs undisturbed. The worker of another is killed ten times, at
//! random moments. Its lease and the schedule are short, so that another worker soon goes on. The
//! bench fails unless each row has one result, and the budget has paid the sum of the calls. The
//! calls of AWS are those that the local stack has seen. Units of DynamoDB are computed from the
//! items.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use assistant::domain::Cost;
use bytes::Bytes;
use http::Method;
use platform::clock::Timestamp;
use platform::ids;
use serde_json::{Value, json};
use tally_local::aws::{Call, CallLog, Service};
use tally_local::{StackOptions, builder};
use tally_tests::messages_api::{KEY, MessagesApi};
use tally_tests::{Caller, TestStack, id, item_bytes, root, task_model};
use tokio::time::{Instant, interval, sleep};

const WORKER: &str = "JobRunFunction";

const ROWS: usize = 10_000;
const ROWS_PER_CALL: usize = 20;

/// Time of an answer of the model.
const ANSWER: Duration = Duration::from_millis(100);

/// Number of times that a worker is killed, in each run.
const RUNS: [usize; 2] = [0, 10];

/// Time between two invocations by schedule.
const SWEEP: Duration = Duration::from_secs(5);

/// Time between two looks at the job.
const LOOK: Duration = Duration::from_millis(200);

/// Rows of a part of an upload: a request has at most 1 MiB.
const PART: usize = 2_500;

/// List prices in us-east-1, in dollars, as of November 2026: of a million write and read units
/// (<https://aws.amazon.com/dynamodb/pricing/on-demand/>), and of a second with 1 GB of memory on
/// arm64 (<https://aws.amazon.com/lambda/pricing/>).
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const GB_SECOND: f64 = 0.000_013_333_4;

/// When a worker is killed: this long after the bench has seen so many rows with a result.
struct Kill {
    rows: usize,
    wait: Duration,
}

/// Numbers of calls, by service, operation and targets.
type Counts = BTreeMap<String, usize>;

#[tokio::main]
async fn main() {
    // `cargo bench` adds arguments that start with dashes.
    let seed = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let seed: u64 =
        seed.map_or_else(|| u32::from_le_bytes(ids::random()).into(), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    for kills in RUNS {
        run(&moments(kills, seed)).await;
    }
}

/// Random moments of so many kills. Each lies in a part of the batch of its own, so that a worker
/// can do something before it. The last part has none, because the batch must not end before.
fn moments(kills: usize, mut seed: u64) -> Vec<Kill> {
    let part = ROWS / (kills + 1);
    let kill = |index: usize| Kill {
        rows: part * index + draw(&mut seed, part),
        wait: LOOK / 100 * u32::try_from(draw(&mut seed, 100)).unwrap(),
    };
    (0..kills).map(kill).collect()
}

/// A random number below this one, by `SplitMix64`.
fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) % below as u64).unwrap()
}

async fn run(kills: &[Kill]) {
    let api = MessagesApi::start(|asked| {
        task_model::answer(asked).in_pieces_of(usize::MAX).paced(ANSWER)
    });
    let api = api.await;
    let stack = stack(&api).await;
    let owner = stack.demo().await;
    let range = upload(&stack, &owner).await;
    stack.local.calls().clear();
    let body = json!({
        "range_id": range, "operation": {"type": "classify", "labels": ["paid", "open", "late"]},
        "input_columns": ["A", "B"], "rows_per_call": ROWS_PER_CALL,
    });
    let job = id(&stack.post("/batches", Some(&owner), &body).await.expect(202));
    let held =
        cost(&stack.get(&format!("/jobs/{job}"), Some(&owner)).await.expect(200)["held_usd"]);
    let counts = follow(&stack, &job, kills).await;
    let ended = stack.get(&format!("/jobs/{job}"), Some(&owner)).await.expect(200);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let seconds = seconds(&ended["created_at"], &ended["ended_at"]);
    println!("{ROWS} rows, {ROWS_PER_CALL} a call, {} workers killed: {seconds:.1} s", kills.len());
    check_results(&stack, &owner, &job).await;
    check_costs(&stack, &owner, (&api, &ended, held)).await;
    print_costs(&stack, &job, &counts, seconds).await;
    stack.local.shutdown().await;
}

/// A stack whose assistant is this server, and whose jobs make eight calls at once.
async fn stack(api: &MessagesApi) -> TestStack {
    let mut options =
        StackOptions::new(root().join("template.yaml"), builder::binaries_directory().unwrap());
    let functions =
        ["seed", "login", "workbooks", "ranges", "batches", "jobs", "job-run", "budgets"];
    options.only = Some(functions.map(str::to_owned).into());
    options.sets = [
        ("RateLimits", "*=1000000/1m"),
        ("AiProvider", "anthropic"),
        ("AnthropicBaseUrl", api.url.as_str()),
        ("AiModel", "tasks"),
        ("AiPrices", "tasks=5/25/6.25/0.50"),
        ("UserMonthlyBudgetUsd", "1000"),
        ("DeploymentMonthlyBudgetUsd", "1000"),
        ("JobParallel", "8"),
        ("JobLeaseSeconds", "2"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    options.build().unwrap();
    let stack = TestStack::run(options).await;
    let secret = json!({
        "SecretString": json!({"api_key": KEY}).to_string(),
        "ClientRequestToken": "5f3a1c52-8e53-4a5b-9c3e-0d0a5a6f7b10",
    });
    stack.secrets_manager("PutSecretValue", "AnthropicKey", secret).await.unwrap();
    stack
}

/// Uploads the rows, below a row of headers. Returns the range.
async fn upload(stack: &TestStack, owner: &Caller) -> String {
    let book = stack.post("/workbooks", Some(owner), &json!({"name": "Invoices"})).await;
    let book = id(&book.expect(201));
    let mut rows = vec![json!(["Invoice", "Text"])];
    rows.extend((0..ROWS).map(|number| json!([format!("I-{number}"), "Paper, two boxes"])));
    let parts: Vec<_> = rows.chunks(PART).collect();
    let head = json!({
        "sheet": {"name": "2026", "visibility": "visible"}, "address": format!("A1:B{}", rows.len()),
        "parts": parts.len(), "headers": 1, "separators": {"decimal": ".", "group": ","},
        "date_system": 1900, "spills": [], "pivots": [],
    });
    let path = format!("/workbooks/{book}/ranges");
    let range = id(&stack.post(&path, Some(owner), &head).await.expect(201));
    for (number, rows) in parts.iter().enumerate() {
        let first = number * PART + 1;
        let address = format!("A{first}:B{}", first + rows.len() - 1);
        let part = json!({"address": address, "values": rows, "formulas": rows});
        let path = format!("/ranges/{range}/parts/{}", number + 1);
        stack.call(Method::PUT, &path, owner, &part).await.expect(204);
    }
    stack.post(&format!("/ranges/{range}/complete"), Some(owner), &json!({})).await.expect(200);
    range
}

/// Looks at a job until it has ended, and kills its workers meanwhile. The calls of AWS.
async fn follow(stack: &TestStack, job: &str, kills: &[Kill]) -> Counts {
    let (mut swept, mut counts) = (Instant::now(), Counts::new());
    // Workers have numbers from 1. A job has the number of its last one.
    let (mut killed, mut left) = (0, kills);
    let mut clock = interval(LOOK);
    loop {
        clock.tick().await;
        let head = item(stack, job).await;
        // The log of calls forgets the oldest ones.
        count(&stack.local.calls(), &mut counts);
        let (rows, worker) = (number(&head["counts"]["M"]["succeeded"]), number(&head["epoch"]));
        if head["ended_at"].is_object() {
            assert!(
                left.is_empty() && worker > kills.len(),
                "the batch has ended before its kills"
            );
            return counts;
        }
        if let [kill, rest @ ..] = left
            && worker > killed
            && rows >= kill.rows
        {
            sleep(kill.wait).await;
            stack.local.functions().kill(WORKER).unwrap();
            (killed, left) = (worker, rest);
        }
        if swept.elapsed() >= SWEEP {
            let start = Bytes::from_static(b"{}");
            stack.local.functions().invoke_async(WORKER, start).unwrap();
            swept = Instant::now();
        }
    }
}

/// A job as it is stored, in DynamoDB's JSON.
async fn item(stack: &TestStack, job: &str) -> Value {
    let items = stack.items("JobsTable").await;
    items.into_iter().find(|item| item["id"]["S"] == job).unwrap()
}

/// Fails unless each row has one result.
async fn check_results(stack: &TestStack, owner: &Caller, job: &str) {
    let results = stack.pages(&format!("/batches/{job}/results"), owner, 100).await;
    let rows: Vec<_> = results.iter().map(|result| result["row"].as_u64().unwrap()).collect();
    // The first row has the headers.
    let expected: Vec<_> = (2..).take(ROWS).collect();
    assert_eq!(rows, expected);
    assert!(results.iter().all(|result| result["status"] == "succeeded"));
}

/// Fails unless the budget has paid the sum of the calls: what the model has answered at least, and
/// what was held at most.
async fn check_costs(
    stack: &TestStack,
    owner: &Caller,
    (api, job, held): (&MessagesApi, &Value, Cost),
) {
    let calls = stack.pages(&format!("/jobs/{}/items", id(job)), owner, 100).await;
    let sum = calls.iter().map(|call| cost(&call["cost_usd"]).nanos()).sum();
    let sum = Cost::from_nanos(sum);
    let budget = stack.get("/users/me/budget", Some(owner)).await.expect(200);
    assert_eq!((cost(&job["cost_usd"]), cost(&budget["spent_usd"])), (sum, sum));
    assert_eq!(cost(&budget["held_usd"]), Cost::ZERO);
    let asked = i64::try_from(api.asked().len()).unwrap();
    // The cheapest call is one that was counted.
    let each = calls.iter().map(|call| cost(&call["cost_usd"]).nanos()).min().unwrap();
    assert!(asked * each <= sum.nanos() && sum.nanos() <= held.nanos(), "{asked} calls, {sum}");
    let estimated = calls.iter().filter(|call| call["estimated"] == true).count();
    println!(
        "  {asked} calls of the model for {} items, {estimated} of them estimated; settled {sum} $ \
         of {held} $",
        calls.len()
    );
}

/// What the batch costs beside the model.
async fn print_costs(stack: &TestStack, job: &str, counts: &Counts, seconds: f64) {
    let events = stack.items("AuditTable").await;
    let events: Vec<_> =
        events.into_iter().filter(|event| event["action"]["S"] == "job.item").collect();
    let texts = stack.items("AuditTextsTable").await;
    let items = stack.items("JobItemsTable").await;
    let grids = stack.items("RangesTable").await;
    let units = |items: &[Value], bytes| -> usize {
        items.iter().map(|item| item_bytes(item).div_ceil(bytes)).sum()
    };
    let calls = |operations: &[&str], table: &str| -> usize {
        let is_one = |call: &str| {
            operations.iter().any(|operation| call.starts_with(operation)) && call.contains(table)
        };
        counts.iter().filter(|(call, _)| is_one(call)).map(|(_, count)| count).sum()
    };
    // Each write of a transaction counts twice. A change replaces the head. An item is written when
    // its call begins, and with its result.
    let changes = calls(&["DynamoDb TransactWriteItems", "DynamoDb PutItem"], "JobsTable");
    let head = item_bytes(&item(stack, job).await).div_ceil(1_024);
    let begun = events.len().max(items.len());
    let reads = calls(&["DynamoDb GetItem", "DynamoDb BatchGetItem", "DynamoDb Query"], "");
    let of_cells = calls(&["DynamoDb BatchGetItem", "DynamoDb Query"], "RangesTable");
    let memory = stack.local.deployment().functions.iter().find(|each| each.id == WORKER).unwrap();
    let gigabytes = f64::from(memory.memory_mb) / 1_024.0;
    let million = 1_000_000.0;
    let rows = [
        ("the job, write units", float(2 * head * changes), WRITE_UNIT / million),
        ("its items, write units", float(2 * (begun + units(&items, 1_024))), WRITE_UNIT / million),
        (
            "events and their index, write units",
            float(3 * units(&events, 1_024)),
            WRITE_UNIT / million,
        ),
        ("texts of events, write units", float(units(&texts, 1_024)), WRITE_UNIT / million),
        ("cells, read units at most", float(of_cells * units(&grids, 4_096)), READ_UNIT / million),
        ("other reads, read units", float(reads - of_cells), READ_UNIT / million),
        ("GB-seconds of the worker, at most", gigabytes * seconds, GB_SECOND),
    ];
    let mut total = 0.0;
    for (name, count, price) in rows {
        total += count * price;
        println!("  {name:<36} {count:>9.0} {:>8.4} $", count * price);
    }
    println!("  {:<36} {:>9} {total:>8.4} $", "all", "");
    for (call, count) in counts {
        println!("    {count:>7} {call}");
    }
}

fn count(calls: &CallLog, counts: &mut Counts) {
    for Call { service, operation, targets } in calls.take() {
        // The bench itself looks at the job by scans. Objects and connections count together.
        if operation == "Scan" {
            continue;
        }
        let targets = if service == Service::DynamoDb { targets.join("+") } else { String::new() };
        let call = format!("{service:?} {operation} {}", targets.replace("tally-local-", ""));
        *counts.entry(call).or_default() += 1;
    }
}

fn number(value: &Value) -> usize {
    value["N"].as_str().unwrap().parse().unwrap()
}

fn cost(value: &Value) -> Cost {
    value.as_str().unwrap().parse().unwrap()
}

fn seconds(from: &Value, to: &Value) -> f64 {
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    time(to).duration_since(time(from)).as_secs_f64()
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
