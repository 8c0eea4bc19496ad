//! Measures how long an event waits for a checkpoint that covers it, and what an event costs:
//! `cargo bench -p tally-tests --bench sealing`. docs/PERFORMANCE.md has the results.
//!
//! Events with two texts are written at a steady rate, as the worker of replies writes them. The
//! sealer is the release binary, and the stream of the audit table invokes it. The calls are those
//! that the local stack has seen. Units of DynamoDB are computed from the items.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use platform::audit::{Actor, AuditDetails, Outcome};
use platform::aws::{Service, sdk_config};
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::ids;
use platform::store::AuditLog;
use serde_json::Value;
use tally_local::aws::{Call, CallLog};
use tally_local::{StackOptions, builder};
use tally_tests::{TestStack, item_bytes, root};
use texts::Texts;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

const SEALER: &str = "AuditSealFunction";
const USER: &str = "019a0000-0000-7000-8000-00000000000a";

/// Events a second, and the seconds of a run.
const RUNS: [(u32, u32); 2] = [(1, 120), (100, 60)];

/// Bytes of a prompt and of a reply of 300 tokens.
const PROMPT: usize = 600;
const REPLY: usize = 1_400;

/// List prices of a million in us-east-1, in dollars, as of November 2026:
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/s3/pricing/> and
/// <https://aws.amazon.com/kms/pricing/>. A signature is an asymmetric request.
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const PUT: f64 = 5.0;
const GET: f64 = 0.4;
const ASYMMETRIC: f64 = 15.0;
const SYMMETRIC: f64 = 3.0;

/// Numbers of calls, by service, operation and the kind of target.
type Counts = BTreeMap<String, usize>;

#[tokio::main]
async fn main() {
    for (rate, seconds) in RUNS {
        let mut options =
            StackOptions::new(root().join("template.yaml"), builder::binaries_directory().unwrap());
        options.only = Some(["seed", "audit-seal", "chat-stream"].map(str::to_owned).into());
        options.build().unwrap();
        let stack = TestStack::run(options).await;
        stack.local.drained(SEALER).await.unwrap();
        let begun = Clock::System.now();
        let counts = run(&stack, rate, seconds).await;
        println!("{rate} events a second for {seconds} s");
        print_lags(&stack, begun).await;
        print_costs(&stack, &counts).await;
        stack.local.shutdown().await;
    }
}

/// Writes events, and waits until they are sealed. The calls.
async fn run(stack: &TestStack, rate: u32, seconds: u32) -> Counts {
    let calls = stack.local.calls();
    calls.take();
    let mut counts = Counts::new();
    {
        let written = async {
            write(stack, rate, seconds).await;
            stack.local.drained(SEALER).await.unwrap();
        };
        tokio::pin!(written);
        // The log of calls forgets the oldest ones.
        loop {
            tokio::select! {
                () = &mut written => break,
                () = sleep(Duration::from_secs(1)) => count(&calls, &mut counts),
            }
        }
    }
    count(&calls, &mut counts);
    counts
}

async fn write(stack: &TestStack, rate: u32, seconds: u32) {
    let platform = stack.platform("ChatStreamFunction");
    let texts = Texts::new(&platform).unwrap();
    let (log, database) = (AuditLog::new(&platform).unwrap(), platform.database().unwrap());
    let mut clock = interval(Duration::from_secs(1) / rate);
    let mut writes = JoinSet::new();
    for number in 0..rate * seconds {
        clock.tick().await;
        let (texts, log, database) = (texts.clone(), log.clone(), database.clone());
        writes.spawn(async move {
            let (prompt, reply) = ("p".repeat(PROMPT), "r".repeat(REPLY));
            let named = [("prompt", prompt.as_str()), ("reply", reply.as_str())];
            let stored = texts.store(USER, &named).await.unwrap();
            let context = Context {
                request_id: format!("0a1b2c3d-0000-4000-8000-{number:012}"),
                address: "203.0.113.7".into(),
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101".into(),
                ..Context::default()
            };
            let details = AuditDetails::action("chat.message")
                .actor(Actor::user(USER, "measured"))
                .resource("message", &stored.event_id)
                .detail("model", "claude-sonnet-4-5")
                .detail("input_tokens", 180)
                .detail("output_tokens", 300)
                .detail("status", "complete")
                .texts(stored);
            let now = Clock::System.now();
            let event = details.event(None, Outcome::Success, None, &context, now, 6_300).unwrap();
            database.commit(vec![log.append(event).unwrap()]).await.unwrap();
        });
    }
    writes.join_all().await;
}

