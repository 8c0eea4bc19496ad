//! The Lambda function `audit-seal`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<audit_seal::AuditSeal>().await
}
