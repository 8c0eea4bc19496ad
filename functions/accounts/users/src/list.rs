//! `GET /users`: every account, or those whose username or email begins with a text.

use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page, Paging};
use platform::domain::Role;
use platform::http::{Parameters, in_query};
use platform::identity::Identity;
use platform::input::{Fields, FromField, Input, RawValue};
use platform::routes::{self, Route};
use platform::store::{Account, AccountFilter, Place, User, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

/// `GET /users`.
pub struct ListUsers {
    users: Users,
    cursors: Cursors,
}

/// The query parameters.
#[derive(Debug)]
pub struct UsersQuery {
    /// Which accounts are wanted.
    pub filters: UserFilters,
    /// Which page of them.
    pub paging: Paging,
}

/// The filter: accounts that match every given parameter.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilters {
    /// Beginning of the username or the email, in any case. Accounts whose username matches come
    /// first.
    #[param(min_length = 1, max_length = 254, example = "ann")]
    pub query: Option<String>,
    /// Only accounts with this role.
    #[param(inline, example = "admin")]
    pub role: Option<Role>,
    /// Only accounts that may sign in (`true`), or that may not (`false`).
    pub is_active: Option<bool>,
}

/// The text that a username or an email begins with.
struct Prefix(String);

impl FromField for Prefix {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if (1..=254).contains(&text.chars().count()) {
            Ok(Self(text.to_lowercase()))
        } else {
            Err("must be 1 to 254 characters".into())
        }
    }
}

impl Input for UsersQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let query = fields.optional::<Prefix>("query");
        let role = fields.optional("role");
        let is_active = fields.optional("is_active");
        let paging = Paging::read(fields);
        let filters = UserFilters {
            query: query?.map(|prefix| prefix.0),
            role: role?,
            is_active: is_active?,
        };
        Some(Self { filters, paging: paging? })
    }
}

impl UserFilters {
    /// The filter for the directory of accounts.
    fn filter(&self) -> AccountFilter {
        AccountFilter { prefix: self.query.clone(), role: self.role, is_active: self.is_active }
    }

    /// The filters, as details for the audit log.
    fn details(&self) -> AuditDetails {
        let details = self.query.iter().fold(AuditDetails::default(), |details, query| {
            details.detail("query", query.as_str())
        });
        let details =
            self.role.iter().fold(details, |details, role| details.detail("role", role.as_str()));
        self.is_active
            .iter()
            .fold(details, |details, is_active| details.detail("is_active", *is_active))
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for UsersQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<UserFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListUsers {
    const ROUTE: Route = routes::USERS;
    type Caller = Identity;
    type Body = ();
    type Query = UsersQuery;
    type Output = Page<Account>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { users: Users::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<Account>>, Problem> {
        let (UsersQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let from = self.cursors.open::<Place>(paging, user_id, request.call).await?;
        let (users, next) = self.users.list(&filters.filter(), from, paging.limit).await?;
        let details = filters.details().detail("limit", paging.limit).detail("rows", users.len());
        let accounts = users.iter().map(User::account).collect();
        Ok(Plan::reply(self.cursors.page(accounts, next, user_id, request.call).await?)
            .details(details))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", &[][..]),
            ("query=Ann%40&role=admin&is_active=false&limit=5", &[]),
            ("query=&role=root&is_active=1", &["query", "role", "is_active"]),
            ("role=Admin&limit=101&page=1", &["role", "limit", "page"]),
        ] {
            let errors = Fields::query(query)
                .read::<UsersQuery>()
                .err()
                .map(|problem| problem.errors)
                .unwrap_or_default();
            let refused: Vec<_> = errors.into_iter().filter_map(|error| error.parameter).collect();
            assert_eq!(refused, expected, "{query}");
        }
        let query = Fields::query("query=Ann%40X&role=user").read::<UsersQuery>().unwrap();
        assert_eq!(
            query.filters.filter(),
            AccountFilter { prefix: Some("ann@x".into()), role: Some(Role::User), is_active: None }
        );
    }
}
