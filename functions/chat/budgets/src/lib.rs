//! `GET|PUT /users/{id}/budget` and `/budget`: what replies may cost in a month, and have: those of a user, and those of all users
//! together. Administrators set it, and everyone can read their own.

mod deployment;
mod shared;
mod user;

pub use deployment::{ReadDeploymentBudget, SetDeploymentBudget};
pub use shared::{BudgetChange, BudgetView};
pub use user::{ReadBudget, SetBudget};

/// The endpoints of this function.
pub type Endpoints = (ReadBudget, SetBudget, ReadDeploymentBudget, SetDeploymentBudget);
