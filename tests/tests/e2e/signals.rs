//! Signals for operators: the lines of which CloudWatch makes metrics, and the alarms of the
//! template on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use platform::metrics::{DIMENSION, NAMESPACE, Signal};
use serde_json::{Value, json};
use tally_local::{StackOptions, template};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{TestStack, root};

use crate::chat::{claude, text};

/// The signals in the log of a function, in their order. Waits until there are so many: a line can
/// come after the answer.
pub async fn emitted(stack: &TestStack, function: &str, number: usize) -> Vec<(String, Value)> {
    let log = stack.local.logs().join(format!("{function}.log"));
    loop {
        let found = embedded(&fs::read_to_string(&log).unwrap_or_default());
        if found.len() >= number {
            return found.iter().map(signal).collect();
        }
        tokio::task::yield_now().await;
    }
}

/// The lines of a log that CloudWatch takes for embedded metrics.
fn embedded(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| !line["_aws"].is_null()).collect()
}

/// The name and value of a signal. Panics if the line has any other member, or a dimension that
/// tells apart more than stacks.
fn signal(line: &Value) -> (String, Value) {
    let [directive] = &line["_aws"]["CloudWatchMetrics"].as_array().unwrap()[..] else {
        panic!("{line} has not one directive")
    };
    let [metric] = &directive["Metrics"].as_array().unwrap()[..] else {
        panic!("{line} has not one metric")
    };
    let name = text(&metric["Name"]);
    assert_eq!(directive["Namespace"], NAMESPACE, "{line}");
    assert_eq!(directive["Dimensions"], json!([[DIMENSION]]), "{line}");
    assert_eq!(line[DIMENSION], "tally-local", "{line}");
    assert!(Signal::ALL.iter().any(|signal| signal.name() == name), "{line}");
    assert!(line["_aws"]["Timestamp"].is_u64() && line[name].is_number(), "{line}");
    let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["_aws", DIMENSION, name]), "{line}");
    (name.to_owned(), line[name].clone())
}

fn once(signal: Signal) -> (String, Value) {
    (signal.name().to_owned(), 1.into())
}

#[tokio::test]
async fn failed_logins_denials_refusals_and_reuse_are_signals() {
    let stack = TestStack::with(&[("RateLimits", "refresh=2/1h,*=100000/1m")]).await;
    let demo = stack.demo().await;
    let wrong = json!({"username": "demo", "password": "not the password"});
    stack.post("/auth/login", None, &wrong).await.problem(401, "invalid_credentials");
    assert_eq!(emitted(&stack, "LoginFunction", 1).await, [once(Signal::FailedLogins)]);

    // The second denial leaves no event of its own, and is a signal all the same.
    stack.get("/audit", None).await.problem(401, "unauthenticated");
    for _ in 0..2 {
        stack.get("/audit", Some(&demo)).await.problem(403, "forbidden");
    }
    let denials = [once(Signal::Denials), once(Signal::Denials)];
    assert_eq!(emitted(&stack, "AuditFunction", 2).await, denials);

    let spend = async |token: &str| {
        stack.post("/auth/refresh", None, &json!({"refresh_token": token})).await
    };
    let mut token = demo.refresh.clone();
    for _ in 0..2 {
        let answer = spend(&token).await;
        token = text(&answer.expect(200)["refresh_token"]).to_owned();
    }
    spend(&token).await.problem(429, "rate_limited");
    spend(&demo.refresh).await.problem(401, "invalid_refresh_token");
    let refresh = [once(Signal::LimitsHit), once(Signal::RefreshReuse)];
    assert_eq!(emitted(&stack, "RefreshFunction", 2).await, refresh);

    // No other function emits any, but for the schedules of the sealer and of jobs. Each run of
    // them emits one.
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(stack.local.logs()).unwrap() {
        let path = entry.unwrap().path();
        for line in embedded(&fs::read_to_string(path).unwrap()) {
            *found.entry(signal(&line).0).or_insert(0) += 1;
        }
    }
    for of_schedule in [Signal::SealingLag, Signal::JobQueueAge] {
        found.remove(of_schedule.name());
    }
    let expected = [
        (Signal::FailedLogins, 1),
        (Signal::Denials, 2),
        (Signal::LimitsHit, 1),
        (Signal::RefreshReuse, 1),
    ];
    assert_eq!(found, expected.map(|(signal, number)| (signal.name().to_owned(), number)).into());
}

#[tokio::test]
async fn the_cost_of_a_reply_is_a_signal_when_it_is_settled() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["Alpha", " grew."]))]).await;
    let stack = claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    let asked = stack.post("/chat", Some(&caller), &json!({"message": "How did Alpha do?"})).await;
    let cost: f64 = text(&asked.expect(200)["cost_usd"]).parse().unwrap();
    assert!(cost > 0.0);
    let expected = (Signal::AiSpend.name().to_owned(), json!(cost));
    assert_eq!(emitted(&stack, "ChatStreamFunction", 1).await, [expected]);
}

