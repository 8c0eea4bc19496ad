//! The tree of a formula, and what its nodes are.

use formualizer_parse::parser::ReferenceType;
use formualizer_parse::{
    ASTNode, ASTNodeType, BinaryOperator, Parser, TokenSpan, TokenStream, TokenSubType,
};

use crate::address::{COLUMNS, ROWS};

pub(super) fn is_plain(op: BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Add
            | BinaryOperator::Subtract
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Power
            | BinaryOperator::Concat
            | BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::Greater
            | BinaryOperator::LessEqual
            | BinaryOperator::GreaterEqual
            | BinaryOperator::Union
            | BinaryOperator::Intersection
    )
}

fn reference(node: &ASTNode) -> Option<&ReferenceType> {
    match &node.node_type {
        ASTNodeType::Reference { reference, .. } => Some(reference),
        _ => None,
    }
}

/// Whether two expressions name as many rows and columns of cells, also where they are filled down.
pub(super) fn are_alike(one: &ASTNode, other: &ASTNode) -> bool {
    shape(one).is_some_and(|one| Some(one) == shape(other))
}

/// Rows and columns of cells that an expression names. With one fixed end, as in `B$2:B9`, the rows
/// change where it is filled down; the last part says which end is fixed.
fn shape(node: &ASTNode) -> Option<(u32, u32, Option<bool>)> {
    match reference(node)? {
        ReferenceType::Cell { .. } => Some((1, 1, None)),
        ReferenceType::Range {
            start_row,
            start_col,
            end_row,
            end_col,
            start_row_abs,
            end_row_abs,
            ..
        } => {
            let length = |start: Option<u32>, end: Option<u32>, all| match (start, end) {
                (Some(start), Some(end)) => Some(start.abs_diff(end) + 1),
                (None, None) => Some(all),
                _ => None,
            };
            let rows = length(*start_row, *end_row, ROWS)?;
            let columns = length(*start_col, *end_col, COLUMNS)?;
            Some((rows, columns, (start_row_abs != end_row_abs).then_some(*start_row_abs)))
        }
        _ => None,
    }
}

/// The name that an argument of `LET` or `LAMBDA` binds.
pub(super) fn bound_name(node: &ASTNode) -> Option<&str> {
    match reference(node)? {
        ReferenceType::NamedRange(name) => Some(name.as_str()),
        _ => None,
    }
}

/// The tree of a formula. None if the parser did not understand each character of it: then a
/// reference could be missing.
pub(super) fn parse(formula: &str) -> Option<ASTNode> {
    let stream = TokenStream::new(formula).ok()?;
    let mut at = formula.strip_prefix('=').map(|_| 1)?;
    for span in &stream.spans {
        let between = formula.get(at..span.start)?;
        if !between.trim().is_empty() || is_word(formula, span) {
            return None;
        }
        at = span.end;
    }
    let is_whole = formula.get(at..)?.trim().is_empty();
    is_whole.then(|| Parser::from_token_stream(&stream).parse().ok()).flatten()
}

/// Whether the parser takes a word for a number. It does so with the names `inf` and `nan`, since
/// Rust reads them as doubles.
fn is_word(formula: &str, span: &TokenSpan) -> bool {
    let is_numeric = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    span.subtype == TokenSubType::Number
        && !formula.get(span.start..span.end).is_some_and(is_numeric)
}

/// Whether a formula that is not understood has a link of Dynamic Data Exchange, as in
/// `=cmd|'/C calc'!A0`. Such a link can start a program.
pub(super) fn is_dde(formula: &str) -> bool {
    formula.contains("|'")
}
