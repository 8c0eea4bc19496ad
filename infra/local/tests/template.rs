//! Whole templates: each must become what the stack would run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tally_local::template::model::{
    CorsRule, DefaultRetention, Deployment, Expiration, KeySpec, ObjectLock, RetentionMode,
    StartingPosition,
};
use tally_local::template::{self, Source, TemplateError};
use tempfile::TempDir;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Seconds: {Type: Number, Default: 9}
  EventAge: {Type: Number, Default: 60}
  Origins: {Type: CommaDelimitedList, Default: "https://a, https://b"}
  Prefix: {Type: String, Default: ""}
Mappings:
  Sizes:
    dev: {Memory: 256}
    prod: {Memory: 512}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsSmall: !Not [!Condition IsProd]
  HasPrefix: !Not [!Equals [!Ref Prefix, ""]]
  HasOrigins: !Not [!Equals [!Join ["", !Ref Origins], ""]]
  Both: !And [{Condition: IsProd}, !Condition HasPrefix]
  Either: !Or [!Condition IsProd, !Condition HasPrefix]
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: !Ref Seconds
    Environment: {Variables: {STAGE: !Ref Stage}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: !If
        - HasOrigins
        - {AllowOrigins: !Ref Origins, AllowMethods: [GET], AllowHeaders: [A], ExposeHeaders: [B], MaxAge: "60", AllowCredentials: !If [HasPrefix, true, false]}
        - !Ref AWS::NoValue
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 30}}
  Queue: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: "1209600", SqsManagedSseEnabled: true}}
  QueuePolicy: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Queue], PolicyDocument: {}}}
  Topic: {Type: AWS::SNS::Topic}
  AuditArchive:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      ObjectLockEnabled: true
      ObjectLockConfiguration: {ObjectLockEnabled: Enabled, Rule: !If [IsSmall, {DefaultRetention: {Mode: GOVERNANCE, Days: !Ref Seconds}}, !Ref AWS::NoValue]}
      VersioningConfiguration: {Status: Enabled}
      LifecycleConfiguration: {Rules: [{Status: Enabled, NoncurrentVersionExpiration: {NoncurrentDays: 1}}, {Status: Enabled, Prefix: a, ExpiredObjectDeleteMarker: true}]}
      PublicAccessBlockConfiguration: {BlockPublicAcls: true}
      BucketEncryption: {ServerSideEncryptionConfiguration: []}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
  AuditArchivePolicy: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref AuditArchive, PolicyDocument: {Statement: []}}}
  Files:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "files.${Stage}"
      CorsConfiguration: !If
        - HasOrigins
        - CorsRules: [{AllowedOrigins: !Ref Origins, AllowedMethods: [GET, PUT], AllowedHeaders: ["x-amz-*"], ExposedHeaders: [ETag], MaxAge: "600"}]
        - !Ref AWS::NoValue
      LifecycleConfiguration:
        Rules:
          - {Id: incoming, Status: Enabled, Prefix: incoming/, ExpirationInDays: 1, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}}
          - {Id: kept, Status: Enabled, Prefix: files/, ExpirationInDays: !Ref Seconds}
          - {Id: all, Status: Disabled, ExpirationInDays: 2}
  ProdAlarm: {Type: AWS::CloudWatch::Alarm, Condition: IsProd, Properties: {AlarmActions: [!Ref AWS::NoValue]}}
  Users:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsProd, true, false]}
  Named:
    Type: AWS::DynamoDB::Table
    Condition: Either
    Properties:
      TableName: !Sub "${Prefix}-${Stage}"
      AttributeDefinitions: []
      KeySchema: []
  Ring:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: !Join ["/", [tally, !Ref Stage]]
      GenerateSecretString: {SecretStringTemplate: '{"a": 1}', GenerateStringKey: current, PasswordLength: 64, ExcludePunctuation: true}
  ProdKey:
    Type: AWS::SecretsManager::Secret
    Condition: IsProd
    Properties: {GenerateSecretString: {SecretStringTemplate: "{}", GenerateStringKey: unused}}
  RingRotation:
    Type: AWS::SecretsManager::RotationSchedule
    Properties: {SecretId: !Ref Ring, RotationLambdaARN: !GetAtt Worker.Arn, RotationRules: {AutomaticallyAfterDays: 30}}
  UserKeysAlias: {Type: AWS::KMS::Alias, Properties: {AliasName: !Sub "alias/users/${Stage}", TargetKeyId: !Ref UserKeys}}
  LogAlias: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/log, TargetKeyId: !GetAtt LogKey.Arn}}
  ProdAlias: {Type: AWS::KMS::Alias, Condition: IsProd, Properties: {AliasName: alias/prod, TargetKeyId: !Ref LogKey}}
  UserKeys:
    Type: AWS::KMS::Key
    Properties:
      EnableKeyRotation: true
      KeyPolicy: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}
  LogKey:
    Type: AWS::KMS::Key
    Properties: {KeySpec: ECC_NIST_EDWARDS25519, KeyUsage: SIGN_VERIFY, Enabled: !If [IsProd, true, false]}
  Login:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: login}}
    Properties:
      MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
      LoggingConfig: {LogFormat: JSON}
      Environment:
        Variables:
          USERS: !Ref Users
          RING: !Ref Ring
          WORKER: !GetAtt Worker.Arn
          SOCKET: !Sub "${Socket.ApiEndpoint}/${SocketStage}"
          NUMBER: 7
          FIRST: !Select [0, !Split [",", "x,y"]]
          LITERAL: !Sub "${!Untouched} ${Stage}"
          PROD: !If [IsProd, "yes", !Ref AWS::NoValue]
          SMALL: !If [IsSmall, "small", "large"]
          ACCOUNT: !Sub ["${V}/${AWS::AccountId}", {V: !GetAtt Worker.Arn}]
          QUEUE: !GetAtt Queue.Arn
          QUEUE_URL: !Ref Queue
          TOPIC: !Ref Topic
          ARCHIVE: !Ref AuditArchive
          ARCHIVE_ARN: !GetAtt AuditArchive.Arn
          PROD_KEY: !If [IsProd, !Ref ProdKey, !Ref AWS::NoValue]
      Policies:
        - Statement:
            - {Effect: Allow, Action: "dynamodb:GetItem", Resource: !GetAtt Users.Arn}
            - !If [IsProd, {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: !Ref ProdKey}, !Ref AWS::NoValue]
            - !If [HasPrefix, {Effect: Allow, Action: "bedrock:InvokeModel", Resource: !Split [",", !Ref Prefix]}, !Ref AWS::NoValue]
      Events:
        Login: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /auth/login}}
        Any: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/x/{all+}", TimeoutInMillis: 5000}}
  Worker:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: worker}}
    Properties:
      Timeout: 900
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        MaximumEventAgeInSeconds: !Ref EventAge
        DestinationConfig:
          OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}
          OnSuccess: {Type: SNS, Destination: !Ref Topic}
  Fallback:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: fallback}}
    Properties: {Events: {Default: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}}
  Socket:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: socket, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  SocketStage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Socket, StageName: live, DeploymentId: !Ref SocketDeployment}
  SocketDeployment:
    Type: AWS::ApiGatewayV2::Deployment
    DependsOn: [ConnectRoute]
    Properties: {ApiId: !Ref Socket}
  ConnectRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Socket, RouteKey: $connect, Target: !Sub "integrations/${ConnectIntegration}"}
  ConnectIntegration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Socket
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Worker.Arn}/invocations
Outputs:
  Url: {Value: !Sub "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
  OnlyProd: {Condition: IsProd, Value: x}
  UserKeysId: {Value: !Ref UserKeys}
  UserKeysArn: {Value: !GetAtt UserKeys.Arn}
  LogKeyId: {Value: !GetAtt LogKey.KeyId}
  LogAliasName: {Value: !Ref LogAlias}
"#;

fn load(template: &str, sets: &[(&str, &str)]) -> Result<Deployment, String> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("template.yaml");
    std::fs::write(&path, template).unwrap();
    let source = Source {
        template: path,
        samconfig: None,
        config_env: "local".to_owned(),
        sets: sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        url: "http://127.0.0.1:1234".to_owned(),
    };
    template::load(&source).map_err(|error: TemplateError| {
        let text = error.to_string();
        text.split_once("template.yaml: ").map(|(_, text)| text.to_owned()).unwrap_or(text)
    })
}

