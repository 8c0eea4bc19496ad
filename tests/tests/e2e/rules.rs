//! Project rules that no lint checks: dependencies between packages, and the settings and
//! permissions of functions in template.yaml.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use platform::limits::Policy;
use platform::store::{
    KEY_CHECK_ATTRIBUTES, KEY_SCOPES_ATTRIBUTES, LISTED_SESSIONS_ATTRIBUTES, SESSION_ATTRIBUTES,
    STANDING_ATTRIBUTES,
};
use serde_json::{Map, Value, json};
use tally_tests::root;

/// Files with this name or ending under a directory, without build output.
pub fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.filter(|path| !path.ends_with("target")).flat_map(|path| {
        let is_wanted = path.to_str().unwrap().ends_with(ending);
        if path.is_dir() {
            files(&path, ending)
        } else {
            is_wanted.then_some(path).into_iter().collect()
        }
    });
    found.collect()
}

/// The manifests of packages under a directory of the workspace, by the packages' names.
fn manifests(directory: &str) -> BTreeMap<String, toml::Table> {
    let manifests = files(&root().join(directory), "/Cargo.toml")
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap());
    let manifests = manifests.map(|text| text.parse::<toml::Table>().unwrap());
    manifests
        .map(|manifest| (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest))
        .collect()
}

/// The packages of the workspace that a package depends on, in its tests too.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let ours: BTreeSet<_> = ["functions", "shared", "infra", "tests", "tools"]
        .iter()
        .flat_map(|directory| manifests(directory).into_keys())
        .collect();
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table());
    // A dependency may have another name in the code.
    let names = tables
        .flatten()
        .map(|(name, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(name));
    names.map(str::to_owned).filter(|name| ours.contains(name)).collect()
}

/// The functions of the template by logical id, and its other resources.
fn template() -> (Map<String, Value>, Map<String, Value>) {
    let resources = tally_local::template::resources(&root().join("template.yaml")).unwrap();
    resources.into_iter().partition(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
}

/// A value as a list: `Action: x` is `Action: [x]`.
fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// A value as it is under its condition, if the template leaves it out otherwise.
fn present(value: &Value) -> &Value {
    match value["Fn::If"].as_array().map(Vec::as_slice) {
        Some([_, present, otherwise]) if otherwise["Ref"] == "AWS::NoValue" => present,
        _ => value,
    }
}

/// The statements of a function's policies, with their conditions. They are written out, because
/// others could change what a ready-made policy allows.
fn conditional_statements(function: &Value) -> Vec<&Value> {
    let policies = &function["Properties"]["Policies"];
    let policies = if policies.is_null() { Vec::new() } else { list(policies) };
    policies.into_iter().flat_map(|policy| list(&policy["Statement"])).collect()
}

/// The same statements where all conditions hold.
fn statements(function: &Value) -> Vec<&Value> {
    conditional_statements(function).into_iter().map(present).collect()
}

/// What a statement allows: each action with each resource.
fn allowed(statement: &Value) -> Vec<(&str, &Value)> {
    let mut allowed = Vec::new();
    for action in list(&statement["Action"]) {
        allowed.extend(
            list(&statement["Resource"])
                .into_iter()
                .map(|resource| (action.as_str().unwrap(), resource)),
        );
    }
    allowed
}

/// A function's permissions, where all conditions hold.
fn permissions(function: &Value) -> Vec<(&str, &Value)> {
    statements(function).into_iter().flat_map(allowed).collect()
}

/// The name that CloudFormation makes for a function. A function's own policy cannot refer to it.
const OWN_NAME: &str = ":function:${AWS::StackName}-";

/// The resource of an ARN in a policy. For an index, it is the index's table. For a list of ARNs
/// that a parameter has, it is the parameter.
fn subject(resource: &Value) -> String {
    let named = |name: &str| name.split(['.', '/']).next().unwrap().to_owned();
    let resource = resource["Fn::Split"].get(1).unwrap_or(resource);
    match (&resource["Ref"], &resource["Fn::GetAtt"][0], &resource["Fn::Sub"]) {
        (Value::String(name), ..) | (_, Value::String(name), _) => named(name),
        (.., Value::String(text)) if text.contains(OWN_NAME) => {
            text.split_once(OWN_NAME).unwrap().1.trim_end_matches("-*").to_owned()
        }
        (.., Value::String(text)) => named(text.trim_start_matches("${")),
        _ => panic!("{resource} names no resource of the template"),
    }
}

/// Whether a file belongs to the stores of an area, or to the one way to the database.
fn is_store(path: &Path) -> bool {
    let path = path.strip_prefix(root().join("shared")).unwrap_or(Path::new(""));
    path.iter().any(|part| part == "store" || part == "database")
}

/// The Rust files of functions and of what they share.
fn sources() -> Vec<PathBuf> {
    ["functions", "shared"]
        .iter()
        .flat_map(|directory| files(&root().join(directory), ".rs"))
        .collect()
}

#[test]
fn stores_alone_know_the_database() {
    let types = BTreeSet::from(["CommitError", "Database", "Item", "StoreError", "Write"]);
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        if is_store(&path) {
            assert!(!text.contains(".scan()"), "{} reads a whole table", path.display());
            continue;
        }
        assert!(!text.contains("aws_sdk_dynamodb"), "{} names the SDK", path.display());
        for names in text.split("database::").skip(1).filter_map(|rest| rest.split(';').next()) {
            let names: BTreeSet<_> =
                names.trim_matches(['{', '}']).split(',').map(str::trim).collect();
            assert!(names.is_subset(&types), "{} uses {names:?}", path.display());
        }
    }
}

