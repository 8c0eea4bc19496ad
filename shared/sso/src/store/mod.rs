//! The tables of single sign-on: one file each.

mod handoffs;
mod outages;

pub use handoffs::{Handoff, Handoffs};
pub use outages::{Outage, Outages};