#[test]
fn functions_have_what_globals_parameters_and_resources_give_them() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let [login, worker, fallback] = deployment.functions.as_slice() else {
        panic!("{deployment:?}")
    };
    assert_eq!(
        (login.id.as_str(), login.binary.as_str(), login.memory_mb, login.timeout),
        ("Login", "login", 256, Duration::from_secs(9))
    );
    assert_eq!((worker.memory_mb, worker.timeout), (128, Duration::from_mins(15)));
    assert_eq!(fallback.environment, [("STAGE".to_owned(), "dev".to_owned())].into());
    let worker_arn = "arn:aws:lambda:us-east-1:000000000000:function:Worker";
    assert_eq!(
        json!(login.environment),
        json!({
            "STAGE": "dev",
            "USERS": "tally-local-Users",
            "RING": "arn:aws:secretsmanager:us-east-1:000000000000:secret:tally/dev",
            "WORKER": worker_arn,
            "SOCKET": "ws://127.0.0.1:1234/live",
            "NUMBER": "7",
            "FIRST": "x",
            "LITERAL": "${Untouched} dev",
            "SMALL": "small",
            "ACCOUNT": format!("{worker_arn}/000000000000"),
            "QUEUE": "arn:aws:sqs:us-east-1:000000000000:tally-local-Queue",
            "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/tally-local-Queue",
            "TOPIC": "arn:aws:sns:us-east-1:000000000000:tally-local-Topic",
            "ARCHIVE": "tally-local-auditarchive",
            "ARCHIVE_ARN": "arn:aws:s3:::tally-local-auditarchive",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
        })
    );
}

#[test]
fn functions_are_invoked_as_often_as_their_schedules_say() {
    for (rate, seconds) in [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3_600),
        ("rate(2 days)", 172_800),
    ] {
        let schedule = format!(
            "Clock: {{Type: Schedule, Properties: {{Schedule: {rate}}}}}, Default: {{Type: HttpApi"
        );
        let deployment =
            load(&TEMPLATE.replace("Default: {Type: HttpApi", &schedule), &[]).unwrap();
        let fallback =
            deployment.functions.iter().find(|function| function.id == "Fallback").unwrap();
        assert_eq!(fallback.schedules, [Duration::from_secs(seconds)], "{rate}");
    }
}

/// Gives the worker a `DynamoDB` event with these properties beside its starting position.
fn with_stream(properties: &str) -> String {
    let event =
        format!("{{Type: DynamoDB, Properties: {{StartingPosition: LATEST, {properties}}}}}");
    let worker = format!("Timeout: 900\n      Events: {{Changes: {event}}}\n");
    TEMPLATE.replace("Timeout: 900\n", &worker)
}

