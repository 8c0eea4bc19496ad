use cells::grid::Grid;
use cells::prompt::Options;

fn print(grid: Grid, options: Options) {
    let _ = grid.prompt("Sheet1", grid.area(), options);
}

fn main() {}
