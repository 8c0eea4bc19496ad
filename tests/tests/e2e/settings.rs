//! Settings that no pattern of the template can refuse. The stack does not start with them. If one
//! has started all the same, `/ready` reports them.

use tally_local::{Stack, StackError, StackOptions};
use tally_tests::{TestStack, binaries, root};

/// Starts a stack as `cargo run` does.
async fn start(sets: &[(&str, &str)]) -> Result<Stack, StackError> {
    start_with(sets, |_| {}).await
}

/// The same, with other options.
async fn start_with(
    sets: &[(&str, &str)],
    change: impl FnOnce(&mut StackOptions),
) -> Result<Stack, StackError> {
    let binaries = tokio::task::spawn_blocking(binaries).await.unwrap();
    let mut options = StackOptions::new(root().join("template.yaml"), binaries);
    options.sets =
        sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    options.tries_functions = true;
    change(&mut options);
    Stack::start(options).await
}

async fn check(sets: &[(&str, &str)], expected: &[&str]) {
    let text = start(sets).await.err().unwrap_or_else(|| panic!("{sets:?} was taken")).to_string();
    for part in expected {
        assert!(text.contains(part), "{sets:?}: {text}");
    }
    assert!(!text.contains("Invalid {"), "{text}");
}

#[tokio::test]
async fn a_stack_starts_only_with_settings_that_its_functions_can_use() {
    start(&[]).await.unwrap().shutdown().await;

    check(
        &[("RateLimits", "login=abc")],
        &["Parameters.RateLimits: `login=abc` is refused: it must be like login=10/15m"],
    )
    .await;
    check(&[("RateLimits", "logn=1/1m")], &["Parameters.RateLimits: `logn=1/1m` is refused"]).await;
    check(
        &[("EmailVerification", "on"), ("MailDomain", "")],
        &["Rules.MailOfVerification: EmailVerification=on needs MailDomain"],
    )
    .await;
    check(
        &[("ChatReplySeconds", "901")],
        &["Parameters.ChatReplySeconds: `901` is refused: it must be 900 at most"],
    )
    .await;
    check(&[("CorsOrigins", "https://a.example,*")], &["Parameters.CorsOrigins: `*` is refused"])
        .await;
    for origins in [
        "*",
        "https://a.example,*",
        "https://a.example/x",
        "a.example",
        "https://a, ",
        // A page without TLS is whatever the network makes of it.
        "http://a.example",
        "https://a.example,http://localhost.a.example",
    ] {
        let expected = format!("Parameters.CookieOrigins: `{origins}` is refused");
        check(&[("CookieOrigins", origins)], &[&expected]).await;
    }

    let entra = ("SsoKind", "entra");
    let tenant = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let client = ("SsoClientId", "0d8a5a42-6fd4-4f0c-9a0b-3c1f1f0f6a11");
    for (sets, missing) in
        [(&[entra, client][..], "SsoIssuer"), (&[entra, ("SsoIssuer", tenant)], "SsoClientId")]
    {
        let rule = format!("Rules.ProviderOfSso: SsoKind=entra and SsoKind=oidc need {missing}");
        check(sets, &[&rule]).await;
    }
    let every_tenant = "https://login.microsoftonline.com/organizations/v2.0";
    check(
        &[entra, client, ("SsoIssuer", every_tenant)],
        &["Rules.TenantsOfSso: An SsoIssuer with `organizations` needs SsoTenants"],
    )
    .await;
    check(
        &[("SsoReturnUrls", "http://addin.example.com/auth.html")],
        &["Parameters.SsoReturnUrls: `http://addin.example.com/auth.html` is refused"],
    )
    .await;

    // The patterns accept an issuer that stands for personal accounts, too.
    let common = ("SsoIssuer", "https://login.microsoftonline.com/common/v2.0");
    let issuer = "the parameter SsoIssuer has the value \"https://login.microsoftonline.com/common/\
                  v2.0\" (environment variable SSO_ISSUER): it must be ";
    check(&[entra, client, common], &["SsoBrowserFunction and ", issuer]).await;

    // The pattern accepts a window of more than a day.
    let limits = " more can't start: the parameter RateLimits has the value \"login=5/48h\" \
                  (environment variable RATE_LIMITS): ";
    check(&[("RateLimits", "login=5/48h")], &[limits]).await;
}

/// Leaves out the functions without settings of the assistant.
fn of_assistant(options: &mut StackOptions) {
    let functions = ["agents", "chat-stream", "job-run", "seed"];
    options.only = Some(functions.map(str::to_owned).into());
}

