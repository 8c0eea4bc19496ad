//! Settings that no pattern of the template can refuse. The stack does not start with them. If one
//! has started all the same, `/ready` reports them.

use tally_local::{Stack, StackError, StackOptions};
use tally_tests::{TestStack, binaries, root};

/// Starts a stack as `cargo run` does.
async fn start(sets: &[(&str, &str)]) -> Result<Stack, StackError> {
    let binaries = tokio::task::spawn_blocking(binaries).await.unwrap();
    let mut options = StackOptions::new(root().join("template.yaml"), binaries);
    options.sets =
        sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    options.tries_functions = true;
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
    let anthropic = ("AiProvider", "anthropic");
    check(&[anthropic], &["Rules.PricesOfModels: AiProvider=anthropic needs AiPrices"]).await;
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

    // The patterns accept a window of more than a day, and a model without a price.
    let limits = " more can't start: the parameter RateLimits has the value \"login=5/48h\" \
                  (environment variable RATE_LIMITS): ";
    check(&[("RateLimits", "login=5/48h")], &[limits]).await;
    let prices = "the parameter AiPrices has the value \"other=1/2/3/4\" (environment variable \
                  AI_PRICES): it must have the prices of ";
    check(&[anthropic, ("AiPrices", "other=1/2/3/4")], &["AgentsFunction and ", prices]).await;
}

#[tokio::test]
async fn ready_fails_where_a_function_cannot_start() {
    let pages = [
        ("SSO_KIND", "oidc"),
        ("SSO_ISSUER", "https://id.example.com"),
        ("SSO_CLIENT_ID", "client"),
        ("SSO_RETURN_URLS", "https://app.example.com:99999/auth.html"),
    ];
    for settings in [
        &[("RATE_LIMITS", "login=abc")][..],
        &[("RATE_LIMITS", "unknown=1/1m")],
        &[("AI_PROVIDER", "anthropic")],
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
