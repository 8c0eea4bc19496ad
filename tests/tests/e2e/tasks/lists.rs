//! `GET /tasks`: its order, its filters, and what a page may look at.

use std::collections::BTreeSet;

use platform::domain::Words;
use serde_json::json;
use tally_tasks::{StatusFilter, TaskFilters, Tasks};
use tally_tests::{Caller, TestStack, id};

use super::{complete, due, listed, path};
use crate::access::{copy, ids_like, me};

/// The titles of a list, which is the same in pages of every size.
async fn titles(stack: &TestStack, caller: &Caller, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    for limit in [100, 2, 1] {
        let tasks = listed(stack, caller, query, limit).await;
        let titles: Vec<_> =
            tasks.iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect();
        assert!(limit == 100 || titles == found, "{query} by {limit}: {titles:?} {found:?}");
        found = titles;
    }
    found
}

#[tokio::test]
async fn lists_have_an_order_and_filters() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    for (title, day) in [
        ("a", Some("2026-03-01")),
        ("b", None),
        ("c", Some("2026-02-01")),
        ("d", Some("2026-03-01")),
        ("E Books", Some("2027-01-01")),
        ("f", None),
        ("g BÜCHER", Some("2026-03-01")),
    ] {
        due(&stack, &caller, title, day).await;
    }
    for task in listed(&stack, &caller, "", 100).await {
        if ["b", "d"].contains(&task["title"].as_str().unwrap()) {
            complete(&stack, &caller, &task).await.expect(200);
        }
    }
    let (books, buecher) = ("E Books", "g BÜCHER");
    for (query, expected) in [
        ("", &[buecher, "f", books, "c", "a"][..]),
        ("status=open&sort=-created_at", &[buecher, "f", books, "c", "a"]),
        ("status=completed", &["d", "b"]),
        ("status=all", &[buecher, "f", books, "d", "c", "b", "a"]),
        // Ties are in the order of creation, and tasks without a due date come last.
        ("sort=due_date", &["c", "a", buecher, books, "f"]),
        ("sort=due_date&status=completed", &["d", "b"]),
        ("sort=due_date&status=all", &["c", "a", "d", buecher, books, "b", "f"]),
        ("due_before=2026-03-01", &["c"]),
        ("due_before=2026-03-02&status=all", &[buecher, "d", "c", "a"]),
        ("due_before=2026-03-02&sort=due_date&status=all", &["c", "a", "d", buecher]),
        ("due_before=2026-02-01&sort=due_date", &[]),
        ("query=books", &[books]),
        ("query=b%C3%BCcher&status=all", &[buecher]),
        ("query=bu%CC%88cher&sort=due_date", &[buecher]),
        ("query=d", &[]),
        ("query=d&status=completed", &["d"]),
        ("query=o&due_before=2027-01-01", &[]),
        ("query=o&due_before=2027-01-02&sort=due_date", &[books]),
    ] {
        assert_eq!(titles(&stack, &caller, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_is_for_its_list_and_caller() {
    let stack = TestStack::start().await;
    let (caller, other) = (stack.someone().await, stack.someone().await);
    for number in 0..3 {
        due(&stack, &caller, &format!("Task {number}"), None).await;
        due(&stack, &other, &format!("Other {number}"), None).await;
    }
    let page = stack.get("/tasks?limit=1&sort=due_date", Some(&caller)).await;
    let cursor = page.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    assert!(page.header("link").contains("sort=due_date"), "{page:?}");
    for (caller, query) in [
        (&other, "sort=due_date"),
        (&caller, ""),
        (&caller, "sort=-created_at"),
        (&caller, "sort=due_date&status=open"),
        (&caller, "sort=due_date&query=task"),
    ] {
        let path = format!("/tasks?limit=1&{query}&cursor={cursor}");
        stack.get(&path, Some(caller)).await.invalid(&["cursor"]);
    }
    // A task that has gone does not end the list that goes on behind it.
    let first = page.json()["items"][0].clone();
    stack.delete(&path(&first), Some(&caller)).await.expect(204);
    let rest = format!("/tasks?limit=5&sort=due_date&cursor={cursor}");
    let rest = stack.get(&rest, Some(&caller)).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_looks_at_a_bounded_number_of_tasks() {
    const TASKS: usize = 1_200;
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let wanted = due(&stack, &caller, "Needle", Some("2026-06-05")).await;
    complete(&stack, &caller, &wanted).await.expect(200);
    // The copies are newer than the task that is looked for.
    let task = due(&stack, &caller, "Hay", Some("2026-06-05")).await;
    complete(&stack, &caller, &task).await.expect(200);
    copy(&stack, "TasksTable", &id(&task), &ids_like(&id(&task), TASKS)).await;
    let all = TASKS + 2;
    for (query, found, pages) in [
        ("status=completed&query=needle", 1, 3),
        ("status=completed&query=straw&sort=due_date", 0, 3),
        ("status=completed&due_before=2026-01-01", 0, 3),
        // The key of the index has the day, so nothing is looked at.
        ("status=completed&due_before=2026-01-01&sort=due_date", 0, 1),
        ("status=completed", all, all.div_ceil(100)),
        ("status=all&sort=due_date", all, all.div_ceil(100)),
    ] {
        let (tasks, calls) = stack.round_trips(listed(&stack, &caller, query, 100)).await;
        let ids: BTreeSet<_> = tasks.iter().map(id).collect();
        assert_eq!((tasks.len(), ids.len()), (found, found), "{query}");
        let queries =
            calls.iter().filter(|call| call.starts_with("Query ") && call.contains("Tasks"));
        let queries = queries.count();
        let runs = if query.contains("status=all") { 2 } else { 1 };
        assert_eq!(queries, pages * runs, "{query}");
    }

    // Pages for a model are bounded by bytes.
    let user = me(&stack, &caller).await;
    let tasks = Tasks::new(&stack.platform("TasksFunction")).unwrap();
    let filters = TaskFilters { status: StatusFilter::All, ..TaskFilters::default() };
    let (mut found, mut after) = (0, None);
    for page in 0.. {
        let (tasks, next) = tasks.list(&user, &filters, after, 100, 4_096).await.unwrap();
        let bytes = json!(tasks).to_string().len();
        assert!(bytes <= 4_096 + 2 && (bytes > 3_000 || next.is_none()), "{page}: {bytes}");
        found += tasks.len();
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
    let filters = TaskFilters { query: Some(Words::new("NEEDLE")), ..filters };
    let (tasks, next) = tasks.list(&user, &filters, None, 100, 1).await.unwrap();
    assert_eq!((tasks.len(), next.is_some()), (0, true));
}
