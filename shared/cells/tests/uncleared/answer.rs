use cells::grid::Grid;

fn print(grid: Grid) {
    let _ = grid.cells(grid.area());
}

fn main() {}
