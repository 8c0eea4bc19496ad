//! `GET|PUT /users/{id}/budget` and `/budget`: what replies may cost in a month, and what they have
//! cost. The first is the budget of a user, the second that of all users together. Administrators
//! set budgets, and all users can read their own.

mod deployment;
mod shared;
mod user;

pub use deployment::{ReadDeploymentBudget, SetDeploymentBudget};
pub use shared::{BudgetChange, BudgetView};
pub use user::{ReadBudget, SetBudget};

/// The endpoints of this function.
pub type Endpoints = (ReadBudget, SetBudget, ReadDeploymentBudget, SetDeploymentBudget);