#[test]
fn one_place_writes_so_that_what_collides_is_tried_again() {
    let place = root().join("shared/platform/src/database");
    for path in sources().into_iter().filter(|path| is_store(path) && !path.starts_with(&place)) {
        let text = fs::read_to_string(&path).unwrap();
        for write in
            [".put_item()", ".delete_item()", ".transact_write_items()", ".batch_write_item()"]
        {
            assert!(!text.contains(write), "{} calls {write}", path.display());
        }
        // The file sends its updates by `resend`, or by `attempt`, which uses `resend`.
        let goes_by = text.contains("resend(") || text.contains("attempt(");
        assert!(
            !text.contains(".update_item()") || goes_by,
            "{} updates by itself",
            path.display()
        );
    }
}

#[test]
fn no_secret_is_printed() {
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (derived, item) in
            text.split("#[derive(").skip(1).filter_map(|part| part.split_once(")]"))
        {
            let head = item
                .lines()
                .find(|line| !line.is_empty() && !line.starts_with("#["))
                .unwrap_or_default();
            if !derived.contains("Debug") || !head.contains("struct ") || !head.ends_with('{') {
                continue;
            }
            let fields = item.split_once("\n}").map_or("", |(fields, _)| fields);
            let mut fields = fields
                .lines()
                .filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "));
            let secret = fields.find(|(name, of)| {
                let ends =
                    ["_hash", "password", "access_token", "refresh_token", "ticket", "secret"];
                let is_named_so =
                    ends.iter().any(|end| name.ends_with(end)) || ["token", "key"].contains(name);
                // A type of the project has its own `Debug` implementation.
                is_named_so && ["str", "String", "u8"].iter().any(|plain| of.contains(plain))
            });
            assert_eq!(secret, None, "{} derives Debug", path.display());
        }
    }
}

#[test]
fn one_place_each_reads_the_environment_and_the_clock() {
    let excused = ["shared/platform/src/clock.rs", "shared/platform/src/config.rs"]
        .map(|path| root().join(path));
    let excusing: BTreeSet<_> = sources()
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("disallowed_methods"))
        .collect();
    assert_eq!(excusing, BTreeSet::from(excused));
}

#[test]
fn functions_know_what_is_shared_and_not_each_other() {
    let shared = manifests("shared");
    let areas: BTreeSet<_> = shared.keys().cloned().collect();
    for (name, manifest) in manifests("functions") {
        assert!(
            dependencies(&manifest).is_subset(&areas),
            "{name} depends on {:?}",
            dependencies(&manifest)
        );
    }
    // Each area depends on the platform. Chat knows the assistant and the texts of events, which
    // know no other area. It knows the prompts, which know the assistant. Jobs know the files that
    // they read, and the budgets and usage of chat. Access rules decide about cells, and ranges and
    // profits depend on them. Tools know the areas in which they act. The platform, cells and the
    // transparency log depend on no crate of ours.
    let order = [
        ("tally-platform", &[][..]),
        ("tally-access", &["tally-cells", "tally-platform"]),
        ("tally-accounts", &["tally-platform"]),
        ("tally-archive", &["tally-platform", "tally-transparency"]),
        ("tally-assistant", &["tally-platform"]),
        ("tally-cells", &[]),
        (
            "tally-chat",
            &[
                "tally-access",
                "tally-assistant",
                "tally-cells",
                "tally-platform",
                "tally-prompts",
                "tally-ranges",
                "tally-texts",
            ],
        ),
        ("tally-data", &["tally-access", "tally-platform"]),
        ("tally-prompts", &["tally-assistant", "tally-platform"]),
        ("tally-files", &["tally-platform"]),
        (
            "tally-jobs",
            &[
                "tally-access",
                "tally-assistant",
                "tally-cells",
                "tally-chat",
                "tally-files",
                "tally-platform",
                "tally-prompts",
            ],
        ),
        ("tally-ranges", &["tally-access", "tally-cells", "tally-platform"]),
        ("tally-sso", &["tally-platform"]),
        ("tally-tasks", &["tally-platform"]),
        ("tally-transparency", &[]),
        ("tally-texts", &["tally-platform"]),
        (
            "tally-tools",
            &[
                "tally-access",
                "tally-cells",
                "tally-data",
                "tally-platform",
                "tally-ranges",
                "tally-tasks",
            ],
        ),
    ];
    for (name, expected) in order {
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(dependencies(&shared[name]), expected, "{name}");
    }
    assert_eq!(order.len(), areas.len(), "a crate has no place in the order");
    assert_eq!(dependencies(&manifests("infra")["tally-local"]), BTreeSet::new());
    // The verifier shares no code with what wrote the log, but for the mathematics. Its tests read
    // a bucket of the local stack.
    let verifier = ["tally-local", "tally-transparency"].map(str::to_owned).into();
    assert_eq!(dependencies(&manifests("tools")["audit-verify"]), verifier);
}

/// A tool acts on behalf of a user, by what its caller says of their rights. So only those
/// functions have tools that read the rights at each call. `agents` needs the names of tools.
#[test]
fn tools_belong_to_the_functions_that_read_the_rights_of_their_callers() {
    let named = ["agents", "chat-stream", "mcp"].map(str::to_owned);
    let functions = manifests("functions").into_iter();
    let with_tools = functions.filter(|(_, of)| dependencies(of).contains("tally-tools"));
    let with_tools: BTreeSet<_> = with_tools.map(|(name, _)| name).collect();
    assert!(with_tools.is_subset(&named.into()), "{with_tools:?}");
}

/// The access rules decide which cells are shown. Another verdict would be a way around them.
#[test]
fn access_rules_alone_decide_which_cells_are_shown() {
    let excused = [
        "shared/access/src",
        "shared/cells/examples",
        "shared/cells/src/grid/samples.rs",
        "shared/ranges/src/tools/tests.rs",
    ];
    let excused = excused.map(|path| root().join(path));
    for path in sources() {
        let decides = fs::read_to_string(&path).unwrap().contains(" Verdict for ");
        let is_excused = excused.iter().any(|place| path.starts_with(place));
        assert!(is_excused || !decides, "{} decides which cells are shown", path.display());
    }
}

