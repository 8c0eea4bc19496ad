use cells::grid::Grid;

fn print(grid: Grid) {
    let _ = grid.csv(0);
}

fn main() {}