fn count(calls: &CallLog, counts: &mut Counts) {
    for Call { service, operation, targets } in calls.take() {
        // The files of the log count together.
        let targets = if service == tally_local::aws::Service::S3 {
            String::new()
        } else {
            targets.join("+").replace("tally-local-", "")
        };
        *counts.entry(format!("{service:?} {operation} {targets}")).or_default() += 1;
    }
}

/// The time from each event to the first checkpoint that covers it. Kept checkpoints are named by
/// full seconds, so each time counts as one second later.
async fn print_lags(stack: &TestStack, begun: Timestamp) {
    let checkpoints = checkpoints(stack).await;
    let items = stack.items("AuditSequenceTable").await;
    let lags = items.iter().filter_map(|item| {
        let index: u64 = item["index"]["N"].as_str()?.parse().ok()?;
        let made_at = ids::made_at(item["id"]["S"].as_str()?).filter(|made| *made >= begun)?;
        let (_, signed_at) = checkpoints.range(index + 1..).next()?;
        Some(1.0 + signed_at.duration_since(made_at).as_secs_f64())
    });
    let mut lags: Vec<_> = lags.collect();
    lags.sort_by(f64::total_cmp);
    let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    println!(
        "  {} events in {} checkpoints; seconds until sealed: median {:.1}, 95th percentile {:.1}, \
         most {:.1}",
        lags.len(),
        checkpoints.len(),
        at(50),
        at(95),
        at(100)
    );
}

/// The times of all checkpoints by their sizes. The first of a size counts.
async fn checkpoints(stack: &TestStack) -> BTreeMap<u64, Timestamp> {
    let config = stack.platform(SEALER).config;
    let client = aws_sdk_s3::Client::new(&sdk_config(&config, Service::S3).unwrap());
    let bucket = config.require("AUDIT_ARCHIVE_BUCKET").unwrap();
    let list = client.list_objects_v2().bucket(bucket).prefix("checkpoints/");
    let mut pages = list.into_paginator().send();
    let mut checkpoints = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let name = object.key().unwrap().strip_prefix("checkpoints/").unwrap();
            let (size, time) = name.split_once('-').unwrap();
            checkpoints.entry(size.parse().unwrap()).or_insert_with(|| timestamp(time));
        }
    }
    checkpoints
}

/// A time as in `20261129T090000Z`.
fn timestamp(text: &str) -> Timestamp {
    let (date, time) = text.split_once('T').unwrap();
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..6]);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().unwrap()
}

/// The costs of a million events.
async fn print_costs(stack: &TestStack, counts: &Counts) {
    let mut events = stack.items("AuditTable").await;
    events.retain(|item| item["action"]["S"] == "chat.message");
    let texts = stack.items("AuditTextsTable").await;
    let sequence = stack.items("AuditSequenceTable").await;
    let units = |items: &[Value], bytes| -> usize {
        items.iter().map(|item| item_bytes(item).div_ceil(bytes)).sum()
    };
    let calls = |start: &str| -> usize {
        counts.iter().filter(|(call, _)| call.starts_with(start)).map(|(_, count)| count).sum()
    };
    // Each item of a transaction counts twice. So does the head, which is none of these items' own.
    let appended = calls("DynamoDb TransactWriteItems AuditSequence");
    let placed = 2 * units(&sequence, 1_024) + 2 * appended;
    let reads = calls("DynamoDb GetItem AuditSequence") + units(&sequence, 4_096);
    let rows = [
        ("the event and its index, write units", 3 * units(&events, 1_024), WRITE_UNIT),
        ("its two texts, write units", units(&texts, 1_024), WRITE_UNIT),
        ("its place, write units", placed + calls("DynamoDb UpdateItem AuditSequence"), WRITE_UNIT),
        ("the sealer's reads, read units", reads, READ_UNIT),
        ("S3 puts", calls("S3 PutObject"), PUT),
        ("S3 gets", calls("S3 GetObject"), GET),
        (
            "signatures and public keys by KMS",
            calls("Kms Sign") + calls("Kms GetPublicKey"),
            ASYMMETRIC,
        ),
        ("data keys unwrapped by KMS, at most", events.len(), SYMMETRIC),
    ];
    let mut total = 0.0;
    for (name, count, price) in rows {
        let each = float(count) / float(events.len());
        total += each * price;
        println!("  {name:<40} {each:>8.3} {:>8.2} $", each * price);
    }
    println!("  {:<40} {:>8} {total:>8.2} $", "a million events", "");
    for (call, count) in counts {
        println!("    {count:>7} {call}");
    }
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