/// Whether a comment of the code holds an example that rustdoc would run.
fn has_doctest(code: &str) -> bool {
    let fences = code.lines().filter_map(|line| {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
        comment.trim_start().strip_prefix("```")
    });
    // Every second fence ends an example.
    fences.step_by(2).any(|language| language != "text")
}

/// A library whose manifest says `test = false` or `doctest = false` costs no test program. Cargo
/// would leave out its tests without a word.
#[test]
fn a_library_without_tests_has_none() {
    let manifests = ["functions", "shared", "infra", "tools"]
        .iter()
        .flat_map(|directory| files(&root().join(directory), "/Cargo.toml"));
    for path in manifests {
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let is_without = |what: &str| {
            manifest.get("lib").and_then(|lib| lib.get(what)?.as_bool()) == Some(false)
        };
        for source in files(&path.with_file_name("src"), ".rs") {
            let code = fs::read_to_string(&source).unwrap();
            let has_test = ["#[test]", "#[tokio::test"].iter().any(|test| code.contains(test));
            assert!(!(is_without("test") && has_test), "{} has tests", source.display());
            let has_doctest = is_without("doctest") && has_doctest(&code);
            assert!(!has_doctest, "{} has examples", source.display());
        }
    }
}

#[test]
fn every_function_is_a_crate_and_every_crate_a_function() {
    let (functions, _) = template();
    let binary = |function: &Value| {
        function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap().to_owned()
    };
    let deployed: Vec<_> = functions.values().map(binary).collect();
    let crates: Vec<_> = manifests("functions").into_keys().collect();
    assert_eq!(BTreeSet::from_iter(&deployed), BTreeSet::from_iter(&crates));
    assert_eq!(deployed.len(), crates.len(), "a crate is deployed twice");
    for (id, function) in &functions {
        // `ws-ticket` is the binary of WsTicketFunction.
        let words = binary(function)
            .split('-')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect::<String>();
        assert_eq!(*id, format!("{words}Function"));
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{id}");
    }
}

#[test]
fn every_function_ends_before_its_caller_gives_up() {
    for (id, function) in template().0 {
        let timeout = &function["Properties"]["Timeout"];
        let events = function["Properties"]["Events"]
            .as_object()
            .into_iter()
            .flat_map(|events| events.values());
        // A worker's time is a parameter within Lambda's limit. No client waits for a worker or for
        // a scheduled function.
        let ends = if events.clone().any(|event| event["Type"] == "HttpApi") {
            timeout.as_u64().is_some_and(|seconds| seconds < 30)
        } else {
            timeout.is_u64() || timeout["Ref"].is_string()
        };
        assert!(ends, "{id} has the Timeout {timeout}");
    }
}

#[test]
fn a_refresh_that_times_out_can_be_repeated_within_its_grace() {
    let functions = template().0;
    for id in ["RefreshFunction", "TokenFunction"] {
        let timeout = functions[id]["Properties"]["Timeout"].as_u64();
        assert!(
            timeout.is_some_and(|seconds| seconds <= 5),
            "{id} has the Timeout {timeout:?}; the grace is ten seconds"
        );
    }
}

#[test]
fn what_strangers_may_start_at_will_reads_no_accounts_and_no_keys_of_tokens() {
    let (functions, _) = template();
    let read: BTreeSet<_> = permissions(&functions["ReadyFunction"])
        .into_iter()
        .map(|(_, resource)| subject(resource))
        .collect();
    assert_eq!(read, ["OutagesTable", "SealSecret"].map(str::to_owned).into());
}

#[test]
fn every_function_logs_to_one_group_whose_lines_go_in_time() {
    let (functions, others) = template();
    for (id, group) in
        others.iter().filter(|(_, resource)| resource["Type"] == "AWS::Logs::LogGroup")
    {
        assert_eq!(
            group["Properties"]["RetentionInDays"],
            json!({"Ref": "LogRetentionDays"}),
            "{id}"
        );
    }
    // A function must refer to the log group, and not the other way round. Otherwise, if it is
    // invoked while the deployment still runs, Lambda would make a group of its own that keeps its
    // logs for ever.
    for (id, function) in &functions {
        assert_eq!(
            function["Properties"]["LoggingConfig"]["LogGroup"],
            json!({"Ref": "FunctionLogs"}),
            "{id}"
        );
    }
    assert_eq!(
        others["FunctionLogs"]["Properties"]["LogGroupName"],
        json!({"Fn::Sub": "/aws/lambda/${AWS::StackName}"})
    );
}

#[test]
fn tables_that_outlive_the_stack_refuse_to_be_deleted() {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let table = "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: RetainExceptOnCreate\n";
    let kept = text.matches(table).count();
    let protected: Vec<_> = template()
        .1
        .into_iter()
        .filter(|(_, resource)| !resource["Properties"]["DeletionProtectionEnabled"].is_null())
        .collect();
    assert_eq!(protected.len(), kept);
    for (id, table) in protected {
        assert_eq!(
            table["Properties"]["DeletionProtectionEnabled"],
            json!({"Ref": "DeletionProtection"}),
            "{id}"
        );
    }
}

#[test]
fn mail_comes_from_the_domain_of_the_setting_alone() {
    let (functions, _) = template();
    for (id, function) in &functions {
        for statement in statements(function)
            .into_iter()
            .filter(|statement| list(&statement["Action"]).contains(&&json!("ses:SendEmail")))
        {
            let from = json!({"Fn::Sub": "no-reply@${MailDomain}"});
            assert_eq!(statement["Condition"]["StringEquals"]["ses:FromAddress"], from, "{id}");
            assert_eq!(
                function["Properties"]["Environment"]["Variables"]["MAIL_DOMAIN"],
                json!({"Ref": "MailDomain"}),
                "{id}"
            );
        }
    }
}