#[test]
fn functions_read_the_streams_of_their_events() {
    let of_worker = |template: &str| {
        let mut functions = load(template, &[]).unwrap().functions.into_iter();
        functions.find(|function| function.id == "Worker").unwrap().streams.remove(0)
    };
    let source = of_worker(&with_stream("Stream: !GetAtt Users.StreamArn"));
    assert_eq!(
        source.arn,
        "arn:aws:dynamodb:us-east-1:000000000000:table/tally-local-Users/stream/local"
    );
    assert_eq!((source.event.as_str(), source.table.as_str()), ("Changes", "tally-local-Users"));
    assert_eq!(source.starting_position, StartingPosition::Latest);
    assert!(source.enabled && source.filters.is_empty() && source.on_failure.is_none());
    assert!(!source.reports_failures && !source.bisects);
    assert_eq!((source.batch_size, source.parallel, source.window), (100, 1, Duration::ZERO));
    assert_eq!((source.retries, source.max_age), (None, None));

    let source = of_worker(&with_stream(
        "Stream: !Sub '${Users.StreamArn}', BatchSize: 7, MaximumBatchingWindowInSeconds: '5', \
         FilterCriteria: {Filters: [{Pattern: '{\"eventName\": [\"INSERT\"]}'}]}, \
         FunctionResponseTypes: [ReportBatchItemFailures], MaximumRetryAttempts: 0, \
         MaximumRecordAgeInSeconds: 60, BisectBatchOnFunctionError: true, ParallelizationFactor: 10, \
         Enabled: false, \
         DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}",
    ));
    assert!(!source.enabled && source.reports_failures && source.bisects);
    assert_eq!((source.batch_size, source.parallel), (7, 10));
    assert_eq!(source.window, Duration::from_secs(5));
    assert_eq!((source.retries, source.max_age), (Some(0), Some(Duration::from_mins(1))));
    let [filter] = source.filters.as_slice() else { panic!("{:?}", source.filters) };
    assert!(filter.matches(&json!({"eventName": "INSERT"})));
    assert!(source.on_failure.unwrap().ends_with("Queue"));
}

