//! The problems of single sign-on.

use http::header;

use super::{Code, Problem, SsoDetails};

impl Problem {
    /// 401: the token of the identity provider is refused. `reason` names the check.
    pub fn invalid_sso_token(reason: &'static str) -> Self {
        let problem = Self::new(
            Code::InvalidSsoToken,
            format!("The check `{reason}` refuses the token of the identity provider."),
        );
        let problem =
            problem.with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
        problem.with_reason(reason)
    }

    fn with_reason(self, reason: &'static str) -> Self {
        let details = SsoDetails { reason: Some(reason), ..SsoDetails::default() };
        Self { sso: Some(Box::new(details)), ..self }
    }

    /// 401: the code of a sign-in is not, or no longer, valid.
    pub fn invalid_sso_code() -> Self {
        Self::new(
            Code::InvalidSsoCode,
            "The code is not valid, has expired, was used before, or belongs to another \
             `code_verifier`. Begin the sign-in again.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    }

    /// 401: the roles of the user need an authentication context that the sign-in lacks. `claims`
    /// is the claims request for the provider (OpenID Connect Core 1.0 section 5.5), in base64. The
    /// challenge is that of Microsoft's claims challenges.
    pub fn step_up_required(claims: String) -> Self {
        let problem = Self::new(
            Code::StepUpRequired,
            "Your roles need a stronger sign-in at the identity provider. Ask it for a token with \
             `claims`, or begin the sign-in in a browser with `step_up=true`.",
        );
        let challenge = format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"");
        let problem = problem.with_header(header::WWW_AUTHENTICATE, &challenge);
        let details = SsoDetails { claims: Some(claims), ..SsoDetails::default() };
        Self { sso: Some(Box::new(details)), ..problem }
    }

    /// 403: no role of the provider maps to one of this deployment.
    pub fn sso_no_role() -> Self {
        Self::new(
            Code::SsoNoRole,
            "The identity provider gives you no role of this deployment. Ask an administrator of \
             the provider for one.",
        )
    }

    /// 403: the provider has left the user's groups out of the token, because they are too many.
    pub fn groups_overage() -> Self {
        let detail = "The identity provider has left your groups out of the token, because they \
                      are too many. The operator has to map app roles instead of groups.";
        Self { detail: detail.to_owned(), ..Self::sso_no_role() }.with_reason("groups_overage")
    }

    /// 403: an administrator has deactivated the account.
    pub fn account_inactive() -> Self {
        Self::new(
            Code::AccountInactive,
            "An administrator has deactivated your account. Only an administrator can activate it.",
        )
    }

    /// 409: an account with a password has the address of the user.
    pub fn link_required() -> Self {
        Self::new(
            Code::LinkRequired,
            "An account with a password has your address. Sign in with the password and link it by \
             POST /auth/sso/link, or send `new_account` to begin another account.",
        )
    }

    /// 409: the identity provider manages what the request would change.
    pub fn managed_by_sso() -> Self {
        Self::new(
            Code::ManagedBySso,
            "The identity provider manages the account. Its roles, address and password are \
             changed there, and its owner cannot delete it here.",
        )
    }

    /// 409: another account belongs to this person of the identity provider.
    pub fn sso_identity_taken() -> Self {
        let detail = "Another account belongs to this person of the identity provider.";
        Self { detail: detail.to_owned(), ..Self::conflict() }
    }
}