/// Functions that change only the sessions of an account may write nothing else: no role, no
/// address, no claim, no administrators.
#[test]
fn functions_for_sessions_may_write_no_roles() {
    let (functions, _) = template();
    for (id, with_hash) in [
        ("LoginFunction", true),
        ("TokenFunction", true),
        ("RefreshFunction", false),
        ("RevokeFunction", false),
        ("LogoutFunction", false),
        ("SessionsFunction", false),
    ] {
        let writes = statements(&functions[id]).into_iter().filter(|statement| {
            let names_users = list(&statement["Resource"])
                .iter()
                .any(|resource| subject(resource) == "UsersTable");
            names_users
                && list(&statement["Action"]).iter().any(|action| *action != "dynamodb:GetItem")
        });
        let writes: Vec<_> = writes.collect();
        let [write] = writes[..] else {
            panic!("{id} has {} statements that write accounts", writes.len())
        };
        assert_eq!(write["Action"], json!(["dynamodb:UpdateItem"]), "{id}");
        let hash: &[_] = if with_hash { &["password_hash"] } else { &[] };
        let attributes: Vec<_> = SESSION_ATTRIBUTES.iter().chain(hash).collect();
        let expected = json!({
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["user#*"]},
            "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
        });
        assert_eq!(write["Condition"], expected, "{id}");
    }
}

/// The function that knows the credential at the identity provider makes no session and reads no
/// account. The function that makes sessions does not know the credential.
#[test]
fn the_credential_at_the_provider_and_the_accounts_are_apart() {
    let (functions, _) = template();
    let touched = |id: &str| -> BTreeSet<_> {
        permissions(&functions[id]).into_iter().map(|(_, resource)| subject(resource)).collect()
    };
    let expected = [
        "AuditTable",
        "LimitsTable",
        "OutagesTable",
        "SealSecret",
        "SsoCredential",
        "SsoHandoffsTable",
    ];
    assert_eq!(touched("SsoBrowserFunction"), expected.map(str::to_owned).into());
    for id in functions.keys().filter(|id| *id != "SsoBrowserFunction") {
        assert!(!touched(id).contains("SsoCredential"), "{id}");
    }
    for (id, function) in &functions {
        let held = permissions(function).into_iter();
        let held = held.filter(|(_, resource)| subject(resource) == "SsoHandoffsTable");
        let held: BTreeSet<_> = held.map(|(action, _)| action).collect();
        let expected: BTreeSet<&str> = match id.as_str() {
            "SsoFunction" => ["dynamodb:DeleteItem", "dynamodb:GetItem"].into(),
            "SsoBrowserFunction" => ["dynamodb:PutItem"].into(),
            _ => BTreeSet::new(),
        };
        assert_eq!(held, expected, "{id}");
    }
}

/// A sign-in makes an account, or changes one and its address. It never frees a person or a
/// username for another account.
#[test]
fn single_sign_on_frees_no_names_but_addresses() {
    let (functions, _) = template();
    let of_users = statements(&functions["SsoFunction"]).into_iter().filter(|statement| {
        list(&statement["Resource"]).iter().any(|resource| subject(resource) == "UsersTable")
    });
    let held: Vec<_> = of_users
        .map(|statement| {
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            (statement["Action"].clone(), keys.clone())
        })
        .collect();
    let expected = [
        (json!(["dynamodb:GetItem"]), Value::Null),
        (json!(["dynamodb:PutItem"]), json!(["user#*", "name#*", "email#*", "sso#*"])),
        (json!(["dynamodb:UpdateItem"]), json!(["user#*", "admins"])),
        (json!(["dynamodb:DeleteItem"]), json!(["email#*"])),
    ];
    assert_eq!(held, expected);
}

/// The functions of messages check no account. They read only the attributes on which access rules
/// depend. The worker also reads whether an API key is valid. A function that posts messages to a
/// user reads only which sessions they have.
#[test]
fn functions_of_messages_read_no_more_of_an_account_than_they_ask() {
    let (functions, _) = template();
    let key = ("dynamodb:GetItem", &KEY_CHECK_ATTRIBUTES[..]);
    let standing = ("dynamodb:BatchGetItem", &STANDING_ATTRIBUTES[..]);
    let sessions = ("dynamodb:BatchGetItem", &LISTED_SESSIONS_ATTRIBUTES[..]);
    for (id, expected) in [
        ("FileEndFunction", &[sessions][..]),
        ("JobRunFunction", &[standing, sessions]),
        ("ChatStreamFunction", &[key, standing]),
        ("ChatSendFunction", &[standing]),
        ("ChatFollowFunction", &[standing]),
    ] {
        let reads = statements(&functions[id]).into_iter().filter(|statement| {
            list(&statement["Resource"]).iter().any(|resource| subject(resource) == "UsersTable")
        });
        let reads: Vec<_> = reads.collect();
        assert_eq!(reads.len(), expected.len(), "{id}: {reads:?}");
        for (read, (action, attributes)) in reads.into_iter().zip(expected) {
            assert_eq!(read["Action"], json!([action]), "{id}");
            let attributes: Vec<_> = ["key"].iter().chain(*attributes).collect();
            let expected = json!({
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["user#*"]},
                "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
                "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
            });
            assert_eq!(read["Condition"], expected, "{id} {action}");
        }
    }
}

