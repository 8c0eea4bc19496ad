//! The workbook of the profits: a sheet for each company, and the rule that opens it to all users.

use std::collections::BTreeSet;
use std::slice;

use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::{Plan, Problem};
use tally_access::profits;
use tally_access::store::{RuleHead, Rules, Scope, Workbooks};

use crate::profits::rows;

/// Adds the workbook with its sheets and its rule, all or nothing.
pub fn plan(workbooks: &Workbooks, rules: &Rules, now: Timestamp) -> Result<Plan<()>, Problem> {
    let companies: BTreeSet<_> = rows().iter().map(|row| row.company.to_string()).collect();
    let workbook = profits::workbook(now, u64::try_from(companies.len()).unwrap_or(u64::MAX));
    let rule = profits::open_to_all(now);
    let details = AuditDetails::default()
        .resource("workbook", &workbook.id)
        .detail("added_rules", vec![rule.id.clone()]);
    let scope = Scope::Workbook(workbook.id.clone());
    let plan = Plan::reply(())
        .details(details)
        .write(workbooks.create(&workbook)?)
        .write(rules.change(&scope, RuleHead::default(), slice::from_ref(&rule)))
        .write(rules.add(&rule)?);
    companies.iter().try_fold(plan, |plan, company| {
        Ok(plan.write(workbooks.add_sheet(&workbook.id, &profits::sheet(company))?))
    })
}
