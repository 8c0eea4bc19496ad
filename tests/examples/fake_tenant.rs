//! The tests' identity provider by itself, for people who try single sign-on without Azure, and for
//! `.ci/check-sso`. It prints how to start Tally with it, and serves until it is ended.

use std::error::Error;

use clap::Parser;
use serde_json::{Map, Value, json};
use tally_tests::fake_tenant::{CLIENT, FakeTenant, Kind, Person, Setup, TENANT};
use tokio::signal::unix::{SignalKind, signal};

/// Signs people in to Tally on this machine, as Microsoft Entra ID would, without passwords
#[derive(Debug, Parser)]
#[command(name = "fake_tenant")]
struct Options {
    /// Port for http, which Tally and browsers use; 0 takes a free one
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// Port for https, which MSAL insists on; 0 takes a free one
    #[arg(long, default_value_t = 8789)]
    https_port: u16,
    /// Be another OpenID provider instead of Entra
    #[arg(long)]
    oidc: bool,
    /// Issuer of the tokens [default: Microsoft's for the tenant, or the URL for http with --oidc]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Redirect URI beside those of this machine; can be repeated
    #[arg(long = "redirect", value_name = "URI")]
    redirects: Vec<String>,
    /// Client id beside those of Tally and Office; can be repeated
    #[arg(long = "client", value_name = "ID")]
    clients: Vec<String>,
    /// URL of Tally, for the commands that this prints
    #[arg(long, value_name = "URL", default_value = "http://localhost:8787")]
    tally: String,
    /// Print what a script needs instead, as a line of JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let tenant = FakeTenant::with(setup(&options));
    if options.json {
        println!("{}", description(&tenant));
    } else {
        println!("{}", instructions(&tenant, options.oidc));
    }
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn setup(options: &Options) -> Setup {
    let kind = if options.oidc { Kind::Oidc } else { Kind::Entra };
    let mut setup = Setup::new(kind);
    setup.port = options.port;
    setup.https_port = options.https_port;
    setup.issuer.clone_from(&options.issuer);
    setup.tally.clone_from(&options.tally);
    setup.redirects.clone_from(&options.redirects);
    setup.clients.extend(options.clients.iter().cloned());
    setup.people = people();
    setup
}

/// A person for each set of rights. Each has the same account after the next start.
fn people() -> Vec<Person> {
    let people = [
        ("Ann", "a0000000-0000-4000-8000-000000000001", &["Tally.User"][..]),
        ("Otto", "a0000000-0000-4000-8000-000000000002", &["Tally.User", "Tally.Auditor"]),
        ("Ada", "a0000000-0000-4000-8000-000000000003", &["Tally.User", "Tally.Admin"]),
    ];
    let people = people.into_iter().map(|(name, object, roles)| {
        let person = Person::new(name).with_roles(roles);
        Person { object: object.to_owned(), ..person }
    });
    people.collect()
}

/// The parameters of a stack whose sign-ins may return to the provider's own page, too.
fn parameters(tenant: &FakeTenant) -> Vec<(&'static str, String)> {
    let parameters = tenant.parameters().into_iter();
    let parameters = parameters.map(|(name, value)| match name {
        "SsoReturnUrls" => (name, tenant.return_urls()),
        _ => (name, value),
    });
    parameters.collect()
}

fn description(tenant: &FakeTenant) -> Value {
    let parameters = parameters(tenant).into_iter();
    let parameters: Map<_, _> =
        parameters.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    json!({
        "url": tenant.url,
        "https_url": tenant.https_url(),
        "https_certificate": tenant.https_certificate(),
        "issuer": tenant.issuer(),
        "tenant": TENANT,
        "client_id": CLIENT,
        "parameters": parameters,
        "credential": tenant.credential(),
        "certificate_credential": tenant.certificate_credential(),
    })
}

fn instructions(tenant: &FakeTenant, is_oidc: bool) -> String {
    let sets: Vec<_> = parameters(tenant)
        .iter()
        .map(|(name, value)| format!(" \\\n      --set {name}={value}"))
        .collect();
    let sets = sets.concat();
    let rights = if is_oidc {
        "Sign-ins of this kind of provider go through a browser.".to_owned()
    } else {
        format!(
            "Or sign in with an access token, as an add-in does:\n\n  {}",
            tenant.token_command("ann")
        )
    };
    format!(
        "The fake tenant is ready. Ctrl-C ends it.\n\n  \
         http         {}\n  \
         https        {}\n  \
         Certificate  {}\n  \
         Tenant       {TENANT}\n  \
         Client       {CLIENT}\n  \
         People       ann (user), otto (auditor), ada (administrator)\n\n\
         1. Start Tally with it:\n\n  cargo run --{sets}\n\n\
         2. For sign-ins in a browser, give Tally its client secret in another terminal, with the \
         AWS CLI:\n\n  \
         cargo run -- env SsoBrowserFunction > .local/sso.env\n  \
         (set -a; . .local/sso.env; aws secretsmanager put-secret-value \\\n      \
         --secret-id tally-local-SsoCredential --secret-string '{}')\n\n\
         3. Sign in with a browser:\n\n  {}\n\n\
         {rights}\n\n\
         MSAL trusts the certificate by NODE_EXTRA_CA_CERTS, and in Python by REQUESTS_CA_BUNDLE.",
        tenant.url,
        tenant.https_url(),
        tenant.https_certificate().display(),
        tenant.credential(),
        tenant.browser_url(),
    )
}
