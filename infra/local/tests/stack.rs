//! Whole stacks, started from a template as `cargo run` does it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_s3::Client as S3Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{appears, binaries, gone};
use tally_local::aws::State;
use tally_local::{Shared, Stack, StackOptions};
use tempfile::TempDir;
use tokio::sync::watch;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  PublicUrl: {Type: String, Default: ""}
  Level: {Type: String, Default: low}
Globals:
  Function: {Runtime: provided.al2023, Environment: {Variables: {PUBLIC_URL: !Ref PublicUrl, LEVEL: !Ref Level}}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: ["https://a.example"], AllowMethods: [GET], ExposeHeaders: [ETag]}
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  Tasks:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      Timeout: 20
      Environment: {Variables: {ITEMS: !Ref Items}}
      Events:
        Do: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /do}}
        Hurry: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /hurry, TimeoutInMillis: 200}}
        One: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/things/{id}"}}
  Fallback:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: bootstrap}}
    Properties:
      Timeout: 1
      Events:
        Default: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
"#;

fn write(directory: &Path, template: &str) -> StackOptions {
    std::fs::write(directory.join("template.yaml"), template).unwrap();
    std::fs::write(
        directory.join("samconfig.toml"),
        "[local.deploy.parameters]\nparameter_overrides = ['Level=middle']\n",
    )
    .unwrap();
    StackOptions::new(directory.join("template.yaml"), binaries())
}

async fn start() -> Stack {
    let directory = TempDir::new().unwrap();
    Stack::start(write(directory.path(), TEMPLATE)).await.unwrap()
}

async fn post(stack: &Stack, path: &str, task: &Value) -> Response {
    let request = Client::new().post(format!("{}{path}", stack.url())).json(task);
    request.send().await.unwrap()
}

async fn check_gateway_error(response: Response, status: u16, message: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": message}));
}

#[tokio::test]
async fn a_request_becomes_an_event_and_the_result_an_answer() {
    let stack = start().await;
    let response = Client::new()
        .get(format!("{}/things/a%20b?x=1&x=2", stack.url()))
        .header("X-A", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["apigw-requestid"].clone();
    let event = response.json::<Value>().await.unwrap()["event"].clone();
    assert_eq!(event["routeKey"], "GET /things/{id}");
    assert_eq!(event["pathParameters"], json!({"id": "a b"}));
    assert_eq!(event["queryStringParameters"], json!({"x": "1,2"}));
    assert_eq!(event["headers"]["x-a"], "1");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["requestContext"]["requestId"], id.to_str().unwrap());
    assert_eq!(
        format!("http://{}", event["requestContext"]["domainName"].as_str().unwrap()),
        stack.url()
    );

    let answer = json!({
        "statusCode": 418, "headers": {"x-b": "2"}, "cookies": ["c=1"], "body": "aGk=",
        "isBase64Encoded": true,
    });
    let response = post(&stack, "/do", &json!({"do": "answer", "answer": answer})).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(
        (&response.headers()["x-b"], &response.headers()["set-cookie"]),
        (&"2".parse().unwrap(), &"c=1".parse().unwrap())
    );
    assert_eq!(response.text().await.unwrap(), "hi");
}

#[tokio::test]
async fn what_has_no_route_reaches_default() {
    let stack = start().await;
    for (method, path) in [("GET", "/do"), ("DELETE", "/x/y"), ("OPTIONS", "/do"), ("POST", "/do/")]
    {
        let response = Client::new()
            .request(method.parse().unwrap(), format!("{}{path}", stack.url()))
            .send()
            .await
            .unwrap();
        let event = response.json::<Value>().await.unwrap()["event"].clone();
        assert_eq!(
            (&event["routeKey"], &event["rawPath"]),
            (&json!("$default"), &json!(path)),
            "{method}"
        );
    }
    let response = Client::new().head(format!("{}/do", stack.url())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().is_empty());
}

