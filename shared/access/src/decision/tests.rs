//! Cases for the evaluator.

use platform::domain::Role;

use super::*;
use crate::domain::{ColumnMatch, Effect, Subject, folded};

const NOW: i64 = 1_000;

fn now() -> Timestamp {
    Timestamp::from_millisecond(NOW).unwrap()
}

/// A rule for everyone about reading the workbook `w`, which a case changes.
fn rule(id: &str, effect: Effect, change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule {
        id: id.into(),
        effect,
        actions: [Action::Read].into_iter().collect(),
        subject: Subject::Everyone,
        workbook_id: Some("w".into()),
        sheet_id: None,
        column: None,
        derived: Derived::Deny,
        note: String::new(),
        expires_at: None,
        created_by: "u-0".into(),
        created_at: 0,
    };
    change(&mut rule);
    rule
}

fn allow(id: &str, change: impl FnOnce(&mut Rule)) -> Rule {
    rule(id, Effect::Allow, change)
}

fn deny(id: &str, change: impl FnOnce(&mut Rule)) -> Rule {
    rule(id, Effect::Deny, change)
}

fn actions(actions: &[Action]) -> Actions {
    actions.iter().copied().collect()
}

fn all() -> Actions {
    actions(&Action::ALL)
}

fn header(glob: &str) -> ColumnMatch {
    ColumnMatch::Header(glob.to_owned().try_into().unwrap())
}

fn ids(ids: &[&str]) -> ColumnMatch {
    ColumnMatch::Ids(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn column(id: &str, letter: &str, header: &str) -> Column {
    Column {
        id: id.into(),
        also: Vec::new(),
        letter: letter.parse().unwrap(),
        header: header.into(),
        is_computed: false,
        names: vec![folded(header)],
        pending: false,
    }
}

/// Two sheets: `s` with a month and a salary, and `t` with a month.
fn sheets() -> Vec<Sheet> {
    let sheet = |id: &str, columns| Sheet {
        id: id.into(),
        also: Vec::new(),
        name: id.to_uppercase(),
        pending: false,
        is_renamed: false,
        version: 1,
        columns,
    };
    vec![
        sheet("s", vec![column("s-a", "A", "Month"), column("s-b", "B", "Base Salary")]),
        sheet("t", vec![column("t-a", "A", "Month")]),
    ]
}

/// A member of the group `g`.
fn anna() -> Standing {
    Standing { user_id: "anna".into(), roles: vec![Role::User], groups: ["g".to_owned()].into() }
}

fn book<'a>(sheets: &'a [Sheet], rules: &'a [Rule], every: &'a [Rule]) -> Book<'a> {
    Book { owner_id: Some("owner"), sheets, rules, every }
}

/// The place of a path: an empty one (the workbook), `s`, or `s-b`.
fn at<'d>(decision: &'d Decision<'_>, path: &str) -> Place<'d> {
    if path.is_empty() {
        return decision.workbook();
    }
    let sheet = &path[..1];
    if let Some((_, place)) = decision.columns(sheet).find(|(column, _)| column.id == path) {
        return place;
    }
    let mut sheets = decision.sheets();
    sheets.find(|(sheet, _)| sheet.id == path).map(|(_, place)| place).unwrap()
}

