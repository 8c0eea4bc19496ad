//! Tasks that deleted accounts leave, and their removal. No deleted user signs in, so no caller
//! reaches them.

use platform::database::{Database, Expression, StoreError, query, s};
use platform::{ConfigError, Platform};

/// Items deleted in one step: what one `BatchWriteItem` takes.
const BATCH: i32 = 25;

/// Removes tasks.
#[derive(Debug, Clone)]
pub struct TasksPurge {
    database: Database,
    table: String,
}

impl TasksPurge {
    /// Uses the table that `TASKS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("TASKS_TABLE")?.to_owned(),
        })
    }

    /// Deletes the next tasks of a deleted account, and at last their number. Gives whether there
    /// were any.
    pub async fn step_of_account(&self, user_id: &str) -> Result<bool, StoreError> {
        let expression = Expression::default().value("user", s(user_id));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("user_id = :user")
                .projection_expression("user_id, id")
                .set_expression_attribute_values(expression.values())
                // The item `#count` sorts before all ids.
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(BATCH),
        )
        .await?;
        let keys = page.items.unwrap_or_default();
        if keys.is_empty() {
            return Ok(false);
        }
        self.database.delete_all(&self.table, keys).await?;
        Ok(true)
    }
}