#[tokio::test]
async fn api_gateway_answers_for_functions_that_fail() {
    let stack = start().await;
    check_gateway_error(
        post(&stack, "/do", &json!({"do": "crash"})).await,
        500,
        "Internal Server Error",
    )
    .await;
    check_gateway_error(
        post(&stack, "/do", &json!({"do": "fail", "message": "x"})).await,
        500,
        "Internal Server Error",
    )
    .await;
    check_gateway_error(
        post(&stack, "/do", &json!({"do": "large"})).await,
        500,
        "Internal Server Error",
    )
    .await;
    check_gateway_error(
        post(&stack, "/do", &json!({"do": "answer", "answer": {"statusCode": 0}})).await,
        500,
        "Internal Server Error",
    )
    .await;
    let never = json!({"do": "wait", "file": "/nowhere"});
    check_gateway_error(post(&stack, "/hurry", &never).await, 503, "Service Unavailable").await;
    check_gateway_error(post(&stack, "/any", &never).await, 503, "Service Unavailable").await;
}

#[tokio::test]
async fn bodies_over_the_limits_are_refused() {
    let stack = start().await;
    for megabytes in [7, 11] {
        let body = vec![b'a'; megabytes * 1024 * 1024];
        let request = Client::new()
            .post(format!("{}/do", stack.url()))
            .header("content-type", "text/plain")
            .body(body);
        check_gateway_error(request.send().await.unwrap(), 413, "Request Entity Too Large").await;
    }
}

#[tokio::test]
async fn without_routes_nothing_is_found() {
    let directory = TempDir::new().unwrap();
    let stack =
        Stack::start(write(directory.path(), "Parameters: {Level: {Type: String}}\nResources: {}"))
            .await
            .unwrap();
    check_gateway_error(post(&stack, "/", &json!({})).await, 404, "Not Found").await;
}