#[test]
fn what_is_wrong_with_a_stream_is_named_with_its_place() {
    let stream = "Stream: !GetAtt Users.StreamArn";
    let pattern =
        |text: &str| format!("{stream}, FilterCriteria: {{Filters: [{{Pattern: '{text}'}}]}}");
    for (properties, expected) in [
        (format!("{stream}, BatchSize: 10001"), "BatchSize: 10001 is not between 1 and 10000"),
        (format!("{stream}, BatchSize: 0"), "BatchSize: 0 is not between 1 and 10000"),
        (
            format!("{stream}, MaximumBatchingWindowInSeconds: 301"),
            "MaximumBatchingWindowInSeconds: 301 is not between 0 and 300",
        ),
        (
            format!("{stream}, MaximumRetryAttempts: -2"),
            "MaximumRetryAttempts: -2 is not between -1 and 10000",
        ),
        (
            format!("{stream}, MaximumRecordAgeInSeconds: 59"),
            "MaximumRecordAgeInSeconds: this must be -1, or 60 or more",
        ),
        (
            format!("{stream}, ParallelizationFactor: 11"),
            "ParallelizationFactor: 11 is not between 1 and 10",
        ),
        (
            format!("{stream}, TumblingWindowInSeconds: 5"),
            "TumblingWindowInSeconds: unknown field `TumblingWindowInSeconds`",
        ),
        (
            format!("{stream}, FunctionResponseTypes: [Other]"),
            "FunctionResponseTypes[0]: unknown variant `Other`",
        ),
        (
            format!("{stream}, DestinationConfig: {{OnFailure: {{Type: Lambda, Destination: x}}}}"),
            "DestinationConfig.OnFailure.Type: the local stack has no destinations of the type `Lambda` here",
        ),
        (pattern("{}"), "FilterCriteria.Filters.0.Pattern: an object of a pattern needs a field"),
        (
            pattern(r#"{"dynamodb": {"Keys": {"id": {"S": [{"wildcard": "a*"}]}}}}"#),
            "FilterCriteria.Filters.0.Pattern: dynamodb.Keys.id.S: the local stack does not know",
        ),
        (
            pattern(r#"{"eventNmae": ["INSERT"]}"#),
            "FilterCriteria.Filters.0.Pattern: eventNmae: an event has the fields awsRegion, ",
        ),
        (
            pattern(&format!(r#"{{"eventName": ["{}"]}}"#, "x".repeat(4_096))),
            "FilterCriteria.Filters.0.Pattern: Lambda takes patterns of at most 4096 characters",
        ),
        ("Stream: some".to_owned(), "Stream: `some` is not the stream of a table of this template"),
        (String::new(), "missing field `Stream`"),
    ] {
        let error = load(&with_stream(&properties), &[]).unwrap_err();
        let place = "Resources.Worker.Properties.Events.Changes.Properties";
        assert!(error.starts_with(place) && error.contains(expected), "{properties}: {error}");
    }
    let position = with_stream(stream).replace("LATEST", "AT_TIMESTAMP");
    let error = load(&position, &[]).unwrap_err();
    assert!(error.contains("StartingPosition: unknown variant `AT_TIMESTAMP`"), "{error}");

    let twice = "Events: {Again: {Type: DynamoDB, Properties: {StartingPosition: LATEST, Stream: \
                 !GetAtt Users.StreamArn}}, Changes: ";
    let twice = with_stream(stream).replace("Events: {Changes: ", twice);
    assert_eq!(
        load(&twice, &[]).unwrap_err(),
        "Resources.Worker.Properties.Events.Changes.Properties.Stream: the event Again reads this \
         stream already"
    );

    let specification = "StreamSpecification: {StreamViewType: NEW_IMAGE}";
    for (specified, expected) in [
        ("", "Users has no stream: give it a StreamSpecification"),
        (
            "StreamSpecification: !If [IsProd, {StreamViewType: NEW_IMAGE}, !Ref AWS::NoValue]",
            "Users has no stream: give it a StreamSpecification",
        ),
        (
            "StreamSpecification: {StreamViewType: ALL}",
            "Resources.Users.Properties.StreamSpecification.StreamViewType: unknown variant `ALL`",
        ),
        (
            "StreamSpecification: {StreamViewType: KEYS_ONLY}\n      TableName: short",
            "Resources.Users.Properties.TableName: a table with a stream needs a name of 11",
        ),
    ] {
        let template = with_stream(stream).replace(specification, specified);
        let error = load(&template, &[]).unwrap_err();
        assert!(error.contains(expected), "{specified}: {error}");
    }
}

#[test]
fn apis_have_their_routes() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let api = deployment.http_api.unwrap();
    let routes: Vec<_> = api
        .routes
        .iter()
        .map(|route| (route.route_key.as_str(), route.function.as_str(), route.timeout.as_secs()))
        .collect();
    assert_eq!(
        routes,
        [
            ("ANY /x/{all+}", "Login", 5),
            ("POST /auth/login", "Login", 30),
            ("$default", "Fallback", 30)
        ]
    );
    let cors = api.cors.unwrap();
    assert_eq!(
        (cors.allow_origins, cors.max_age_seconds, cors.allow_credentials),
        (vec!["https://a".to_owned(), "https://b".to_owned()], Some(60), false)
    );
    let with_prefix = load(TEMPLATE, &[("Prefix", "p")]).unwrap().http_api.unwrap();
    assert!(with_prefix.cors.unwrap().allow_credentials);
    let socket = deployment.websocket_api.unwrap();
    assert_eq!(
        (socket.id.as_str(), socket.stage.as_str(), socket.selection.as_str()),
        ("Socket", "live", "$request.body.action")
    );
    assert_eq!(socket.routes, [("$connect".to_owned(), "Worker".to_owned())].into());
}

#[test]
fn tables_and_secrets_are_described_as_their_services_want_them() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let [users] = deployment.resources.tables.as_slice() else { panic!("{deployment:?}") };
    assert_eq!(
        (users.name.as_str(), users.ttl_attribute.as_deref()),
        ("tally-local-Users", Some("expires"))
    );
    assert_eq!(
        users.create,
        json!({
            "TableName": "tally-local-Users",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE", "StreamEnabled": true},
        })
    );
    let [ring] = deployment.resources.secrets.as_slice() else { panic!("{deployment:?}") };
    assert_eq!(
        ring.rotated_by.as_deref(),
        Some("arn:aws:lambda:us-east-1:000000000000:function:Worker")
    );
    assert_eq!((ring.name.as_str(), ring.key.as_str(), ring.length), ("tally/dev", "current", 64));
    assert_eq!(json!(ring.template), json!({"a": 1}));
}

#[test]
fn keys_have_ids_that_stay_and_the_aliases_that_name_them() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let [users, log] = deployment.resources.keys.as_slice() else { panic!("{deployment:?}") };
    assert_eq!((users.spec, users.enabled), (KeySpec::Symmetric, true));
    assert_eq!((log.spec, log.enabled), (KeySpec::Ed25519, false));
    assert_eq!(
        (&users.aliases[..], &log.aliases[..]),
        (&["alias/users/dev".to_owned()][..], &["alias/log".to_owned()][..],)
    );
    assert_eq!(users.arn, format!("arn:aws:kms:us-east-1:000000000000:key/{}", users.key_id));
    assert_ne!(users.key_id, log.key_id);
    let output = |name: &str| deployment.outputs[name].clone();
    assert_eq!(
        [output("UserKeysId"), output("UserKeysArn"), output("LogKeyId"), output("LogAliasName")],
        [users.key_id.clone(), users.arn.clone(), log.key_id.clone(), "alias/log".to_owned()]
    );
    let prod = load(TEMPLATE, &[("Stage", "prod")]).unwrap();
    assert_eq!(prod.resources.keys[1].key_id, log.key_id);
    assert_eq!(prod.resources.keys[1].aliases, ["alias/log", "alias/prod"]);
    assert!(prod.resources.keys[1].enabled);
}

#[test]
fn queues_have_the_names_times_and_defaults_of_sqs() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let [queue] = deployment.resources.queues.as_slice() else { panic!("{deployment:?}") };
    assert_eq!(
        (queue.id.as_str(), queue.name.as_str(), queue.arn.as_str()),
        ("Queue", "tally-local-Queue", "arn:aws:sqs:us-east-1:000000000000:tally-local-Queue")
    );
    let times = [queue.delay, queue.retention, queue.receive_wait, queue.visibility_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [0, 1_209_600, 0, 30]);
    assert_eq!(queue.maximum_bytes, 1_048_576);
}