/// The paths at which Anna may read.
fn readable(rules: &[Rule], every: &[Rule]) -> String {
    let sheets = sheets();
    let decision = Decision::new(&anna(), book(&sheets, rules, every), now());
    let paths = ["", "s", "s-a", "s-b", "t", "t-a"];
    let allowed = |path: &&str| at(&decision, path).allows(Action::Read);
    paths
        .into_iter()
        .filter(allowed)
        .map(|path| if path.is_empty() { "w" } else { path })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_live_allow_and_no_live_deny_let_a_user_read() {
    let whole = || allow("1", |_| {});
    let cases: [(&str, Vec<Rule>, Vec<Rule>, &str); 18] = [
        ("no rule", vec![], vec![], ""),
        ("the workbook", vec![whole()], vec![], "w s s-a s-b t t-a"),
        ("every workbook", vec![], vec![allow("1", |r| r.workbook_id = None)], "w s s-a s-b t t-a"),
        ("a sheet", vec![allow("1", |r| r.sheet_id = Some("s".into()))], vec![], "s s-a s-b"),
        ("ids", vec![allow("1", |r| r.column = Some(ids(&["s-b", "t-a"])))], vec![], "s-b t-a"),
        ("unknown ids", vec![allow("1", |r| r.column = Some(ids(&["x"])))], vec![], ""),
        ("a header", vec![allow("1", |r| r.column = Some(header("month")))], vec![], "s-a t-a"),
        (
            "a header of a sheet",
            vec![allow("1", |r| {
                r.column = Some(header("month"));
                r.sheet_id = Some("t".into());
            })],
            vec![],
            "t-a",
        ),
        (
            "a deny of a column",
            vec![whole(), deny("2", |r| r.column = Some(header("*salary*")))],
            vec![],
            "w s s-a t t-a",
        ),
        (
            "the order does not count",
            vec![deny("2", |r| r.column = Some(header("*salary*"))), whole()],
            vec![],
            "w s s-a t t-a",
        ),
        (
            "a deny above wins",
            vec![deny("2", |_| {}), allow("1", |r| r.column = Some(ids(&["s-a"])))],
            vec![],
            "",
        ),
        (
            "a deny of a sheet",
            vec![whole(), deny("2", |r| r.sheet_id = Some("s".into()))],
            vec![],
            "w t t-a",
        ),
        (
            "a deny for every workbook",
            vec![whole()],
            vec![deny("2", |r| {
                r.workbook_id = None;
                r.column = Some(header("*salary*"));
            })],
            "w s s-a t t-a",
        ),
        ("ended", vec![allow("1", |r| r.expires_at = Some(NOW))], vec![], ""),
        ("live", vec![allow("1", |r| r.expires_at = Some(NOW + 1))], vec![], "w s s-a s-b t t-a"),
        (
            "an ended deny",
            vec![whole(), deny("2", |r| r.expires_at = Some(NOW - 1))],
            vec![],
            "w s s-a s-b t t-a",
        ),
        (
            "a deny of another action",
            vec![whole(), deny("2", |r| r.actions = actions(&[Action::Ai]))],
            vec![],
            "w s s-a s-b t t-a",
        ),
        (
            "an allow of another action",
            vec![allow("1", |r| r.actions = actions(&[Action::Ai, Action::Write]))],
            vec![],
            "",
        ),
    ];
    for (name, rules, every, expected) in cases {
        assert_eq!(readable(&rules, &every), expected, "{name}");
    }
}

#[test]
fn a_rule_is_about_its_subject() {
    let user = |id: &str| Subject::User { id: id.into() };
    let group = |id: &str| Subject::Group { id: id.into() };
    for (subject, is_about) in [
        (user("anna"), true),
        (user("ben"), false),
        (user("g"), false),
        (group("g"), true),
        (group("anna"), false),
        (Subject::Role { id: Role::User }, true),
        (Subject::Role { id: Role::Admin }, false),
        (Subject::Everyone, true),
    ] {
        let rules = [allow("1", |r| r.subject = subject.clone())];
        assert_eq!(!readable(&rules, &[]).is_empty(), is_about, "{subject}");
    }
}

#[test]
fn ai_export_and_write_take_read_too() {
    let sheets = sheets();
    let rules = [
        allow("1", |r| r.actions = all()),
        deny("2", |r| r.column = Some(ids(&["s-b"]))),
        deny("3", |r| {
            r.column = Some(ids(&["s-a"]));
            r.actions = actions(&[Action::Ai]);
        }),
    ];
    let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
    let whole = [Action::Approve, Action::Manage];
    assert_eq!(at(&decision, "s").allowed(), all());
    assert_eq!(at(&decision, "s-b").allowed(), actions(&whole));
    assert_eq!(at(&decision, "s-a").allowed(), all().without(actions(&[Action::Ai])));
    let verdict = at(&decision, "s-b").verdict(Action::Export);
    assert_eq!((verdict.reason, verdict.rules[0].id.as_str()), (Reason::Forbidden, "2"));
}

#[test]
fn the_owner_may_everything_that_no_rule_denies_and_always_manages() {
    let sheets = sheets();
    let owner = Standing { user_id: "owner".into(), ..Standing::default() };
    let rules = [deny("1", |r| r.actions = all()), allow("2", |_| {})];
    let decision = Decision::new(&owner, book(&sheets, &rules[1..], &[]), now());
    assert_eq!(at(&decision, "s-b").allowed(), all());
    assert_eq!(decision.workbook().verdict(Action::Read).reason, Reason::Owner);
    let decision = Decision::new(&owner, book(&sheets, &rules, &[]), now());
    assert_eq!(at(&decision, "s-b").allowed(), actions(&[Action::Manage]));
    assert_eq!(decision.workbook().verdict(Action::Manage).reason, Reason::Owner);
    assert_eq!(decision.workbook().verdict(Action::Read).reason, Reason::Forbidden);
    // A workbook without an owner belongs to no user, not even to one with an empty id.
    let ownerless = Book { owner_id: None, ..book(&sheets, &[], &[]) };
    assert!(!Decision::new(&Standing::default(), ownerless, now()).sees_workbook());
}

#[test]
fn an_administrator_reads_nothing_by_the_role() {
    let sheets = sheets();
    let admin = Standing { roles: vec![Role::User, Role::Admin], ..anna() };
    let decision = Decision::new(&admin, book(&sheets, &[], &[]), now());
    assert_eq!(at(&decision, "").allowed(), Actions::NONE);
    assert!(!decision.sees_workbook());
}

#[test]
fn reasons_name_the_rules_that_decided_and_the_groups() {
    let group = |id: &str| Subject::Group { id: id.into() };
    let rules = [
        allow("1", |r| r.subject = group("g")),
        allow("2", |r| r.subject = group("other")),
        allow("3", |r| r.sheet_id = Some("s".into())),
        deny("4", |r| {
            r.subject = group("g");
            r.column = Some(header("*salary*"));
        }),
        deny("5", |r| r.column = Some(header("*other*"))),
    ];
    let sheets = sheets();
    let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
    for (path, reason, expected, groups) in [
        ("", Reason::Rule, &["1"][..], &["g"][..]),
        ("s-a", Reason::Rule, &["1", "3"], &["g"]),
        ("s-b", Reason::Forbidden, &["4"], &["g"]),
    ] {
        let verdict = at(&decision, path).verdict(Action::Read);
        let found: Vec<_> = verdict.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!((verdict.reason, found.as_slice()), (reason, expected), "{path}");
        assert_eq!(verdict.via_groups().into_iter().collect::<Vec<_>>(), groups, "{path}");
    }
    let verdict = decision.workbook().verdict(Action::Export);
    assert_eq!((verdict.reason, verdict.rules), (Reason::Default, vec![]));
}

#[test]
fn a_column_is_found_under_every_name_and_id_that_it_has_had() {
    let mut sheets = sheets();
    let renamed = &mut sheets[0].columns[1];
    renamed.header = "Remarks".into();
    renamed.names.push(folded("Remarks"));
    renamed.also.push("s-old".into());
    sheets[0].also.push("s-before".into());
    let whole = allow("1", |_| {});
    for denied in [
        deny("2", |r| r.column = Some(header("*salary*"))),
        deny("2", |r| r.column = Some(header("remarks"))),
        deny("2", |r| r.column = Some(ids(&["s-old"]))),
        deny("2", |r| {
            r.column = Some(ids(&["s-b"]));
            r.sheet_id = Some("s-before".into());
        }),
    ] {
        let rules = [whole.clone(), denied];
        let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
        assert!(!at(&decision, "s-b").allows(Action::Read), "{:?}", rules[1].column);
        assert!(at(&decision, "s-a").allows(Action::Read));
    }
}

#[test]
fn what_is_unreviewed_is_closed_to_all_who_do_not_manage_while_a_rule_touches_it() {
    let whole = || allow("1", |r| r.actions = all().without(actions(&[Action::Manage])));
    let salary = || deny("2", |r| r.column = Some(header("*salary*")));
    let mut sheets = sheets();
    sheets[0].columns[0].pending = true;
    sheets[1].pending = true;
    for (rules, every, column, sheet) in [
        // No rule is about a column, and none denies.
        (vec![whole()], vec![], Reason::Rule, Reason::Rule),
        (vec![whole(), salary()], vec![], Reason::Unreviewed, Reason::Unreviewed),
        // A rule about another sheet touches the workbook, but not this sheet.
        (
            vec![
                whole(),
                deny("2", |r| {
                    r.column = Some(header("*salary*"));
                    r.sheet_id = Some("t".into());
                }),
            ],
            vec![],
            Reason::Rule,
            Reason::Unreviewed,
        ),
        // An allow about a column touches it too.
        (
            vec![whole(), allow("2", |r| r.column = Some(header("*salary*")))],
            vec![],
            Reason::Unreviewed,
            Reason::Rule,
        ),
        // A rule for every workbook may have matched a name that is gone.
        (
            vec![whole()],
            vec![deny("2", |r| {
                r.workbook_id = None;
                r.column = Some(header("*bonus*"));
            })],
            Reason::Unreviewed,
            Reason::Unreviewed,
        ),
        (
            vec![whole()],
            vec![deny("2", |r| {
                r.workbook_id = None;
                r.column = Some(header("*bonus*"));
                r.expires_at = Some(NOW);
            })],
            Reason::Rule,
            Reason::Rule,
        ),
        (
            vec![whole()],
            vec![deny("2", |r| {
                r.workbook_id = None;
                r.column = Some(header("*salary*"));
                r.subject = Subject::User { id: "ben".into() };
            })],
            Reason::Unreviewed,
            Reason::Unreviewed,
        ),
    ] {
        let decision = Decision::new(&anna(), book(&sheets, &rules, &every), now());
        for action in [Action::Read, Action::Write] {
            assert_eq!(at(&decision, "s-a").verdict(action).reason, column, "{rules:?}");
            assert_eq!(at(&decision, "t").verdict(action).reason, sheet, "{rules:?}");
            assert_eq!(at(&decision, "t-a").verdict(action).reason, sheet, "{rules:?}");
        }
        // Workbook actions are not about cells.
        assert!(at(&decision, "t").allows(Action::Approve));
        let managing: Vec<_> = rules
            .into_iter()
            .chain([allow("9", |r| r.actions = actions(&[Action::Manage]))])
            .collect();
        let decision = Decision::new(&anna(), book(&sheets, &managing, &every), now());
        assert!(
            at(&decision, "s-a").allows(Action::Read) && at(&decision, "t").allows(Action::Read)
        );
    }
}

#[test]
fn a_rule_for_every_workbook_touches_those_where_it_matches() {
    let sheets = sheets();
    let of_book = |glob: &str| deny("1", |r| r.column = Some(header(glob)));
    let of_every = |glob: &str| Rule { workbook_id: None, ..of_book(glob) };
    let of_sheet = deny("1", |r| {
        r.sheet_id = Some("t".into());
        r.column = Some(ids(&["t-a"]));
    });
    let allow = || allow("1", |r| r.column = Some(header("*salary*")));
    for (rules, every, denied, columns) in [
        (vec![], vec![], false, [false, false]),
        (vec![of_book("*bonus*")], vec![], true, [true, true]),
        (vec![], vec![of_every("*bonus*")], false, [false, false]),
        (vec![], vec![of_every("*salary*")], true, [true, false]),
        (vec![of_sheet], vec![], true, [false, true]),
        (vec![allow()], vec![], false, [true, true]),
        (vec![deny("1", |_| {})], vec![], true, [false, false]),
    ] {
        let decision = Decision::new(&anna(), book(&sheets, &rules, &every), now());
        assert_eq!(decision.is_denied_anywhere(), denied, "{rules:?} {every:?}");
        let touched = ["s", "t"].map(|id| decision.has_column_rule(id));
        assert_eq!(touched, columns, "{rules:?} {every:?}");
    }
}

#[test]
fn what_is_wholly_denied_does_not_exist() {
    let sheets = sheets();
    for (rules, workbook, seen) in [
        (vec![], false, [false, false]),
        (vec![allow("1", |_| {})], true, [true, true]),
        (vec![allow("1", |r| r.column = Some(ids(&["t-a"])))], true, [false, true]),
        (vec![allow("1", |r| r.actions = actions(&[Action::Manage]))], true, [false, false]),
        (vec![allow("1", |r| r.actions = actions(&[Action::Ai]))], false, [false, false]),
        (
            vec![allow("1", |_| {}), deny("2", |r| r.sheet_id = Some("s".into()))],
            true,
            [false, true],
        ),
        (vec![allow("1", |_| {}), deny("2", |_| {})], false, [false, false]),
    ] {
        let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
        assert_eq!(decision.sees_workbook(), workbook, "{rules:?}");
        assert_eq!(["s", "t"].map(|id| decision.sees_sheet(id)), seen, "{rules:?}");
    }
}

#[test]
fn results_pass_where_every_deny_lets_them_and_an_allow_is_there() {
    let whole = || allow("1", |_| {});
    let open = |id: &str| {
        deny(id, |r| {
            r.column = Some(header("*salary*"));
            r.derived = Derived::Allow;
        })
    };
    let closed = || deny("3", |r| r.column = Some(ids(&["s-b"])));
    let sheets = sheets();
    for (rules, expected) in [
        (vec![whole()], Derivation::Open),
        (vec![whole(), open("2")], Derivation::ResultAlone),
        (vec![whole(), open("2"), open("4")], Derivation::ResultAlone),
        (vec![whole(), open("2"), closed()], Derivation::Closed),
        (vec![open("2")], Derivation::Closed),
        (vec![], Derivation::Closed),
    ] {
        let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
        let found = at(&decision, "s-b").derivation(Action::Read.with_read());
        assert_eq!(found, expected, "{rules:?}");
    }
}

#[test]
fn a_result_takes_every_action_that_its_cells_take() {
    let both = || allow("1", |r| r.actions = Action::Ai.with_read());
    let no_ai = |derived| {
        deny("2", move |r| {
            r.column = Some(header("*salary*"));
            r.actions = actions(&[Action::Ai]);
            r.derived = derived;
        })
    };
    let sheets = sheets();
    let (read, ai) = (Action::Read.with_read(), Action::Ai.with_read());
    for (rules, wanted, expected) in [
        (vec![both()], ai, Derivation::Open),
        (vec![both(), no_ai(Derived::Deny)], read, Derivation::Open),
        (vec![both(), no_ai(Derived::Deny)], ai, Derivation::Closed),
        (vec![both(), no_ai(Derived::Allow)], ai, Derivation::ResultAlone),
        (vec![allow("1", |_| {}), no_ai(Derived::Allow)], ai, Derivation::Closed),
    ] {
        let decision = Decision::new(&anna(), book(&sheets, &rules, &[]), now());
        assert_eq!(at(&decision, "s-b").derivation(wanted), expected, "{rules:?}");
    }
}

#[test]
fn a_user_is_unrestricted_if_nothing_is_denied_anywhere_in_the_workbook() {
    let sheets = sheets();
    let read = Action::Read.with_read();
    let owner = Standing { user_id: "owner".into(), ..Standing::default() };
    for (who, rules, every, expected) in [
        (&anna(), vec![], vec![], false),
        (&anna(), vec![allow("1", |_| {})], vec![], true),
        (&anna(), vec![allow("1", |r| r.sheet_id = Some("s".into()))], vec![], false),
        (
            &anna(),
            vec![allow("1", |_| {}), deny("2", |r| r.column = Some(ids(&["t-a"])))],
            vec![],
            false,
        ),
        // The column has left the register.
        (
            &anna(),
            vec![allow("1", |_| {}), deny("2", |r| r.column = Some(ids(&["gone"])))],
            vec![],
            false,
        ),
        // The deny is about another action.
        (
            &anna(),
            vec![allow("1", |_| {}), deny("2", |r| r.actions = actions(&[Action::Ai]))],
            vec![],
            true,
        ),
        // A deny for every workbook is where it matches a column.
        (
            &anna(),
            vec![allow("1", |_| {})],
            vec![deny("2", |r| (r.workbook_id, r.column) = (None, Some(header("*bonus*"))))],
            true,
        ),
        (&owner, vec![], vec![], true),
        (&owner, vec![deny("2", |r| r.column = Some(ids(&["s-b"])))], vec![], false),
    ] {
        let decision = Decision::new(who, book(&sheets, &rules, &every), now());
        assert_eq!(decision.is_unrestricted(read), expected, "{rules:?}");
    }
}