#[tokio::test]
async fn cors_is_done_by_the_api() {
    let stack = start().await;
    let request = |method: &str, origin: &'static str| {
        Client::new()
            .request(method.parse().unwrap(), format!("{}/do", stack.url()))
            .header("origin", origin)
    };
    for (origin, expected) in
        [("https://a.example", Some("https://a.example")), ("https://b.example", None)]
    {
        let allowed = |response: &Response| {
            response
                .headers()
                .get("access-control-allow-origin")
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let preflight = request("OPTIONS", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await
            .unwrap();
        assert_eq!((preflight.status().as_u16(), allowed(&preflight).as_deref()), (204, expected));
        let answer = json!({"statusCode": 200, "headers": {"access-control-allow-origin": "*"}});
        let actual = request("POST", origin)
            .json(&json!({"do": "answer", "answer": answer}))
            .send()
            .await
            .unwrap();
        assert_eq!((actual.status().as_u16(), allowed(&actual).as_deref()), (200, expected));
    }
}

#[tokio::test]
async fn functions_have_their_parameters_and_find_the_aws_endpoints() {
    let stack = start().await;
    let variables: BTreeMap<String, String> =
        serde_json::from_slice(&stack.invoke("Tasks", r#"{"do": "environment"}"#).await.unwrap())
            .unwrap();
    assert_eq!(variables["PUBLIC_URL"], stack.url());
    assert_eq!(variables["LEVEL"], "middle");
    assert_eq!(variables["ITEMS"], "tally-local-Items");
    // From outside, the same function runs with the same variables, except those that Lambda itself
    // sets.
    let function =
        stack.deployment().functions.iter().find(|function| function.id == "Tasks").unwrap();
    let outside = stack.environment(function);
    for name in [
        "ITEMS",
        "LEVEL",
        "PUBLIC_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        assert_eq!(outside.get(name), variables.get(name), "{name}");
    }
    assert!(!outside.contains_key("AWS_LAMBDA_RUNTIME_API"));
}

#[tokio::test]
async fn a_stack_is_ready_only_after_its_start_functions_and_fails_with_them() {
    let directory = TempDir::new().unwrap();
    let template = TEMPLATE.replace(
        "Parameters:",
        "Metadata: {LocalStack: {InvokeOnStart: [Tasks], Welcome: ['at ${Url}/x']}}\nParameters:",
    );
    let options = write(directory.path(), &template);
    let stack = Stack::start(options.clone()).await.unwrap();
    assert_eq!(stack.deployment().welcome, [format!("at {}/x", stack.url())]);
    stack.shutdown().await;

    let mut options = options;
    options.environment.insert("ON_START".to_owned(), "exit".to_owned());
    let error = Stack::start(options).await.err().unwrap().to_string();
    assert!(
        error.starts_with("Tasks, which the template invokes at the start: ")
            && error.contains("exit status: 3"),
        "{error}"
    );
}

#[tokio::test]
async fn stacks_that_share_run_their_start_functions_once() {
    let directory = TempDir::new().unwrap();
    let starts = directory.path().join("starts");
    let variables = format!("{{ITEMS: !Ref Items, STARTS: {}}}", starts.display());
    let template = TEMPLATE
        .replace("Parameters:", "Metadata: {LocalStack: {InvokeOnStart: [Tasks]}}\nParameters:")
        .replace("{ITEMS: !Ref Items}", &variables)
        // Each stack has a port of its own, so functions with this variable would be others.
        .replace("PUBLIC_URL: !Ref PublicUrl, ", "");
    let options =
        StackOptions { shared: Some(Shared::default()), ..write(directory.path(), &template) };
    let high = vec![("Level".to_owned(), "high".to_owned())];
    let other = StackOptions { sets: high, ..options.clone() };
    let alone = StackOptions { shared: None, ..options.clone() };
    let kept = State::Directory(directory.path().join("state"));
    let kept = StackOptions { state: kept, ..options.clone() };
    let order = [(&options, 1), (&options, 1), (&other, 2), (&options, 2), (&alone, 3), (&kept, 4)];
    for (options, expected) in order {
        Stack::start(options.clone()).await.unwrap().shutdown().await;
        let started = std::fs::read_to_string(&starts).unwrap().lines().count();
        assert_eq!(started, expected);
    }
}

#[tokio::test]
async fn requests_wait_until_the_start_functions_have_run() {
    let directory = TempDir::new().unwrap();
    let template = TEMPLATE
        .replace("Parameters:", "Metadata: {LocalStack: {InvokeOnStart: [Tasks]}}\nParameters:");
    let mut options = write(directory.path(), &template);
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    options.port = Some(port);
    options.environment.insert("ON_START".to_owned(), "wait".to_owned());
    let path = directory.path().to_str().unwrap().to_owned();
    options.environment.insert("ON_START_DIRECTORY".to_owned(), path);
    let client = async {
        appears(&directory.path().join("started")).await;
        // The stack refuses this host without a function.
        let url = format!("http://127.0.0.1:{port}/do");
        let request = Client::new().get(url).header("host", "attacker.example");
        let mut answer = pin!(request.send());
        let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
        assert!(early.is_err(), "answered before the start functions have run");
        std::fs::write(directory.path().join("go"), "now").unwrap();
        answer.await.unwrap().status()
    };
    let (stack, status) = tokio::join!(Stack::start(options), client);
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    stack.unwrap().shutdown().await;
}

#[tokio::test]
async fn what_keeps_a_stack_from_starting_is_said() {
    let directory = TempDir::new().unwrap();
    let options = write(directory.path(), TEMPLATE);
    let error =
        |options: StackOptions| async { Stack::start(options).await.err().unwrap().to_string() };

    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = error(StackOptions { port: Some(port), ..options.clone() }).await;
    assert_eq!(
        text,
        format!(
            "another process listens on port {port}: end it, or choose another port with --port"
        )
    );

    let text =
        error(StackOptions { binaries: directory.path().to_owned(), ..options.clone() }).await;
    assert!(
        text.starts_with("the binary of Tasks is missing at ")
            && text.contains("cargo build --bin bootstrap"),
        "{text}"
    );

    let text =
        error(StackOptions { sets: vec![("Levle".to_owned(), "x".to_owned())], ..options.clone() })
            .await;
    assert!(
        text.ends_with(
            "there is no parameter `Levle`: did you mean `Level`? There are: Level, PublicUrl"
        ),
        "{text}"
    );

    let text = error(StackOptions { config_env: "prod".to_owned(), ..options.clone() }).await;
    assert!(
        text.ends_with("samconfig.toml: there is no environment `prod`; there are: local"),
        "{text}"
    );

    for (path, named) in
        [("template.yaml", "template.yaml"), ("template.yaml/below", "template.yaml/below")]
    {
        let state = State::Directory(directory.path().join(path));
        let text = error(StackOptions { state, ..options.clone() }).await;
        let expected = format!("{named} can't be used (");
        assert!(
            text.contains(&expected) && text.contains("ot a directory") && text.contains("--state"),
            "{text}"
        );
    }

    let state = State::Directory(directory.path().join("state"));
    let running =
        Stack::start(StackOptions { state: state.clone(), ..options.clone() }).await.unwrap();
    let text = error(StackOptions { state: state.clone(), ..options.clone() }).await;
    assert!(text.starts_with("another local stack is using "), "{text}");
    running.shutdown().await;
    Stack::start(StackOptions { state, ..options }).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn the_stages_path_is_the_websocket_apis() {
    let directory = TempDir::new().unwrap();
    let websocket = r#"
  Socket: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.do}}
  SocketStage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Socket, StageName: live}}
  Connect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: $connect, Target: !Sub "integrations/${Call}"}}
  Append: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: append, Target: !Sub "integrations/${Call}"}}
  Call:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Socket
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Tasks.Arn}/invocations
"#;
    let stack =
        Stack::start(write(directory.path(), &(TEMPLATE.to_owned() + websocket))).await.unwrap();
    let url = stack.websocket_url().unwrap();
    assert_eq!(url, stack.url().replace("http", "ws") + "/live");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let file = directory.path().join("letters");
    socket
        .send(json!({"do": "append", "file": file, "text": "a"}).to_string().into())
        .await
        .unwrap();
    assert_eq!(appears(&file).await, "a");
    stack.shutdown().await;
    assert!(
        socket.next().await.is_none_or(|message| message.is_err() || message.unwrap().is_close())
    );
}

