//! The word of the administrator who changes an account.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::store::{AdminsChange, Users};
use platform::{Plan, Problem};

/// Adds to a plan that the caller is still an administrator, and what the plan does to the set of
/// administrators. This comes after the account's own write. If that were stale, this would judge
/// an old state.
pub fn on_word_of<O: 'static>(
    plan: Plan<O>,
    users: &Users,
    admin_id: String,
    change: AdminsChange<'_>,
    details: AuditDetails,
) -> Plan<O> {
    plan.write_or_retry(
        users.on_word_of(&admin_id, change),
        Box::new(move |found| {
            let stays = Users::lists_admin(found.as_ref(), &admin_id);
            let problem = if stays { Problem::last_admin() } else { Problem::no_longer_admin() };
            async { Ok(Plan::refuse(problem).details(details)) }.boxed()
        }),
    )
}