#[test]
fn asynchronous_invocations_are_handled_as_the_template_says_or_as_lambda_does() {
    let deployment = load(TEMPLATE, &[]).unwrap();
    let [login, worker, _] = deployment.functions.as_slice() else { panic!("{deployment:?}") };
    let handling = &worker.event_invoke;
    assert_eq!((handling.retries, handling.maximum_age), (0, Duration::from_mins(1)));
    assert_eq!(
        (handling.on_failure.as_deref(), handling.on_success.as_deref()),
        (
            Some("arn:aws:sqs:us-east-1:000000000000:tally-local-Queue"),
            Some("arn:aws:sns:us-east-1:000000000000:tally-local-Topic")
        )
    );
    let handling = &login.event_invoke;
    assert_eq!((handling.retries, handling.maximum_age), (2, Duration::from_hours(6)));
    assert_eq!((&handling.on_failure, &handling.on_success), (&None, &None));
}

#[test]
fn a_queue_or_destination_that_the_stack_lacks_is_refused() {
    let failure = "OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}";
    let place = "Resources.Worker.Properties.EventInvokeConfig.DestinationConfig.OnFailure";
    for (to, expected) in [
        ("{Type: SQS}", "Destination: name the destination"),
        (
            "{Type: S3Bucket, Destination: 'arn:aws:s3:::failures'}",
            "Type: the local stack has no destinations of the type `S3Bucket`",
        ),
        (
            "{Type: SQS, Destination: !GetAtt Fallback.Arn}",
            "Destination: `arn:aws:lambda:us-east-1:000000000000:function:Fallback` is not an ARN \
             of the type SQS",
        ),
        (
            "{Type: SQS, Destination: 'arn:aws:sqs:us-east-1:000000000000:Elsewhere'}",
            "Destination: the local stack can't send records to `arn:aws:sqs:",
        ),
        (
            "{Type: Lambda, Destination: 'arn:aws:lambda:us-east-1:000000000000:function:None'}",
            "Destination: the local stack can't send records to `arn:aws:lambda:",
        ),
    ] {
        check_error(failure, &format!("OnFailure: {to}"), &format!("{place}.{expected}"));
    }
    for (from, to, expected) in [
        (
            "MaximumRetryAttempts: 0",
            "MaximumRetryAttempts: 3",
            "EventInvokeConfig.MaximumRetryAttempts: 3 is not between 0 and 2",
        ),
        (
            "EventAge: {Type: Number, Default: 60}",
            "EventAge: {Type: Number, Default: 59}",
            "EventInvokeConfig.MaximumEventAgeInSeconds: 59 is not between 60 and 21600",
        ),
        (
            "Timeout: 900",
            "Timeout: 900\n      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Queue.Arn}",
            "Resources.Worker.Properties.DeadLetterQueue: unknown field",
        ),
        (
            "MessageRetentionPeriod: \"1209600\"",
            "MessageRetentionPeriod: 59",
            "Resources.Queue.Properties.MessageRetentionPeriod: 59 is not between 60 and 1209600",
        ),
        (
            "SqsManagedSseEnabled: true",
            "FifoQueue: true",
            "Resources.Queue.Properties.FifoQueue: this is a FIFO queue",
        ),
        (
            "SqsManagedSseEnabled: true",
            "QueueName: orders.fifo",
            "Resources.Queue.Properties.FifoQueue: this is a FIFO queue",
        ),
        (
            "SqsManagedSseEnabled: true",
            "QueueName: ../secrets",
            "Resources.Queue.Properties.QueueName: a queue's name has 1 to 80 letters",
        ),
        (
            "SqsManagedSseEnabled: true",
            "RedrivePolicy: {maxReceiveCount: 3}",
            "Resources.Queue.Properties.RedrivePolicy: unknown field",
        ),
    ] {
        check_error(from, to, expected);
    }
}

#[test]
fn buckets_have_names_that_s3_takes_their_versions_and_their_locks() {
    let governance = DefaultRetention { mode: RetentionMode::Governance, days: 9 };
    for (stage, default_retention) in [("dev", Some(governance)), ("prod", None)] {
        let deployment = load(TEMPLATE, &[("Stage", stage)]).unwrap();
        let [archive, files] = deployment.resources.buckets.as_slice() else {
            panic!("{deployment:?}")
        };
        assert_eq!((archive.name.as_str(), archive.versioned), ("tally-local-auditarchive", true));
        assert_eq!(archive.object_lock, Some(ObjectLock { default_retention }));
        assert_eq!(files.name, format!("files.{stage}"));
        assert_eq!((files.versioned, files.object_lock.clone()), (false, None));
        assert_eq!((&archive.cors, &archive.expirations), (&Vec::new(), &Vec::new()));
    }
    let long = "A".repeat(200);
    let template = TEMPLATE.replace("AuditArchive", &long);
    let name = &load(&template, &[]).unwrap().resources.buckets[0].name;
    assert_eq!(*name, format!("tally-local-{}", "a".repeat(51)));
}

