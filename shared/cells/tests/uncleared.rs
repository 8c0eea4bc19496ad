//! A grid that was not cleared does not compile into an answer, a file or a prompt.

#[test]
fn only_cleared_cells_are_printed() {
    trybuild::TestCases::new().compile_fail("tests/uncleared/*.rs");
}
