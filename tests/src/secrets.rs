//! The stack's Secrets Manager, called as an operator calls it.

use serde_json::{Value, json};

use crate::TestStack;

impl TestStack {
    /// Makes a call about the secret with this logical id, with further members. The error is the
    /// message of the refusal.
    pub async fn secrets_manager(
        &self,
        operation: &str,
        secret: &str,
        members: Value,
    ) -> Result<Value, String> {
        let mut request = json!({"SecretId": self.secret_arn(secret)});
        let Value::Object(members) = members else { panic!("{members} are no members") };
        request.as_object_mut().unwrap().extend(members);
        self.aws("secretsmanager", &format!("secretsmanager.{operation}"), &request).await
    }

    /// The current content of a secret.
    pub async fn secret(&self, secret: &str) -> Value {
        let found = self.secrets_manager("GetSecretValue", secret, json!({})).await.unwrap();
        serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap()
    }

    /// ARN of the secret with this logical id.
    pub fn secret_arn(&self, secret: &str) -> &str {
        let found =
            self.local.deployment().resources.secrets.iter().find(|found| found.id == secret);
        &found.unwrap_or_else(|| panic!("the template has no {secret}")).arn
    }
}