#[tokio::test]
async fn a_function_that_cannot_start_is_found_at_the_start_where_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let mut options = StackOptions { tries_functions: true, ..write(directory.path(), TEMPLATE) };
    Stack::start(options.clone()).await.unwrap().shutdown().await;
    options.environment.insert("ON_START".to_owned(), "refuse".to_owned());
    let error = Stack::start(options).await.err().unwrap().to_string();
    assert_eq!(error, "Fallback and 1 more can't start: the parameter Level is refused");
}

#[tokio::test]
async fn another_host_is_not_answered_for() {
    let directory = TempDir::new().unwrap();
    let websocket = r"
  Socket: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.do}}
  SocketStage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Socket, StageName: live}}
";
    let mut options = write(directory.path(), &(TEMPLATE.to_owned() + websocket));
    options.hosts = vec!["tally.test".to_owned()];
    let stack = Stack::start(options).await.unwrap();
    let port = stack.url().rsplit_once(':').unwrap().1.to_owned();
    for path in ["/do", "/live"] {
        for (host, misdirected) in [
            (format!("localhost:{port}"), false),
            ("tally.test".to_owned(), false),
            (format!("attacker.example:{port}"), true),
            ("localhost".to_owned(), true),
        ] {
            let request = Client::new().get(format!("{}{path}", stack.url())).header("host", &host);
            let upgrade = [
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
            ];
            let request = upgrade
                .iter()
                .filter(|_| path == "/live")
                .fold(request, |request, (name, value)| request.header(*name, *value));
            let response = request
                .header("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEA==")
                .send()
                .await
                .unwrap();
            assert_eq!(
                response.status() == StatusCode::MISDIRECTED_REQUEST,
                misdirected,
                "{path} of {host}: {}",
                response.status()
            );
        }
    }
}

