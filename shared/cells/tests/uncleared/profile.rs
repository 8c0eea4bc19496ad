use cells::grid::Grid;

fn print(grid: Grid) {
    let _ = grid.columns();
}

fn main() {}
