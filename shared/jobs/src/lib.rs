//! Jobs: many calls of a model that go on after their request has been answered. An analysis reads
//! files, an evaluation compares versions of a prompt, and a batch reads the rows of a range.
//!
//! - [`Starting`]: the start of a job, with its hold; [`Worst`]: what its calls cost at worst;
//!   [`Choosing`]: the versions of prompts that they use
//! - [`domain`]: jobs, their calls (items), inputs and results
//! - [`Changing`]: jobs are stopped, retried and deleted; [`Standing`]: the state of an item;
//!   [`inputs_of`]: the inputs of a job
//! - [`store`]: the tables `jobs` and `job_items`; [`JobsPurge`]: their removal
//! - [`JobProgress`], [`JobEnded`]: the messages about a job; [`rows_of`]: the rows of a batch
//! - [`pieces`]: how inputs are shown to a model; [`findings`]: what analyses find in them
//!
//! The worker `job-run` makes the calls.

mod changing;
mod choosing;
pub mod domain;
pub mod findings;
mod inputs;
mod left;
mod messages;
pub mod pieces;
mod purge;
mod rows;
mod standing;
mod starting;
pub mod store;
mod worst;

pub use changing::{Changing, NewRound};
pub use choosing::Choosing;
pub use inputs::inputs_of;
pub use messages::{JobEnded, JobProgress};
pub use purge::{JobsPurge, Purged};
pub use rows::rows_of;
pub use standing::Standing;
pub use starting::{JobStart, NewJob, Starting};
pub use worst::{Estimate, Worst};