#[tokio::test]
async fn each_run_of_the_sealer_emits_its_lag() {
    let stack = TestStack::start().await;
    let mut runs = 0;
    for _ in 0..2 {
        stack.seal().await;
        let found = emitted(&stack, "AuditSealFunction", runs + 1).await;
        assert!(found.iter().all(|(name, lag)| name == "SealingLag" && lag.is_u64()), "{found:?}");
        runs = found.len();
    }
}

#[tokio::test]
async fn a_change_of_an_event_is_a_signal() {
    const SEALER: &str = "AuditSealFunction";
    let stack = TestStack::sealing().await;
    stack.demo().await;
    stack.local.drained(SEALER).await.unwrap();
    let mut edited = stack.items("AuditTable").await.remove(0);
    edited["ip"]["S"] = "192.0.2.1".into();
    stack.put_item("AuditTable", &edited).await;
    let mut number = 1;
    while !emitted(&stack, SEALER, number).await.contains(&once(Signal::Tampering)) {
        number += 1;
    }
}

/// The properties of the template's alarms, by logical id.
fn alarms() -> BTreeMap<String, Value> {
    resources("AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|(id, resource)| (id, resource["Properties"].clone()))
        .collect()
}

/// The template's resources of a type, by logical id.
fn resources(kind: &str) -> BTreeMap<String, Value> {
    let resources = template::resources(&root().join("template.yaml")).unwrap();
    resources.into_iter().filter(|(_, resource)| resource["Type"] == kind).collect()
}

/// The resources that an alarm watches by a dimension, in several metrics.
fn watched(alarm: &Value, metric: &str) -> BTreeSet<String> {
    let metrics = alarm["Metrics"].as_array().unwrap().iter();
    let metrics = metrics.map(|part| &part["MetricStat"]["Metric"]);
    metrics
        .filter(|found| found["MetricName"] == metric)
        .map(|found| {
            let value = &found["Dimensions"][0]["Value"];
            text(value.get("Ref").unwrap_or(&value["Fn::GetAtt"][0])).to_owned()
        })
        .collect()
}

#[test]
fn every_signal_has_an_alarm_and_every_alarm_a_signal_that_functions_emit() {
    let mut watched = Vec::new();
    for (id, alarm) in alarms() {
        assert_eq!(alarm["AlarmActions"], json!([{"Ref": "AlarmTopic"}]), "{id}");
        // A schedule whose function has died emits nothing.
        let is_of_schedule = ["SealingLagAlarm", "JobQueueAgeAlarm"].contains(&id.as_str());
        let missing = if is_of_schedule { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], missing, "{id}");
        if alarm["Namespace"] == NAMESPACE {
            let stack = json!([{"Name": DIMENSION, "Value": {"Ref": "AWS::StackName"}}]);
            assert_eq!(alarm["Dimensions"], stack, "{id}");
            watched.push(text(&alarm["MetricName"]).to_owned());
        }
    }
    let mut names = Signal::ALL.map(Signal::name);
    names.sort_unstable();
    watched.sort_unstable();
    assert_eq!(watched, names);
}

#[test]
fn no_failure_is_out_of_sight() {
    let alarms = alarms();
    let queues: BTreeSet<_> = resources("AWS::SQS::Queue").into_keys().collect();
    let failed = &alarms["FailedInvocationsAlarm"];
    assert_eq!(watched(failed, "ApproximateNumberOfMessagesVisible"), queues);
    // No client notices that a schedule's function has failed, and it has no queue.
    let functions = resources("AWS::Serverless::Function").into_iter();
    let scheduled = functions.filter(|(_, function)| {
        let events = function["Properties"]["Events"].as_object();
        events.is_some_and(|events| events.values().any(|event| event["Type"] == "Schedule"))
    });
    let rotations = resources("AWS::SecretsManager::RotationSchedule").into_values();
    let rotating = rotations.map(|rotation| {
        text(&rotation["Properties"]["RotationLambdaARN"]["Fn::GetAtt"][0]).to_owned()
    });
    let expected: BTreeSet<_> = scheduled.map(|(id, _)| id).chain(rotating).collect();
    assert_eq!(watched(&alarms["WorkerErrorsAlarm"], "Errors"), expected);
}

#[test]
fn alarms_are_only_where_they_are_wanted() {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    for kind in ["AWS::CloudWatch::Alarm", "AWS::SNS::Topic"] {
        let all = text.matches(&format!("    Type: {kind}\n")).count();
        let conditional = format!("    Type: {kind}\n    Condition: HasAlarms\n");
        assert_eq!(text.matches(&conditional).count(), all, "{kind}");
    }
    let load = |sets: &[(&str, &str)]| {
        let mut options = StackOptions::new(root().join("template.yaml"), root());
        options.sets =
            sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        template::load(&options.source("http://127.0.0.1:1"))
            .map(|deployment| deployment.outputs.contains_key("AlarmTopic"))
            .map_err(|error| error.to_string())
    };
    let mail = ("AlarmEmail", "ops@example.com");
    assert_eq!(load(&[]), Ok(false));
    assert_eq!(load(&[("Alarms", "on")]), Ok(true));
    assert_eq!(load(&[("Alarms", "on"), mail]), Ok(true));
    let refused = load(&[mail]).unwrap_err();
    assert!(refused.contains("Rules.MailOfAlarms: AlarmEmail needs Alarms=on"), "{refused}");
}
