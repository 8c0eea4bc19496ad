//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod chart;
mod profit;

pub use chart::{ChartType, Interval, Seq};
pub use profit::{Company, Money, Month, Year};
