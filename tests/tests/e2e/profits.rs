//! Profits: filters, sorts, pages, validators, and figures of groups.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

/// The rows of an answer as `Alpha 2023-01`.
fn named(page: &Value) -> Vec<String> {
    let name = |row: &Value| {
        format!(
            "{} {}-{:02}",
            row["company"].as_str().unwrap(),
            row["year"],
            row["month"].as_u64().unwrap()
        )
    };
    page["items"].as_array().unwrap().iter().map(name).collect()
}

async fn get(stack: &TestStack, caller: &Caller, query: &str) -> Value {
    stack.get(&format!("/profits{query}"), Some(caller)).await.expect(200)
}

/// All rows that a caller may read and that match.
pub async fn all_rows(stack: &TestStack, caller: &Caller, filter: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for page in 1.. {
        let found = get(stack, caller, &format!("?size=100&page={page}{filter}")).await;
        let items = found["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        rows.extend(items.clone());
    }
    rows
}

/// An amount in hundredths as text.
fn amount(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The figures that rows have, by a member of theirs.
pub fn summed_up(rows: &[Value], group_by: &str) -> Value {
    let mut groups = BTreeMap::<_, Vec<u64>>::new();
    for row in rows {
        let number = || format!("{:>4}", row[group_by].as_u64().unwrap());
        let key = row[group_by].as_str().map_or_else(number, str::to_owned);
        let cents = row["profit"].as_str().unwrap().replace('.', "").parse().unwrap();
        groups.entry(key).or_default().push(cents);
    }
    let group = |(key, cents): (String, Vec<u64>)| {
        let (sum, count) = (cents.iter().sum::<u64>(), u64::try_from(cents.len()).unwrap());
        let (below, rest) = (sum / count, sum % count);
        let is_up = 2 * rest > count || 2 * rest == count && below % 2 == 1;
        let number = key.trim().parse::<u64>().map(Value::from);
        json!({
            group_by: number.unwrap_or_else(|_| key.into()),
            "count": count,
            "sum": amount(sum),
            "mean": amount(below + u64::from(is_up)),
            "min": amount(*cents.iter().min().unwrap()),
            "max": amount(*cents.iter().max().unwrap()),
        })
    };
    groups.into_iter().map(group).collect()
}

#[tokio::test]
async fn there_are_120_rows_of_five_companies_in_two_years() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let mut rows = Vec::new();
    for page in 1..=6 {
        let found = get(&stack, &demo, &format!("?page={page}")).await;
        assert_eq!(
            (&found["page"], &found["size"], &found["total"], &found["pages"]),
            (&json!(page), &json!(20), &json!(120), &json!(6))
        );
        rows.extend(found["items"].as_array().unwrap().clone());
    }
    let keys: BTreeSet<_> = rows
        .iter()
        .map(|row| format!("{} {} {}", row["company"], row["year"], row["month"]))
        .collect();
    assert_eq!((rows.len(), keys.len()), (120, 120));
    for row in &rows {
        let profit = row["profit"].as_str().unwrap();
        let (whole, cents) = profit.split_once('.').unwrap();
        let whole: u32 = whole.parse().unwrap();
        assert!(cents.len() == 2 && (50_000..=250_000).contains(&whole), "{row}");
        assert!(
            (2022..=2023).contains(&row["year"].as_u64().unwrap())
                && (1..=12).contains(&row["month"].as_u64().unwrap()),
            "{row}"
        );
    }
    let past = get(&stack, &demo, "?page=7").await;
    assert_eq!(
        (&past["items"], &past["total"], &past["page"]),
        (&json!([]), &json!(120), &json!(7))
    );
}

#[tokio::test]
async fn seeding_again_adds_what_is_missing_and_changes_nothing_else() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let before = get(&stack, &demo, "?size=100").await;
    let key = |row: &str| json!({"dataset": {"S": "profits"}, "row": {"S": row}});
    for missing in [&[][..], &["Alpha#2022-02", "Epsilon#2023-12"]] {
        for row in missing {
            stack.delete_item("ProfitsTable", &key(row)).await;
        }
        stack.local.invoke("SeedFunction", "{}").await.unwrap();
        assert_eq!(get(&stack, &demo, "?size=100").await, before);
    }
    // The figures are the same on every machine.
    assert_eq!(
        get(&stack, &demo, "?company=Alpha&year=2022&month=1").await["items"][0]["profit"],
        "72379.76"
    );
    assert_eq!(
        get(&stack, &demo, "?company=Epsilon&year=2023&month=12").await["items"][0]["profit"],
        "106094.06"
    );
}

