//! Reads which tables and items a request touches, without carrying it out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The tables of a request, for the call log and injected faults.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Touched {
    table_name: Option<String>,
    request_items: BTreeMap<String, Value>,
    transact_items: Vec<BTreeMap<String, Member>>,
}

/// The `Put`, `Get`, … of a transaction's item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    table_name: String,
}

impl Touched {
    /// A body that can't be read touches nothing. The database will report its error.
    pub(super) fn by(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The table names, each once, in the request's order.
    pub(super) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = Vec::new();
        let named = self.table_name.iter().chain(self.request_items.keys());
        for name in named.map(String::as_str).chain(self.transaction()) {
            if !tables.iter().any(|table| table == name) {
                tables.push(name.to_owned());
            }
        }
        tables
    }

    /// The request of a batch to each table.
    pub(super) fn batch(&self) -> &BTreeMap<String, Value> {
        &self.request_items
    }

    /// The table of each item of a transaction.
    pub(super) fn transaction(&self) -> impl Iterator<Item = &str> {
        self.transact_items
            .iter()
            .flat_map(BTreeMap::values)
            .map(|member| member.table_name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, tables: &[&str]) {
        assert_eq!(Touched::by(body.as_bytes()).tables(), tables, "{body}");
    }

    #[test]
    fn every_kind_of_request_names_its_tables() {
        check(r#"{"TableName":"users","Key":{"id":{"S":"1"}}}"#, &["users"]);
        check(r#"{"RequestItems":{"users":{"Keys":[]},"audit":{"Keys":[]}}}"#, &["audit", "users"]);
        check(
            r#"{"TransactItems":[{"Put":{"TableName":"users","Item":{}}},{"Delete":{"TableName":"sessions"}},{"Update":{"TableName":"users"}}]}"#,
            &["users", "sessions"],
        );
        check(r#"{"TransactItems":[{"Put":{}}]}"#, &[]);
        check("not json", &[]);
    }
}
