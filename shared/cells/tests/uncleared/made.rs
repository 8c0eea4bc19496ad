use cells::grid::{Cleared, Grid};

fn make(inner: Grid) -> Cleared<Grid> {
    Cleared { inner, columns: Vec::new(), withheld: Vec::new() }
}

fn new(inner: Grid) -> Cleared<Grid> {
    Cleared::new(inner, Vec::new(), Vec::new())
}

fn main() {}