#[tokio::test]
async fn a_provider_is_taken_with_all_that_it_needs_alone() {
    for (provider, needed, rule) in [
        ("anthropic", None, ""),
        (
            "openai",
            Some(("OpenaiBaseUrl", "http://127.0.0.1:1/v1")),
            "Rules.ServerOfOpenai: AiProvider=openai needs OpenaiBaseUrl: the URL of the server",
        ),
        (
            "bedrock",
            Some(("BedrockModelArns", "arn:aws:bedrock:us-east-1::foundation-model/first")),
            "Rules.ModelsOfBedrock: AiProvider=bedrock needs BedrockModelArns: the ARNs of AiModel",
        ),
    ] {
        let sets = [("AiProvider", provider), ("AiModel", "first"), ("AiPrices", "first=1/2/3/4")];
        let sets: Vec<_> = sets.into_iter().chain(needed).collect();
        let without = |left_out: &str| -> Vec<_> {
            sets.iter().copied().filter(|(name, _)| *name != left_out).collect()
        };
        start_with(&sets, of_assistant).await.unwrap().shutdown().await;
        let unpriced = "Rules.PricesOfModels: AiProvider=anthropic, AiProvider=openai and \
                        AiProvider=bedrock need AiPrices: the prices of AiModel";
        check(&without("AiPrices"), &[unpriced]).await;
        if let Some((parameter, _)) = needed {
            check(&without(parameter), &[rule]).await;
        }
        // The pattern accepts a model without a price.
        let expected = "AgentsFunction and 2 more can't start: the parameter AiPrices has the value \
                        \"first=1/2/3/4\" (environment variable AI_PRICES): it must have the prices \
                        of second";
        let fallback = [&sets[..], &[("AiFallbackModel", "second")]].concat();
        let refused = start_with(&fallback, of_assistant).await.err().unwrap().to_string();
        assert!(refused.contains(expected), "{provider}: {refused}");
    }
}

#[tokio::test]
async fn the_settings_of_a_provider_have_one_form() {
    let long = "m".repeat(97);
    let names = ["AiModel", "AiFallbackModel"].map(|parameter| (parameter, long.as_str(), "96"));
    let urls = ["AnthropicBaseUrl", "OpenaiBaseUrl", "BedrockUrl"].iter().flat_map(|parameter| {
        [
            "http://models.example.com/v1",
            "models.example.com",
            "https://user@models.example.com",
            "https://models.example.com?version=1",
        ]
        .map(|url| (*parameter, url, "it must be an https URL, or an http one of this machine"))
    });
    let arns = [
        "first",
        "arn:aws:s3:::models",
        "arn:aws:bedrock:us-east-1::foundation-model/*",
        "arn:aws:bedrock:*:000000000000:inference-profile/first",
        "arn:aws:bedrock:us-east-1::foundation-model/first,",
        "arn:aws:bedrock:us-east-1::foundation-model/first, \
         arn:aws:bedrock:us-east-1::foundation-model/second",
    ]
    .map(|arns| ("BedrockModelArns", arns, "it must be ARNs of foundation models or inference"));
    for (parameter, value, expected) in names.into_iter().chain(urls).chain(arns) {
        let refused = format!("Parameters.{parameter}: `{value}` is refused: ");
        check(&[(parameter, value)], &[&refused, expected]).await;
    }
}

#[tokio::test]
async fn ready_fails_where_a_function_cannot_start() {
    let pages = [
        ("SSO_KIND", "oidc"),
        ("SSO_ISSUER", "https://id.example.com"),
        ("SSO_CLIENT_ID", "client"),
        ("SSO_RETURN_URLS", "https://app.example.com:99999/auth.html"),
    ];
    let (openai, bedrock) = (("AI_PROVIDER", "openai"), ("AI_PROVIDER", "bedrock"));
    let prices = ("AI_PRICES", "claude-opus-5-5=1/2/3/4");
    let fallback = ("AI_FALLBACK_MODEL", "second");
    let server = ("OPENAI_BASE_URL", "https://models.example.com/v1");
    for settings in [
        &[("RATE_LIMITS", "login=abc")][..],
        &[("RATE_LIMITS", "unknown=1/1m")],
        &[("AI_PROVIDER", "anthropic")],
        &[openai, server],
        &[openai, prices],
        &[openai, prices, server, fallback],
        &[openai, prices, ("OPENAI_BASE_URL", "http://models.example.com/v1")],
        &[bedrock],
        &[bedrock, prices, fallback],
        &[bedrock, prices, ("BEDROCK_URL", "http://models.example.com")],
        &[("SSO_KIND", "entra")],
        &pages,
    ] {
        let stack = TestStack::of(|options| {
            let settings = settings.iter();
            let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            options.environment.extend(settings);
        })
        .await;
        let ready = stack.get("/ready", None).await.expect(503);
        assert_eq!(
            (&ready["status"], &ready["checks"]["settings"]["status"]),
            (&"failing".into(), &"failing".into()),
            "{settings:?}"
        );
        assert_eq!(ready["checks"]["dynamodb"]["status"], "ok");
    }
}
