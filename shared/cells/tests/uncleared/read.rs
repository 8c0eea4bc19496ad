use cells::grid::{Cleared, Grid};

fn is_read<T: for<'de> serde::Deserialize<'de>>() {}

fn main() {
    is_read::<Cleared<Grid>>();
}
