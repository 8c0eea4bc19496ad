use cells::grid::Grid;

fn print(grid: Grid) {
    let _ = cells::issues::Issues::new(&grid).counts();
}

fn main() {}