#[test]
fn buckets_have_rules_for_pages_and_for_the_age_of_objects() {
    let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    let rule = CorsRule {
        allowed_origins: list(&["https://a", "https://b"]),
        allowed_methods: list(&["GET", "PUT"]),
        allowed_headers: list(&["x-amz-*"]),
        exposed_headers: list(&["ETag"]),
        max_age_seconds: Some(600),
    };
    let expiration = |prefix: &str, days| Expiration { prefix: prefix.into(), days };
    for (origins, cors) in [("https://a, https://b", vec![rule]), ("", Vec::new())] {
        let sets = [("Origins", origins), ("Seconds", "30")];
        let buckets = load(TEMPLATE, &sets).unwrap().resources.buckets;
        assert_eq!(buckets[1].cors, cors);
        let expected = [expiration("incoming/", 1), expiration("files/", 30)];
        assert_eq!(buckets[1].expirations, expected);
    }
    let cors = "Resources.Files.Properties.CorsConfiguration.CorsRules";
    let rules = "Resources.Files.Properties.LifecycleConfiguration.Rules";
    for (from, to, expected) in [
        ("[GET, PUT]", "[]", format!("{cors}[0].AllowedMethods: this must name one at least")),
        ("[GET, PUT]", "[PATCH]", format!("{cors}[0].AllowedMethods: S3 does not take `PATCH`")),
        (
            "AllowedOrigins: !Ref Origins, ",
            "",
            format!("{cors}[0]: missing field `AllowedOrigins`"),
        ),
        (
            "AllowedOrigins: !Ref Origins",
            "AllowedOrigins: ['https://*.*']",
            format!("{cors}[0].AllowedOrigins: `https://*.*` must have a character"),
        ),
        ("\"x-amz-*\"", "''", format!("{cors}[0].AllowedHeaders: `` must have a character")),
        ("ExposedHeaders", "ExposeHeaders", format!("{cors}[0].ExposeHeaders: unknown field")),
        ("MaxAge: \"600\"", "MaxAge: soon", format!("{cors}[0].MaxAge: `soon`: invalid digit")),
        ("ExpirationInDays: 1,", "ExpirationInDays: 0,", format!("{rules}[0].ExpirationInDays: 0")),
        (
            "ExpirationInDays: 1,",
            "TagFilters: [],",
            format!("{rules}[0].TagFilters: unknown field"),
        ),
        (
            "{DaysAfterInitiation: 1}",
            "{Days: 1}",
            format!("{rules}[0].AbortIncompleteMultipartUpload.Days: unknown field"),
        ),
        ("Status: Disabled", "Status: 'off'", format!("{rules}[2].Status: unknown variant `off`")),
    ] {
        check_error(from, to, &expected);
    }
}