/// The command itself. Its first lines have been read, up to the one that says it is ready.
struct Tally(Child);

impl Tally {
    fn start(directory: &Path, port: u16) -> Tally {
        Tally::of(Tally::command().args(["--no-build", "--port", &port.to_string()]), directory)
    }

    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
        command.env_remove("CARGO_MANIFEST_DIR").stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn of(command: &mut Command, directory: &Path) -> Tally {
        let mut child = command
            .current_dir(directory)
            .env_remove("CARGO_MANIFEST_DIR")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        Tally(child)
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success()
        );
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn however_the_command_ends_its_functions_end_and_it_can_start_again() {
    binaries();
    let directory = TempDir::new().unwrap();
    // The command looks for binaries beside itself. Examples have a directory of their own there.
    write(directory.path(), &TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap"));
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    for (signal, success) in [("-KILL", false), ("-TERM", true), ("-INT", true), ("-HUP", true)] {
        let mut tally = Tally::start(directory.path(), port);
        let idle = Client::new()
            .post(format!("http://127.0.0.1:{port}/do"))
            .json(&json!({"do": "pid"}))
            .send()
            .await
            .unwrap();
        let pid = idle.json::<u64>().await.unwrap();
        tally.signal(signal);
        assert_eq!(tally.0.wait().unwrap().success(), success, "{signal}");
        gone(pid).await;
    }
}

#[test]
fn the_limit_of_open_files_is_raised_to_the_hard_one() {
    binaries();
    let directory = TempDir::new().unwrap();
    write(directory.path(), &TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap"));
    let tally = Tally::of(
        Command::new("sh").args([
            "-c",
            "ulimit -Sn 256 && exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_tally"),
            "--no-build",
            "--port",
            "0",
        ]),
        directory.path(),
    );
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", tally.0.id())).unwrap();
    let open_files: Vec<_> = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap()
        .split_whitespace()
        .skip(3)
        .collect();
    assert_eq!(open_files[0], open_files[1], "{limits}");
}

#[test]
fn a_first_start_that_is_killed_at_any_moment_can_be_made_again() {
    binaries();
    let table = |number: usize| {
        format!(
            "  Table{number}:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      BillingMode: \
             PAY_PER_REQUEST\n      \
             AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}, {{AttributeName: at, \
             AttributeType: S}}]\n      \
             KeySchema: [{{AttributeName: id, KeyType: HASH}}]\n      \
             GlobalSecondaryIndexes:\n        \
             - {{IndexName: by_time, KeySchema: [{{AttributeName: at, KeyType: HASH}}], \
             Projection: {{ProjectionType: ALL}}}}\n"
        )
    };
    let template = TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap")
        + &(0..20).map(table).collect::<String>();
    for milliseconds in (0..120).step_by(6) {
        let directory = TempDir::new().unwrap();
        write(directory.path(), &template);
        let mut killed = Tally::command()
            .args(["--no-build", "--port", "0"])
            .current_dir(directory.path())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        killed.kill().unwrap();
        killed.wait().unwrap();
        drop(Tally::start(directory.path(), 0));
    }
}

#[tokio::test]
async fn the_variables_of_a_function_are_printed_while_the_stack_runs() {
    binaries();
    let directory = TempDir::new().unwrap();
    write(directory.path(), &TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap"));
    let variables = |function: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_tally"))
            .current_dir(directory.path())
            .args(["env", function])
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let tally = Tally::start(directory.path(), 0);
    let (success, printed) = variables("Tasks");
    assert!(
        success
            && printed.contains("LEVEL=middle\n")
            && printed.contains("AWS_ENDPOINT_URL=http://127.0.0.1:"),
        "{printed}"
    );
    let expected =
        "error: there is no function `Taks`: did you mean `Tasks`? There are: Fallback, Tasks\n";
    assert_eq!(variables("Taks"), (false, expected.to_owned()));
    drop(tally);
    let (success, printed) = variables("Tasks");
    assert!(
        !success && printed.contains("no stack is running with the state directory"),
        "{printed}"
    );
}

#[tokio::test]
async fn a_worker_that_is_busy_when_the_stack_is_killed_ends_with_its_work() {
    binaries();
    let directory = TempDir::new().unwrap();
    write(directory.path(), &TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap"));
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let tally = Tally::start(directory.path(), port);
    let started = directory.path().join("started");
    let go = directory.path().join("go");
    let task = json!({"do": "wait", "started": started, "file": go});
    let request =
        tokio::spawn(Client::new().post(format!("http://127.0.0.1:{port}/do")).json(&task).send());
    let pid = appears(&started).await.parse().unwrap();
    tally.signal("-KILL");
    assert!(request.await.unwrap().is_err());
    std::fs::write(go, "").unwrap();
    gone(pid).await;
}

/// A client with the variables of a function, as `tally env` prints them.
fn s3_client(directory: &Path) -> S3Client {
    let output = Command::new(env!("CARGO_BIN_EXE_tally"))
        .current_dir(directory)
        .args(["env", "Tasks"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let variables: BTreeMap<&str, &str> =
        printed.lines().map(|line| line.split_once('=').unwrap()).collect();
    let (id, secret) = (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_REGION"].to_owned()))
        .endpoint_url(variables["AWS_ENDPOINT_URL_S3"])
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    S3Client::from_conf(config)
}

#[tokio::test]
async fn a_stack_that_is_killed_keeps_the_objects_that_it_has_answered_for() {
    const BUCKET: &str = "tally-local-archive";
    binaries();
    let directory = TempDir::new().unwrap();
    let template = TEMPLATE.replace("Binary: bootstrap", "Binary: examples/bootstrap")
        + "  Archive: {Type: AWS::S3::Bucket}\n";
    write(directory.path(), &template);
    let tile = |number: u32| number.to_string().repeat(10_000);
    let mut stored: u32 = 0;
    for round in 1..=3 {
        let tally = Tally::start(directory.path(), 0);
        let client = s3_client(directory.path());
        let get = async |key: String| {
            let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
            String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
        };
        for number in 0..stored {
            assert!(get(format!("tile/{number}")).await == tile(number), "{number}");
        }
        if stored > 0 {
            let checkpoint: u32 = get("checkpoint".to_owned()).await.parse().unwrap();
            assert!(checkpoint == stored || checkpoint == stored + 1, "{checkpoint} {stored}");
        }
        let (sender, mut answered) = watch::channel(stored);
        let writing = client.clone();
        let writer = tokio::spawn(async move {
            for number in stored.. {
                let put = writing.put_object().bucket(BUCKET).key(format!("tile/{number}"));
                let tile = put.body(tile(number).into_bytes().into()).send().await;
                let put = writing.put_object().bucket(BUCKET).key("checkpoint");
                let size = (number + 1).to_string();
                let checkpoint = put.body(size.into_bytes().into()).send().await;
                if tile.is_err() || checkpoint.is_err() {
                    break;
                }
                sender.send_replace(number + 1);
            }
        });
        answered.wait_for(|stored| *stored >= round * 40).await.unwrap();
        tally.signal("-KILL");
        writer.await.unwrap();
        stored = *answered.borrow();
    }
}