#[tokio::test]
async fn rows_are_filtered() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for (query, total) in [
        ("?company=Beta", 24),
        ("?year=2022", 60),
        ("?month=7", 10),
        ("?company=Beta&year=2022", 12),
        ("?company=Beta&month=7", 2),
        ("?year=2022&month=7", 5),
        ("?company=Beta&year=2022&month=7", 1),
        ("?company=Unknown", 0),
        ("?company=beta", 0),
        ("?company=Bet", 0),
        ("?company=Beta%232022", 0),
        ("?year=1900", 0),
    ] {
        let found = get(&stack, &demo, &format!("{query}&size=100")).await;
        assert_eq!(
            (found["items"].as_array().unwrap().len(), &found["total"]),
            (total, &json!(total)),
            "{query}"
        );
        for row in found["items"].as_array().unwrap() {
            for (name, value) in
                [("company", json!("Beta")), ("year", json!(2022)), ("month", json!(7))]
            {
                assert!(!query.contains(name) || row[name] == value, "{query}: {row}");
            }
        }
    }
    assert_eq!(get(&stack, &demo, "?company=Unknown").await["pages"], 0);
}

#[tokio::test]
async fn rows_are_sorted_by_any_fields_in_any_order() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for (sort, expected) in [
        ("", ["Alpha 2023-01", "Alpha 2023-02", "Alpha 2023-03"]),
        ("&sort=company,-year,month", ["Alpha 2023-01", "Alpha 2023-02", "Alpha 2023-03"]),
        ("&sort=-company", ["Gamma 2022-01", "Gamma 2022-02", "Gamma 2022-03"]),
        ("&sort=year,month,-company", ["Gamma 2022-01", "Epsilon 2022-01", "Delta 2022-01"]),
        ("&sort=-month,-year,company", ["Alpha 2023-12", "Beta 2023-12", "Delta 2023-12"]),
        ("&sort=month", ["Alpha 2022-01", "Alpha 2023-01", "Beta 2022-01"]),
    ] {
        assert_eq!(named(&get(&stack, &demo, &format!("?size=3{sort}")).await), expected, "{sort}");
    }
    // Pages of a sort add up to the whole.
    let whole = named(&get(&stack, &demo, "?size=100&sort=-month,company").await);
    let mut pages = Vec::new();
    for page in 1..=10 {
        pages.extend(named(
            &get(&stack, &demo, &format!("?size=10&page={page}&sort=-month,company")).await,
        ));
    }
    assert_eq!(pages, whole);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for (query, parameters) in [
        ("page=0", &["page"][..]),
        ("page=101&size=100", &["page"]),
        ("size=0", &["size"]),
        ("size=101", &["size"]),
        ("size=ten", &["size"]),
        ("year=1899", &["year"]),
        ("year=3000", &["year"]),
        ("year=2022.0", &["year"]),
        ("month=13", &["month"]),
        ("month=%2B1", &["month"]),
        ("company=", &["company"]),
        ("sort=profit", &["sort"]),
        ("sort=company,company", &["sort"]),
        ("sort=", &["sort"]),
        ("year=2022&year=2023", &["year"]),
        ("limit=5", &["limit"]),
        ("year=x&month=y&nope=z", &["year", "month", "nope"]),
    ] {
        stack.get(&format!("/profits?{query}"), Some(&demo)).await.invalid(parameters);
    }
    let refused = stack.get("/profits?sort=profit", Some(&demo)).await.json();
    assert!(
        refused["errors"][0]["detail"].as_str().unwrap().contains("company, year and month"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_summary_has_the_figures_of_the_rows_that_match() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for filter in ["", "&company=Beta", "&year=2022", "&month=7", "&company=Beta&year=2022&month=7"]
    {
        let rows = all_rows(&stack, &demo, filter).await;
        for group_by in ["company", "year", "month"] {
            let found = get(&stack, &demo, &format!("/summary?group_by={group_by}{filter}")).await;
            let expected = json!({"items": summed_up(&rows, group_by)});
            assert_eq!(found, expected, "{group_by} {filter}");
        }
    }
    let months = get(&stack, &demo, "/summary?group_by=month").await;
    let numbers = months["items"].as_array().unwrap().iter().map(|group| group["month"].as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=12).map(Some).collect::<Vec<_>>());
    for nothing in ["company=Unknown", "company=beta", "year=1900"] {
        let found = get(&stack, &demo, &format!("/summary?group_by=year&{nothing}")).await;
        assert_eq!(found, json!({"items": []}), "{nothing}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_summary_is_named() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for (query, parameters) in [
        ("", &["group_by"][..]),
        ("?group_by=", &["group_by"]),
        ("?group_by=quarter", &["group_by"]),
        ("?group_by=company,year", &["group_by"]),
        ("?group_by=year&group_by=month", &["group_by"]),
        ("?group_by=year&year=1899&month=13", &["year", "month"]),
        ("?group_by=year&company=", &["company"]),
        ("?group_by=year&page=1&sort=year", &["page", "sort"]),
    ] {
        stack.get(&format!("/profits/summary{query}"), Some(&demo)).await.invalid(parameters);
    }
    stack.get("/profits/summary/", Some(&demo)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_summary_that_the_client_has_is_a_304_and_leaves_its_event() {
    let stack = TestStack::start().await;
    let (demo, admin) = (stack.demo().await, stack.admin().await);
    let path = "/profits/summary?group_by=month&company=Alpha";
    let first = stack.get(path, Some(&demo)).await;
    first.expect(200);
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let ask = async |path: &str| -> Answer {
        let request = stack.request(Method::GET, path).bearer_auth(&demo.access);
        stack.send(request.header("if-none-match", first.header("etag"))).await
    };
    let known = ask(path).await;
    known.expect(304);
    assert_eq!((known.text.as_str(), known.header("vary")), ("", "Authorization, Accept"));
    ask("/profits/summary?group_by=month&company=Beta").await.expect(200);
    let events = stack.events(&admin, "profits.read").await;
    assert_eq!(events.len(), 3);
    for event in &events[..2] {
        assert_eq!(
            (&event["outcome"], &event["detail"]),
            (&json!("success"), &json!({"group_by": "month", "company": "Alpha", "rows": 12}))
        );
    }
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_a_304_and_leaves_its_event() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let admin = stack.admin().await;
    let ask = async |query: &str, if_none_match: &str| -> Answer {
        let request =
            stack.request(Method::GET, &format!("/profits{query}")).bearer_auth(&demo.access);
        stack.send(request.header("if-none-match", if_none_match)).await
    };
    let answer = stack.get("/profits?company=Alpha", Some(&demo)).await;
    answer.expect(200);
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
    for list in [
        tag.clone(),
        format!("W/{tag}"),
        "*".into(),
        format!("\"other\", {tag}"),
        format!("W/\"a,b\",W/{tag}"),
    ] {
        let known = ask("?company=Alpha", &list).await;
        known.expect(304);
        assert_eq!(
            (known.text.as_str(), known.header("etag"), known.header("content-type")),
            ("", tag.as_str(), ""),
            "{list}"
        );
        assert_eq!(
            (known.header("cache-control"), known.header("vary")),
            ("private, no-cache", "Authorization, Accept")
        );
    }
    for list in ["\"other\"", "W/\"other\"", "", tag.trim_matches('"')] {
        let fresh = ask("?company=Alpha", list).await;
        fresh.expect(200);
        assert_eq!(
            (fresh.header("etag"), fresh.header("cache-control")),
            (tag.as_str(), "private, no-cache"),
            "{list}"
        );
        assert_eq!(fresh.header("vary"), "Authorization, Accept");
    }
    ask("?company=Beta", &tag).await.expect(200);
    ask("?company=Alpha&page=2", &tag).await.expect(200);

    let events = stack.events(&admin, "profits.read").await;
    assert_eq!(events.len(), 12);
    assert!(
        events
            .iter()
            .all(|event| event["outcome"] == "success" && event["actor"]["username"] == "demo")
    );
    assert_eq!(
        events[1]["detail"],
        json!({
            "company": "Alpha", "page": 1, "size": 20, "sort": "company,-year,month", "rows": 20,
        })
    );
}

#[tokio::test]
async fn a_warm_read_costs_its_count_two_reads_and_the_event() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    get(&stack, &demo, "").await;
    get(&stack, &demo, "/summary?group_by=year").await;
    for query in
        ["", "?company=Alpha", "?year=2022&month=3&sort=-company", "/summary?group_by=company"]
    {
        let (_, calls) = stack.round_trips(get(&stack, &demo, query)).await;
        let mut operations: Vec<_> =
            calls.iter().filter_map(|call| call.split(' ').next()).collect();
        // The first three are made side by side.
        operations[..3].sort_unstable();
        assert_eq!(operations, ["BatchGetItem", "Query", "UpdateItem", "PutItem"], "{calls:?}");
    }
}

#[tokio::test]
async fn a_token_is_trusted_for_its_lifetime_although_its_session_has_ended() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    stack.post("/auth/logout", Some(&demo), &json!({})).await.expect(204);
    get(&stack, &demo, "").await;
    stack.get("/audit?actor=me", Some(&demo)).await.problem(401, "invalid_token");
}