#[test]
fn conditions_decide_what_there_is() {
    let tables = |sets: &[(&str, &str)]| {
        load(TEMPLATE, sets)
            .unwrap()
            .resources
            .tables
            .into_iter()
            .map(|table| table.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(tables(&[("Prefix", "p")]), ["tally-local-Users", "p-dev"]);
    assert_eq!(tables(&[("Stage", "prod")]), ["tally-local-Users", "-prod"]);
    let prod = load(TEMPLATE, &[("Stage", "prod")]).unwrap();
    assert_eq!(
        (prod.outputs["OnlyProd"].as_str(), prod.functions[0].environment["PROD"].as_str()),
        ("x", "yes")
    );
    assert_eq!(prod.functions[0].memory_mb, 512);
    let dev = load(TEMPLATE, &[]).unwrap();
    assert!(dev.outputs.contains_key("Url") && !dev.outputs.contains_key("OnlyProd"));
}

/// Changes one piece of the template, and checks the error.
fn check_error(from: &str, to: &str, expected: &str) {
    assert!(TEMPLATE.contains(from), "{from}");
    let error = load(&TEMPLATE.replace(from, to), &[]).unwrap_err();
    assert!(error.contains(expected), "{from} -> {to}: {error}");
}

#[test]
fn two_resources_of_one_kind_with_the_same_name_are_refused() {
    let topic = "  Topic: {Type: AWS::SNS::Topic}\n";
    for (resource, expected) in [
        (
            "Second: {Type: AWS::SQS::Queue, Properties: {QueueName: tally-local-Queue}}",
            "Resources.Second: the queue Queue has the name `tally-local-Queue` too",
        ),
        // A name that is made from a logical id loses its capitals.
        (
            "AUDITArchive: {Type: AWS::S3::Bucket}",
            "Resources.AuditArchive: the bucket AUDITArchive has the name \
             `tally-local-auditarchive` too",
        ),
    ] {
        check_error(topic, &format!("{topic}  {resource}\n"), expected);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one table of cases")]
fn what_is_not_known_is_an_error_that_names_it_and_its_place() {
    check_error(
        "AWS::SQS::Queue,",
        "AWS::MSK::Cluster,",
        "Resources.Queue: the local stack does not know the resource type `AWS::MSK::Cluster`",
    );
    check_error(
        "USERS: !Ref Users",
        "USERS: !Ref User",
        "Resources.Login.Properties.Environment.Variables.USERS.Ref: there is no parameter and no \
         resource `User`",
    );
    check_error(
        "USERS: !Ref Users",
        "USERS: !Ref Named",
        "`Named` is left out by its condition `Either`",
    );
    check_error(
        "USERS: !Ref Users",
        "USERS: !ImportValue x",
        "USERS.Fn::ImportValue: the local stack does not know this intrinsic function",
    );
    check_error(
        "USERS: !Ref Users",
        "USERS: !GetAtt Users.Size",
        "the local stack does not know the attribute `Size` of Users",
    );
    // On AWS, an alias goes on calling a version with the old parameter values after an update. The
    // local stack has no aliases.
    check_error(
        "Timeout: 900",
        "Timeout: 900\n      AutoPublishAlias: live",
        "Resources.Worker.Properties.AutoPublishAlias: unknown field",
    );
    check_error(
        "AWS::Logs::LogGroup",
        "AWS::Logs::LogGruop",
        "Resources.Logs: the local stack does not know the resource type `AWS::Logs::LogGruop`",
    );
    check_error(
        "Default: {Type: HttpApi, Properties: {ApiId: !Ref Api}}",
        "Default: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /auth/login}}",
        "Resources.Fallback.Properties.Events: Login has the route POST /auth/login already",
    );
    check_error(
        "  ConnectIntegration:",
        "  Again: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: \
         $connect, Target: !Sub 'integrations/${ConnectIntegration}'}}\n  ConnectIntegration:",
        "Resources.Again.Properties.RouteKey: Worker has the route $connect already",
    );
    check_error(
        "USERS: !Ref Users",
        "USERS: !FindInMap [Sizes, test, Memory]",
        "there is no Mappings.Sizes.test.Memory",
    );
    check_error("USERS: !Ref Users", "USERS: !Select [3, [a]]", "the list has 1 items, none at 3");
    check_error("USERS: !Ref Users", "USERS: !Sub '${Users'", "lacks a closing brace");
    check_error(
        "USERS: !Ref Users",
        "USERS: [1]",
        "Resources.Login.Properties.Environment.Variables.USERS: this must be a text or a number",
    );
    check_error("USERS: !Ref Users", "USERS: !If [Nope, 1, 2]", "there is no condition `Nope`");
    check_error(
        "Timeout: 900",
        "Timeout: long",
        "Resources.Worker.Properties.Timeout: `long`: invalid digit",
    );
    check_error(
        "Timeout: 900",
        "Timeuot: 900",
        "Resources.Worker.Properties.Timeuot: unknown field `Timeuot`, expected one of `Timeout`, ",
    );
    check_error(
        "Method: post, Path: /auth/login",
        "Method: post",
        "Resources.Login.Properties.Events.Login.Properties.Method: a method needs a path",
    );
    check_error(
        "Default: {Type: HttpApi",
        "Default: {Type: SQS",
        "the local stack does not know events of the type `SQS`",
    );
    for rate in ["cron(0 * * * ? *)", "rate(0 minutes)", "rate(1 week)", "rate(1)"] {
        let schedule = format!(
            "Clock: {{Type: Schedule, Properties: {{Schedule: {rate:?}}}}}, Default: {{Type: \
             HttpApi"
        );
        check_error(
            "Default: {Type: HttpApi",
            &schedule,
            "Events.Clock.Properties.Schedule: the local stack knows rates only",
        );
    }
    check_error(
        "ApiId: !Ref Api, Path",
        "ApiId: !Ref Logs, Path",
        "names `Logs`, which is not an HTTP API of this template",
    );
    check_error(
        "Metadata: {BuildProperties: {Binary: worker}}",
        "DependsOn: Logs",
        "Resources.Worker.Metadata.BuildProperties.Binary: name the function's binary",
    );
    check_error(
        "IsProd: !Equals [!Ref Stage, prod]",
        "IsProd: !Condition IsSmall",
        "the value refers to itself: Conditions.IsSmall -> Conditions.IsProd -> Conditions.IsSmall",
    );
    check_error(
        "integrations/${ConnectIntegration}",
        "integrations/other",
        "Resources.ConnectRoute.Properties.Target: `integrations/other` is not an integration",
    );
    check_error(
        "ProtocolType: WEBSOCKET",
        "ProtocolType: HTTP",
        "Resources.Socket.Properties.ProtocolType: the local stack takes HTTP APIs as",
    );
    check_error(
        "SecretStringTemplate: '{\"a\": 1}'",
        "SecretStringTemplate: '['",
        "Resources.Ring.Properties.GenerateSecretString.SecretStringTemplate: this is not a JSON \
         object",
    );
    check_error(
        "SecretId: !Ref Ring",
        "SecretId: !Ref Users",
        "Resources.RingRotation.Properties.SecretId: this is not a secret of this template",
    );
    for (from, to, expected) in [
        (
            "KeySpec: ECC_NIST_EDWARDS25519",
            "KeySpec: RSA_2048",
            "Resources.LogKey.Properties.KeySpec: unknown variant `RSA_2048`, expected \
             `SYMMETRIC_DEFAULT` or `ECC_NIST_EDWARDS25519`",
        ),
        (
            "KeyUsage: SIGN_VERIFY, ",
            "",
            "Resources.LogKey.Properties.KeyUsage: a key of the KeySpec ECC_NIST_EDWARDS25519 has \
             the KeyUsage SIGN_VERIFY, not ENCRYPT_DECRYPT",
        ),
        (
            "EnableKeyRotation: true",
            "Origin: EXTERNAL",
            "Resources.UserKeys.Properties.Origin: unknown field `Origin`",
        ),
        (
            "AliasName: alias/log",
            "AliasName: alias/aws/log",
            "Resources.LogAlias.Properties.AliasName: `alias/aws/log` must be `alias/`",
        ),
        (
            "AliasName: alias/log",
            "AliasName: alias/users/dev",
            "Resources.LogAlias.Properties.AliasName: another key has the alias `alias/users/dev`",
        ),
        (
            "TargetKeyId: !Ref UserKeys",
            "TargetKeyId: !Ref Users",
            "Resources.UserKeysAlias.Properties.TargetKeyId: `tally-local-Users` is not a key",
        ),
    ] {
        check_error(from, to, expected);
    }
    check_error(
        "BucketName: !Sub \"files.${Stage}\"",
        "BucketName: Files",
        "S3 does not take `Files` as the name of the bucket Files: use 3 to 63 of",
    );
    check_error(
        "PublicAccessBlockConfiguration",
        "NotificationConfiguration",
        "Resources.AuditArchive.Properties.NotificationConfiguration: unknown field",
    );
    check_error(
        "      ObjectLockEnabled: true\n",
        "",
        "Resources.AuditArchive.Properties.ObjectLockConfiguration: the configuration needs",
    );
    check_error(
        "VersioningConfiguration: {Status: Enabled}",
        "VersioningConfiguration: {Status: Suspended}",
        "Properties.VersioningConfiguration.Status: a bucket with Object Lock must keep versions",
    );
    for (retention, expected) in [
        ("Mode: GOVERNANCE, Days: 0", "DefaultRetention.Days: this must be 1 to 36500"),
        ("Mode: GOVERNANCE, Years: 1", "DefaultRetention.Years: unknown field `Years`"),
        ("Mode: NONE, Days: 1", "DefaultRetention.Mode: unknown variant `NONE`"),
    ] {
        check_error("Mode: GOVERNANCE, Days: !Ref Seconds", retention, expected);
    }
    check_error(
        "Outputs:",
        "Metadata: {LocalStack: {InvokeOnStart: [Seed]}}\nOutputs:",
        "Metadata.LocalStack.InvokeOnStart: there is no function `Seed`",
    );
    check_error(
        "DependsOn: [ConnectRoute]",
        "DependsOn: [SocketStage]",
        "Resources: CloudFormation would refuse this circular dependency: SocketStage -> \
         SocketDeployment -> SocketStage",
    );
}

#[test]
fn rules_hold_or_say_what_is_wrong() {
    let rules = "Rules:\n  ProdHasPrefix:\n    RuleCondition: !Equals [!Ref Stage, prod]\n    \
                 Assertions:\n      \
                 - {Assert: !Not [!Equals [!Ref Prefix, '']], AssertDescription: Stage=prod needs \
                 Prefix}\n      \
                 - {Assert: !Or [!Equals [!Ref Seconds, '9'], !Equals [!Ref Seconds, '8']], \
                 AssertDescription: Seconds is 8 or 9}\n";
    let template = TEMPLATE.replace("Mappings:", &(rules.to_owned() + "Mappings:"));
    for (sets, expected) in [
        (&[][..], None),
        (&[("Stage", "prod")], Some("Rules.ProdHasPrefix: Stage=prod needs Prefix")),
        (&[("Stage", "prod"), ("Prefix", "p")], None),
        (
            &[("Stage", "prod"), ("Prefix", "p"), ("Seconds", "7")],
            Some("Rules.ProdHasPrefix: Seconds is 8 or 9"),
        ),
        (&[("Seconds", "7")], None),
    ] {
        assert_eq!(load(&template, sets).err().as_deref(), expected, "{sets:?}");
    }
    let unknown = template.replace("!Or [", "!Contains [");
    let error = load(&unknown, &[("Stage", "prod")]).unwrap_err();
    assert!(
        error.contains(
            "Rules.ProdHasPrefix: the local stack does not know `Fn::Contains` in a condition"
        ),
        "{error}"
    );
}

#[test]
fn a_secret_with_a_condition_is_there_with_what_refers_to_it() {
    for (sets, secrets) in
        [(&[][..], &["Ring"][..]), (&[("Stage", "prod"), ("Prefix", "p")], &["Ring", "ProdKey"])]
    {
        let deployment = load(TEMPLATE, sets).unwrap();
        let ids: Vec<_> =
            deployment.resources.secrets.iter().map(|secret| secret.id.as_str()).collect();
        assert_eq!(ids, secrets);
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tally-local-ProdKey";
        let key = deployment.functions[0].environment.get("PROD_KEY");
        assert_eq!(key.map(String::as_str), secrets.contains(&"ProdKey").then_some(arn));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(PathBuf::from).unwrap()
}

#[test]
fn the_projects_own_template_has_the_key_of_one_provider() {
    for (provider, expected) in [
        ("lorem", None),
        ("anthropic", Some("AnthropicKey")),
        ("openai", Some("OpenaiKey")),
        ("bedrock", None),
    ] {
        let sets = [
            ("AiProvider", provider),
            ("AiPrices", "claude-opus-5-5=1/2/3/4"),
            ("OpenaiBaseUrl", "https://models.example.com/v1"),
            ("BedrockModelArns", "arn:aws:bedrock:*::foundation-model/claude-opus-5-5"),
        ];
        let source = Source {
            template: root().join("template.yaml"),
            samconfig: None,
            config_env: "local".to_owned(),
            sets: sets.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            url: "http://127.0.0.1:8787".to_owned(),
        };
        let secrets = template::load(&source).unwrap().resources.secrets;
        let ids = secrets.iter().map(|secret| secret.id.as_str());
        let keys: Vec<_> = ids.filter(|id| ["AnthropicKey", "OpenaiKey"].contains(id)).collect();
        assert_eq!(keys, Vec::from_iter(expected), "{provider}");
    }
}

#[test]
fn the_projects_own_template_can_be_brought_up_in_every_environment() {
    let root = root();
    let samconfig = std::fs::read_to_string(root.join("samconfig.toml")).unwrap();
    let environments = samconfig
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.strip_suffix(".deploy.parameters]"));
    for environment in environments.filter(|environment| *environment != "default") {
        let source = Source {
            template: root.join("template.yaml"),
            samconfig: Some(root.join("samconfig.toml")),
            config_env: environment.to_owned(),
            sets: Vec::new(),
            url: "http://127.0.0.1:8787".to_owned(),
        };
        template::load(&source).unwrap();
    }
}