/// The worker of replies reads the scopes of an API key, and not its hash.
#[test]
fn the_worker_of_replies_reads_no_hash_of_a_key() {
    let (functions, _) = template();
    let reads = statements(&functions["ChatStreamFunction"]).into_iter().filter(|statement| {
        list(&statement["Resource"]).iter().any(|resource| subject(resource) == "ApiKeysTable")
    });
    let reads: Vec<_> = reads.collect();
    let [read] = reads[..] else { panic!("{reads:?}") };
    assert_eq!(read["Action"], json!(["dynamodb:GetItem"]));
    let attributes: Vec<_> = ["id"].iter().chain(&KEY_SCOPES_ATTRIBUTES).collect();
    let expected = json!({
        "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    });
    assert_eq!(read["Condition"], expected);
}

/// The worker of replies acts for a model. Besides what a reply needs, it changes tasks and the
/// notes of conversations. It can change no rule, range, account or agent.
#[test]
fn the_worker_of_replies_changes_tasks_and_notes_alone() {
    let (functions, _) = template();
    let reads = ["GetItem", "BatchGetItem", "Query", "ConditionCheckItem"];
    let held = permissions(&functions["ChatStreamFunction"]).into_iter();
    let writes = held.filter(|(action, _)| {
        action.strip_prefix("dynamodb:").is_some_and(|action| !reads.contains(&action))
    });
    let changed: BTreeSet<_> = writes.map(|(_, resource)| subject(resource)).collect();
    let of_replies = [
        "AuditTable",
        "AuditTextsTable",
        "BudgetsTable",
        "DataKeysTable",
        "DraftsTable",
        "IdempotencyTable",
        "LimitsTable",
        "MessagesTable",
        "OutagesTable",
        "StepsTable",
        "UsageTable",
    ];
    let of_tools = ["ConversationsTable", "TasksTable"];
    let expected = of_replies.into_iter().chain(of_tools).map(str::to_owned);
    assert_eq!(changed, expected.collect());
}

/// The worker of jobs gives the data of users to a model. Besides jobs, it changes what every call
/// of a model leaves. It can change no range, rule, account, prompt or file.
#[test]
fn the_worker_of_jobs_changes_jobs_alone() {
    let (functions, _) = template();
    let reads = ["GetItem", "BatchGetItem", "Query"];
    let held = permissions(&functions["JobRunFunction"]);
    let writes = held.iter().filter(|(action, _)| {
        action.strip_prefix("dynamodb:").is_some_and(|action| !reads.contains(&action))
    });
    let changed: BTreeSet<_> = writes.map(|(_, resource)| subject(resource)).collect();
    let expected = [
        "AuditTable",
        "AuditTextsTable",
        "BudgetsTable",
        "DataKeysTable",
        "JobItemsTable",
        "JobsTable",
        "OutagesTable",
        "UsageTable",
    ];
    assert_eq!(changed, expected.map(str::to_owned).into());
    let of_s3: BTreeSet<_> =
        held.iter().map(|(action, _)| *action).filter(|action| action.starts_with("s3:")).collect();
    assert_eq!(of_s3, ["s3:GetObject", "s3:ListBucket"].into());
}

/// Two workers ask models. Each may read the key of the provider that the settings name, or ask
/// Bedrock for the models of the settings, and has no right of another provider.
#[test]
fn workers_have_the_rights_of_one_provider() {
    let of_providers = [
        (Some("AsksAnthropic"), "secretsmanager:GetSecretValue", "AnthropicKey"),
        (Some("AsksOpenai"), "secretsmanager:GetSecretValue", "OpenaiKey"),
        (Some("AsksBedrock"), "bedrock:InvokeModelWithResponseStream", "BedrockModelArns"),
    ];
    for (id, function) in &template().0 {
        let mut held = Vec::new();
        for statement in conditional_statements(function) {
            let condition = statement["Fn::If"][0].as_str();
            let rights = allowed(present(statement)).into_iter();
            let rights = rights.filter(|(action, _)| {
                ["bedrock", "secretsmanager"].iter().any(|service| action.starts_with(service))
            });
            held.extend(rights.map(|(action, of)| (condition, action, subject(of))));
        }
        held.retain(|(_, action, of)| {
            action.starts_with("bedrock") || of_providers.iter().any(|(.., name)| name == of)
        });
        let asks = ["ChatStreamFunction", "JobRunFunction"].contains(&id.as_str());
        let expected = of_providers.iter().filter(|_| asks);
        let expected: Vec<_> = expected
            .map(|(condition, action, of)| (*condition, *action, (*of).to_owned()))
            .collect();
        assert_eq!(held, expected, "{id}");
    }
}

/// The worker of jobs writes their calls, and so does a retry, which makes a summary anew.
#[test]
fn two_functions_write_the_calls_of_jobs() {
    let (functions, _) = template();
    let holders = |action: &str| {
        let holds = |function: &Value| {
            let held = permissions(function);
            held.iter().any(|(held, of)| *held == action && subject(of) == "JobItemsTable")
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(holders("dynamodb:PutItem"), ["JobRunFunction", "JobsFunction"].into());
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem"] {
        assert_eq!(holders(action), BTreeSet::new(), "{action}");
    }
    let purge = ["JobsFunction", "PurgeConversationsFunction"];
    assert_eq!(holders("dynamodb:BatchWriteItem"), purge.into());
}

/// Chat and batches read the cells of ranges that they know by their ids. The tools of chat also
/// list the ranges of a workbook. Neither changes one.
#[test]
fn chat_and_batches_only_read_ranges() {
    let is_reader =
        |id: &str| id.starts_with("Chat") || ["BatchesFunction", "JobRunFunction"].contains(&id);
    for (id, function) in template().0.iter().filter(|(id, _)| is_reader(id)) {
        let held = permissions(function).into_iter();
        let held = held.filter(|(_, resource)| subject(resource) == "RangesTable");
        let held: BTreeSet<_> = held.map(|(action, _)| action).collect();
        let reads = id != "ChatFollowFunction";
        let expected = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"];
        assert_eq!(held, expected.into_iter().filter(|_| reads).collect(), "{id}");
    }
}

/// A function that writes texts of events can't read them. A function asks KMS for keys of users
/// alone.
#[test]
fn one_function_reads_the_texts_of_events() {
    let (functions, _) = template();
    let holders = |actions: &[&str], of: &str| {
        let holds = |function: &Value| {
            permissions(function)
                .iter()
                .any(|(action, resource)| actions.contains(action) && subject(resource) == of)
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    let writers = BTreeSet::from(["ChatStreamFunction", "ExpireRepliesFunction", "JobRunFunction"]);
    let reader = BTreeSet::from(["AuditFunction"]);
    let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"];
    assert_eq!(holders(&reads, "AuditTextsTable"), reader);
    assert_eq!(holders(&["dynamodb:PutItem"], "AuditTextsTable"), writers);
    let nobody = BTreeSet::new();
    let eraser = BTreeSet::from(["EraseFunction"]);
    for (changes, of_texts, of_keys) in [
        ("dynamodb:UpdateItem", &nobody, &eraser),
        ("dynamodb:DeleteItem", &nobody, &nobody),
        ("dynamodb:BatchWriteItem", &eraser, &nobody),
    ] {
        assert_eq!(holders(&[changes], "AuditTextsTable"), *of_texts, "{changes}");
        assert_eq!(holders(&[changes], "DataKeysTable"), *of_keys, "{changes}");
    }
    assert_eq!(holders(&["dynamodb:PutItem"], "DataKeysTable"), writers);
    assert_eq!(holders(&["kms:GenerateDataKey"], "TextKey"), writers);
    assert_eq!(holders(&["kms:Decrypt"], "TextKey"), &writers | &reader);
    let condition = json!({
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["user_id"]},
        "Null": {"kms:EncryptionContextKeys": "false"},
    });
    for (id, function) in &functions {
        let names_key = |statement: &&Value| {
            list(&statement["Resource"]).iter().any(|resource| subject(resource) == "TextKey")
        };
        for statement in statements(function).into_iter().filter(names_key) {
            assert_eq!(statement["Condition"], condition, "{id}");
        }
    }
}

/// The items of a table that has users for a key, or that an index finds by users, go with the
/// user. If you add such a table, let `erase` or `purge-conversations` delete its items.
#[test]
fn what_is_found_by_a_user_is_purged_or_erased() {
    let (functions, others) = template();
    let deletes = ["dynamodb:DeleteItem", "dynamodb:BatchWriteItem"];
    let emptied: BTreeSet<_> = ["EraseFunction", "PurgeConversationsFunction"]
        .iter()
        .flat_map(|id| permissions(&functions[*id]))
        .filter(|(action, _)| deletes.contains(action))
        .map(|(_, resource)| subject(resource))
        .collect();
    // Their items say that the user was erased. They have ids and times.
    let kept = ["DataKeysTable", "ErasuresTable"];
    let is_found_by_user = |table: &Value| {
        let attributes = list(&table["Properties"]["AttributeDefinitions"]);
        attributes.iter().any(|attribute| attribute["AttributeName"] == "user_id")
    };
    let tables = others.iter().filter(|(_, table)| table["Type"] == "AWS::DynamoDB::Table");
    let found: Vec<_> = tables.filter(|(_, table)| is_found_by_user(table)).collect();
    assert!(found.len() > kept.len());
    for (id, _) in found {
        let is_kept = kept.contains(&id.as_str());
        assert_ne!(emptied.contains(id), is_kept, "{id} keeps what belongs to an erased user");
    }
}

/// Only the sealer writes the files of the log and signs checkpoints.
#[test]
fn one_function_writes_and_signs_the_sealed_log() {
    let (functions, _) = template();
    let holders = |action: &str, of: &str| {
        let holds = |function: &Value| {
            permissions(function)
                .iter()
                .any(|(held, resource)| *held == action && subject(resource) == of)
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    let sealer = BTreeSet::from(["AuditSealFunction"]);
    let readers = BTreeSet::from(["AuditFunction", "AuditSealFunction"]);
    for action in ["s3:PutObject", "s3:PutObjectRetention"] {
        assert_eq!(holders(action, "AuditArchive"), sealer, "{action}");
    }
    assert_eq!(holders("kms:Sign", "AuditSigner"), sealer);
    assert_eq!(holders("s3:GetObject", "AuditArchive"), readers);
    for action in ["dynamodb:PutItem", "dynamodb:UpdateItem"] {
        assert_eq!(holders(action, "AuditSequenceTable"), sealer, "{action}");
    }
    for action in ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"] {
        assert_eq!(holders(action, "AuditArchive"), BTreeSet::new(), "{action}");
    }
    for action in ["dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"] {
        assert_eq!(holders(action, "AuditTable"), BTreeSet::new(), "{action}");
    }
}

/// One function parses the bytes of users. It reaches them and what it makes of them, and nothing
/// else: no table, no secret, no other object. No other function writes prepared objects. Jobs read
/// those. The functions that start jobs write their inputs, which never change.
#[test]
fn the_function_that_parses_files_reaches_nothing_else() {
    let (functions, _) = template();
    let of_bucket = |path: &str| json!({"Fn::Sub": format!("${{FilesBucket.Arn}}/{path}/*")});
    let (incoming, files) = (of_bucket("incoming"), of_bucket("files"));
    let inputs = of_bucket("inputs");
    let expected = [("s3:GetObject", &incoming), ("s3:PutObject", &files)];
    let parser = &functions["FilePrepareFunction"];
    assert_eq!(permissions(parser), expected);
    let variables = parser["Properties"]["Environment"]["Variables"].as_object().unwrap();
    // All functions have the others.
    let expected = ["AUDIT_RETENTION_DAYS", "FILES_BUCKET", "RUST_LOG", "STACK_NAME"];
    assert_eq!(variables.keys().collect::<Vec<_>>(), expected);
    let holders = |action: &str, of: &Value| {
        let holds = |function: &Value| permissions(function).contains(&(action, of));
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    let (ending, door) = ("FileEndFunction", "FilesFunction");
    let (purge, parser) = ("PurgeConversationsFunction", "FilePrepareFunction");
    let (analyses, batches) = ("AnalysesFunction", "BatchesFunction");
    let (jobs, worker) = ("JobsFunction", "JobRunFunction");
    for (action, of, expected) in [
        ("s3:PutObject", &incoming, &[door][..]),
        ("s3:PutObject", &files, &[parser]),
        ("s3:GetObject", &incoming, &[parser, door]),
        ("s3:GetObject", &files, &[door, analyses, worker]),
        ("s3:DeleteObject", &incoming, &[ending, door, purge]),
        ("s3:DeleteObject", &files, &[ending, door, purge]),
        ("s3:PutObject", &inputs, &[analyses, batches]),
        ("s3:GetObject", &inputs, &[analyses, batches, jobs, worker]),
        ("s3:DeleteObject", &inputs, &[jobs, purge]),
    ] {
        assert_eq!(holders(action, of), expected.iter().copied().collect(), "{action} {of}");
    }
}

/// Rules and groups decide who sees which cells. One function changes them. Besides it, the seed
/// adds the first rule, and the purge deletes the rules and groups that no request reaches.
#[test]
fn one_function_changes_rules_and_groups() {
    let (functions, _) = template();
    let holders = |action: &str, of: &str| {
        let holds = |function: &Value| {
            permissions(function)
                .iter()
                .any(|(held, resource)| *held == action && subject(resource) == of)
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    let (access, purge, seed) = ("AccessFunction", "PurgeConversationsFunction", "SeedFunction");
    for (action, table, expected) in [
        ("dynamodb:PutItem", "AccessTable", &[access, seed][..]),
        ("dynamodb:UpdateItem", "AccessTable", &[access, seed]),
        ("dynamodb:DeleteItem", "AccessTable", &[access, purge]),
        ("dynamodb:BatchWriteItem", "AccessTable", &[]),
        ("dynamodb:PutItem", "GroupsTable", &[access]),
        ("dynamodb:UpdateItem", "GroupsTable", &[access, purge]),
        ("dynamodb:DeleteItem", "GroupsTable", &[access, purge]),
        ("dynamodb:BatchWriteItem", "GroupsTable", &[purge]),
    ] {
        let expected = expected.iter().copied().collect();
        assert_eq!(holders(action, table), expected, "{action} {table}");
    }
}

/// Tools for MCP clients write tasks, and what every call writes: limits, events, the use of a key
/// and the record of an `idempotency_key`.
#[test]
fn mcp_changes_tasks_alone() {
    let (functions, _) = template();
    let held = permissions(&functions["McpFunction"]);
    let services: BTreeSet<_> =
        held.iter().filter_map(|(action, _)| Some(action.split_once(':')?.0)).collect();
    assert_eq!(services, BTreeSet::from(["dynamodb", "secretsmanager"]));
    let reads = ["GetItem", "BatchGetItem", "Query"];
    let is_write =
        |action: &str| action.strip_prefix("dynamodb:").is_some_and(|verb| !reads.contains(&verb));
    let written: BTreeSet<_> = held
        .iter()
        .filter(|(action, _)| is_write(action))
        .map(|(_, resource)| subject(resource))
        .collect();
    let expected = ["ApiKeysTable", "AuditTable", "IdempotencyTable", "LimitsTable", "TasksTable"];
    assert_eq!(written, expected.map(str::to_owned).into());
    let touched: BTreeSet<_> = held.iter().map(|(_, resource)| subject(resource)).collect();
    assert!(!touched.contains("AuditTextsTable") && !touched.contains("DataKeysTable"));
}

/// The tools are the same for a model in a chat as for an MCP client. So both functions may use
/// their tables in the same way.
#[test]
fn tools_may_do_the_same_in_a_chat_as_for_an_mcp_client() {
    let (functions, _) = template();
    let tables = [
        "AccessTable",
        "AuditTable",
        "GroupsTable",
        "IdempotencyTable",
        "ProfitsTable",
        "RangesTable",
        "TasksTable",
        "WorkbooksTable",
    ];
    let held = |id: &str| -> BTreeSet<_> {
        let held = permissions(&functions[id]).into_iter();
        let held = held.filter(|(_, resource)| tables.contains(&subject(resource).as_str()));
        held.map(|(action, resource)| (action.to_owned(), resource.to_string())).collect()
    };
    assert_eq!(held("ChatStreamFunction"), held("McpFunction"));
}

/// Agents decide which tools a model may use. One function changes them, and the seed adds the
/// first. None deletes one: a deleted agent leaves its name and version.
#[test]
fn one_function_changes_agents() {
    let (functions, _) = template();
    let holders = |action: &str| {
        let holds = |function: &Value| {
            permissions(function)
                .iter()
                .any(|(held, resource)| *held == action && subject(resource) == "AgentsTable")
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(holders("dynamodb:PutItem"), ["AgentsFunction", "SeedFunction"].into());
    for action in ["dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"] {
        assert_eq!(holders(action), BTreeSet::new(), "{action}");
    }
}

/// A prompt decides what every reply is told. One function changes prompts, and no function of
/// replies does.
#[test]
fn one_function_changes_prompts() {
    let (functions, _) = template();
    let holders = |action: &str| {
        let holds = |function: &Value| {
            permissions(function)
                .iter()
                .any(|(held, resource)| *held == action && subject(resource) == "PromptsTable")
        };
        let found = functions.iter().filter(|(_, function)| holds(function));
        found.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
    };
    for action in ["dynamodb:PutItem", "dynamodb:DeleteItem"] {
        assert_eq!(holders(action), ["PromptsFunction"].into(), "{action}");
    }
    for action in ["dynamodb:UpdateItem", "dynamodb:BatchWriteItem"] {
        assert_eq!(holders(action), BTreeSet::new(), "{action}");
    }
}

/// SAM names a version by a hash of the code and the unresolved variables. So an alias would keep
/// old values of parameters after an update.
#[test]
fn every_function_is_invoked_as_it_is_now() {
    for (id, function) in template().0 {
        assert_eq!(function["Properties"]["AutoPublishAlias"], Value::Null, "{id}");
    }
}

/// The messages about a setting name its parameter by this rule, which holds for CloudFormation's
/// own parameters too.
#[test]
fn a_variable_is_called_like_its_parameter() {
    let parameter = |name: &str| {
        name.split('_')
            .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
            .collect::<String>()
    };
    let (functions, others) = template();
    for (id, function) in &functions {
        for (name, value) in function["Properties"]["Environment"]["Variables"].as_object().unwrap()
        {
            let value = present(value);
            let reference = value["Ref"].as_str().or(value["Fn::Join"][1]["Ref"].as_str());
            if let Some(reference) = reference.filter(|name| !others.contains_key(*name)) {
                assert_eq!(parameter(name), reference.trim_start_matches("AWS::"), "{id}");
            }
        }
    }
}

/// CloudFormation refuses a limit for an unknown policy before it deploys anything.
#[test]
fn the_template_knows_every_policy() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let (_, parameter) = template.split_once("\n  RateLimits:").unwrap();
    let (_, pattern) = parameter.split_once("AllowedPattern: \" *((").unwrap();
    let known: BTreeSet<_> = pattern.split_once(")=").unwrap().0.split('|').collect();
    let policies: BTreeSet<_> =
        Policy::ALL.iter().map(|policy| policy.name).chain(["[*]"]).collect();
    let unknown: Vec<_> = policies.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "add {unknown:?} to the AllowedPattern of RateLimits in template.yaml"
    );
}

#[test]
fn policies_name_what_they_allow() {
    for (id, function) in template().0 {
        for statement in statements(&function) {
            assert!(
                statement["Action"].is_array() || statement["Action"].is_string(),
                "{id} has a policy that is not written out"
            );
            assert_eq!(statement["Effect"], "Allow", "{id}");
        }
        for (action, resource) in permissions(&function) {
            assert!(!action.contains('*'), "{id} may {action}");
            assert_ne!(action, "dynamodb:Scan", "{id}");
            // Connections and objects come and go. A function's own name ends with signs that
            // CloudFormation chooses. All other resources are known at the deployment.
            let text = resource.to_string();
            let text = match action.split_once(':') {
                Some(("execute-api", "ManageConnections")) => text.replace("/@connections/*", ""),
                Some(("s3", _)) => text.replace("/*\"", "\""),
                Some(("lambda", _)) => text.replace(&format!("{OWN_NAME}{id}-*"), ""),
                _ => text,
            };
            assert!(!text.contains('*'), "{id} may {action} on {resource}");
        }
        // Roles that are made elsewhere, and SAM's policy templates, can't be checked here.
        assert_eq!(function["Properties"]["Role"], Value::Null, "{id}");
    }
}

/// A function's environment and its policies must name the same tables, secrets and workers.
#[test]
fn a_function_may_use_the_resources_of_its_environment_alone() {
    let (functions, others) = template();
    for (id, function) in &functions {
        let settings = function["Properties"]["Environment"]["Variables"].as_object().unwrap();
        let told = |ending: &str, kind: &str| -> BTreeSet<_> {
            let is_kind = |name: &String| {
                functions
                    .get(name)
                    .or(others.get(name))
                    .is_some_and(|resource| resource["Type"] == kind)
            };
            let settings = settings.iter().filter(|(name, _)| name.ends_with(ending));
            settings
                .filter(|(_, value)| value.is_object())
                .map(|(_, value)| subject(present(value)))
                .filter(is_kind)
                .collect()
        };
        let allowed = |service: &str| -> BTreeSet<_> {
            permissions(function)
                .into_iter()
                .filter(|(action, _)| action.starts_with(service))
                .map(|(_, resource)| subject(resource))
                .collect()
        };
        assert_eq!(told("_TABLE", "AWS::DynamoDB::Table"), allowed("dynamodb:"), "tables of {id}");
        assert_eq!(
            told("_ARN", "AWS::SecretsManager::Secret"),
            allowed("secretsmanager:"),
            "secrets of {id}"
        );
        // A function that starts itself knows its ARN from its invocation.
        let itself = (function["Properties"]["RecursiveLoop"] == "Allow").then(|| id.clone());
        let workers: BTreeSet<_> =
            told("_ARN", "AWS::Serverless::Function").into_iter().chain(itself).collect();
        assert_eq!(workers, allowed("lambda:"), "workers of {id}");
        assert_eq!(told("_ARN", "AWS::KMS::Key"), allowed("kms:"), "keys of {id}");
        let posts =
            permissions(function).iter().any(|(action, _)| action.starts_with("execute-api:"));
        assert_eq!(settings.contains_key("CONNECTIONS_ENDPOINT"), posts, "connections of {id}");
        let mails = !allowed("ses:").is_empty() || settings.contains_key("SEND_MAIL_ARN");
        assert_eq!(settings.contains_key("MAIL_DOMAIN"), mails, "mail of {id}");
    }
}
