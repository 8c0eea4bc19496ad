//! Functions by the cells that they read.

/// How a function is treated when the sources of a formula are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// It reads its arguments alone.
    Plain,
    /// `LET`
    Let,
    /// `LAMBDA`
    Lambda,
    /// `SUMIF`, `AVERAGEIF`: the third argument grows to the size of the first.
    Resized,
    /// `LOOKUP`: the third argument grows to the size of the second.
    Lookup,
    /// It can send data out, or run a program.
    Unsafe,
    /// It reads cells that no argument names.
    Elsewhere,
    /// It is on no list.
    Unknown,
}

/// The function of a name as a formula has it, with the prefixes that files give newer functions.
pub(super) fn function(name: &str) -> Function {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("_XLFN.").unwrap_or(&name);
    let name = name.strip_prefix("_XLWS.").unwrap_or(name);
    match name {
        "LET" => Function::Let,
        "LAMBDA" => Function::Lambda,
        "SUMIF" | "AVERAGEIF" => Function::Resized,
        "LOOKUP" => Function::Lookup,
        _ if PLAIN.binary_search(&name).is_ok() => Function::Plain,
        _ if UNSAFE.binary_search(&name).is_ok() => Function::Unsafe,
        _ if ELSEWHERE.binary_search(&name).is_ok() => Function::Elsewhere,
        _ => Function::Unknown,
    }
}

/// Functions that send data out, fetch, or run a program.
const UNSAFE: &[&str] = &[
    "CALL",
    "COPILOT",
    "CUBEKPIMEMBER",
    "CUBEMEMBER",
    "CUBEMEMBERPROPERTY",
    "CUBERANKEDMEMBER",
    "CUBESET",
    "CUBESETCOUNT",
    "CUBEVALUE",
    "DDE",
    "DETECTLANGUAGE",
    "EVALUATE",
    "EXEC",
    "HYPERLINK",
    "IMAGE",
    "IMPORTCSV",
    "IMPORTTEXT",
    "PY",
    "REGISTER",
    "REGISTER.ID",
    "RTD",
    "SQL.REQUEST",
    "STOCKHISTORY",
    "TRANSLATE",
    "WEBSERVICE",
];

/// Functions that read cells that no argument names. `INDIRECT` and `OFFSET` make references,
/// `FORMULATEXT` shows formulas, `ANCHORARRAY` is the spill operator. A formula that binds such a
/// name by `LET` or `LAMBDA` may still mean the function.
const ELSEWHERE: &[&str] = &[
    "ANCHORARRAY",
    "CELL",
    "FORMULATEXT",
    "GETPIVOTDATA",
    "INDIRECT",
    "INFO",
    "OFFSET",
    "SHEET",
    "SHEETS",
    "TABLE",
];

/// Functions that read no other cells than their arguments. Sorted. `SUBTOTAL` and `AGGREGATE` also
/// depend on which rows are hidden.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "ABS", "ACCRINT", "ACCRINTM", "ACOS", "ACOSH", "ACOT", "ACOTH", "ADDRESS", "AGGREGATE",
    "AMORDEGRC", "AMORLINC", "AND", "ARABIC", "AREAS", "ARRAYTOTEXT", "ASC", "ASIN", "ASINH",
    "ATAN", "ATAN2", "ATANH", "AVEDEV", "AVERAGE", "AVERAGEA", "AVERAGEIFS",
    "BAHTTEXT", "BASE", "BESSELI", "BESSELJ", "BESSELK", "BESSELY", "BETA.DIST", "BETA.INV",
    "BETADIST", "BETAINV", "BIN2DEC", "BIN2HEX", "BIN2OCT", "BINOM.DIST", "BINOM.DIST.RANGE",
    "BINOM.INV", "BINOMDIST", "BITAND", "BITLSHIFT", "BITOR", "BITRSHIFT", "BITXOR", "BYCOL",
    "BYROW",
    "CEILING", "CEILING.MATH", "CEILING.PRECISE", "CHAR", "CHIDIST", "CHIINV", "CHISQ.DIST",
    "CHISQ.DIST.RT", "CHISQ.INV", "CHISQ.INV.RT", "CHISQ.TEST", "CHITEST", "CHOOSE", "CHOOSECOLS",
    "CHOOSEROWS", "CLEAN", "CODE", "COLUMN", "COLUMNS", "COMBIN", "COMBINA", "COMPLEX", "CONCAT",
    "CONCATENATE", "CONFIDENCE", "CONFIDENCE.NORM", "CONFIDENCE.T", "CONVERT", "CORREL", "COS",
    "COSH", "COT", "COTH", "COUNT", "COUNTA", "COUNTBLANK", "COUNTIF", "COUNTIFS", "COUPDAYBS",
    "COUPDAYS", "COUPDAYSNC", "COUPNCD", "COUPNUM", "COUPPCD", "COVAR", "COVARIANCE.P",
    "COVARIANCE.S", "CRITBINOM", "CSC", "CSCH", "CUMIPMT", "CUMPRINC",
    "DATE", "DATEDIF", "DATEVALUE", "DAVERAGE", "DAY", "DAYS", "DAYS360", "DB", "DBCS", "DCOUNT",
    "DCOUNTA", "DDB", "DEC2BIN", "DEC2HEX", "DEC2OCT", "DECIMAL", "DEGREES", "DELTA", "DEVSQ",
    "DGET", "DISC", "DMAX", "DMIN", "DOLLAR", "DOLLARDE", "DOLLARFR", "DPRODUCT", "DROP", "DSTDEV",
    "DSTDEVP", "DSUM", "DURATION", "DVAR", "DVARP",
    "ECMA.CEILING", "EDATE", "EFFECT", "ENCODEURL", "EOMONTH", "ERF", "ERF.PRECISE", "ERFC",
    "ERFC.PRECISE", "ERROR.TYPE", "EVEN", "EXACT", "EXP", "EXPAND", "EXPON.DIST", "EXPONDIST",
    "F.DIST", "F.DIST.RT", "F.INV", "F.INV.RT", "F.TEST", "FACT", "FACTDOUBLE", "FALSE", "FDIST",
    "FILTER", "FIND", "FINDB", "FINV", "FISHER", "FISHERINV", "FIXED", "FLOOR", "FLOOR.MATH",
    "FLOOR.PRECISE", "FORECAST", "FORECAST.ETS", "FORECAST.ETS.CONFINT",
    "FORECAST.ETS.SEASONALITY", "FORECAST.ETS.STAT", "FORECAST.LINEAR", "FREQUENCY", "FTEST", "FV",
    "FVSCHEDULE",
    "GAMMA", "GAMMA.DIST", "GAMMA.INV", "GAMMADIST", "GAMMAINV", "GAMMALN", "GAMMALN.PRECISE",
    "GAUSS", "GCD", "GEOMEAN", "GESTEP", "GROUPBY", "GROWTH",
    "HARMEAN", "HEX2BIN", "HEX2DEC", "HEX2OCT", "HLOOKUP", "HOUR", "HSTACK", "HYPGEOM.DIST",
    "HYPGEOMDIST",
    "IF", "IFERROR", "IFNA", "IFS", "IMABS", "IMAGINARY", "IMARGUMENT", "IMCONJUGATE", "IMCOS",
    "IMCOSH", "IMCOT", "IMCSC", "IMCSCH", "IMDIV", "IMEXP", "IMLN", "IMLOG10", "IMLOG2",
    "IMPOWER", "IMPRODUCT", "IMREAL", "IMSEC", "IMSECH", "IMSIN", "IMSINH", "IMSQRT", "IMSUB",
    "IMSUM", "IMTAN", "INDEX", "INT", "INTERCEPT", "INTRATE", "IPMT", "IRR", "ISBLANK", "ISERR",
    "ISERROR", "ISEVEN", "ISLOGICAL", "ISNA", "ISNONTEXT", "ISNUMBER", "ISO.CEILING", "ISODD",
    "ISOMITTED", "ISOWEEKNUM", "ISPMT", "ISREF", "ISTEXT",
    "JIS",
    "KURT",
    "LARGE", "LCM", "LEFT", "LEFTB", "LEN", "LENB", "LINEST", "LN", "LOG", "LOG10", "LOGEST",
    "LOGINV", "LOGNORM.DIST", "LOGNORM.INV", "LOGNORMDIST", "LOWER",
    "MAKEARRAY", "MAP", "MATCH", "MAX", "MAXA", "MAXIFS", "MDETERM", "MDURATION", "MEDIAN", "MID",
    "MIDB", "MIN", "MINA", "MINIFS", "MINUTE", "MINVERSE", "MIRR", "MMULT", "MOD", "MODE",
    "MODE.MULT", "MODE.SNGL", "MONTH", "MROUND", "MULTINOMIAL", "MUNIT",
    "N", "NA", "NEGBINOM.DIST", "NEGBINOMDIST", "NETWORKDAYS", "NETWORKDAYS.INTL", "NOMINAL",
    "NORM.DIST", "NORM.INV", "NORM.S.DIST", "NORM.S.INV", "NORMDIST", "NORMINV", "NORMSDIST",
    "NORMSINV", "NOT", "NOW", "NPER", "NPV", "NUMBERVALUE",
    "OCT2BIN", "OCT2DEC", "OCT2HEX", "ODD", "ODDFPRICE", "ODDFYIELD", "ODDLPRICE", "ODDLYIELD",
    "OR",
    "PDURATION", "PEARSON", "PERCENTILE", "PERCENTILE.EXC", "PERCENTILE.INC", "PERCENTOF",
    "PERCENTRANK", "PERCENTRANK.EXC", "PERCENTRANK.INC", "PERMUT", "PERMUTATIONA", "PHI", "PI",
    "PIVOTBY", "PMT", "POISSON", "POISSON.DIST", "POWER", "PPMT", "PRICE", "PRICEDISC",
    "PRICEMAT", "PROB", "PRODUCT", "PROPER", "PV",
    "QUARTILE", "QUARTILE.EXC", "QUARTILE.INC", "QUOTIENT",
    "RADIANS", "RAND", "RANDARRAY", "RANDBETWEEN", "RANK", "RANK.AVG", "RANK.EQ", "RATE",
    "RECEIVED", "REDUCE", "REGEXEXTRACT", "REGEXREPLACE", "REGEXTEST", "REPLACE", "REPLACEB",
    "REPT", "RIGHT", "RIGHTB", "ROMAN", "ROUND", "ROUNDDOWN", "ROUNDUP", "ROW", "ROWS", "RRI",
    "RSQ",
    "SCAN", "SEARCH", "SEARCHB", "SEC", "SECH", "SECOND", "SEQUENCE", "SERIESSUM", "SIGN", "SIN",
    "SINGLE", "SINH", "SKEW", "SKEW.P", "SLN", "SLOPE", "SMALL", "SORT", "SORTBY", "SQRT",
    "SQRTPI", "STANDARDIZE", "STDEV", "STDEV.P", "STDEV.S", "STDEVA", "STDEVP", "STDEVPA", "STEYX",
    "SUBSTITUTE", "SUBTOTAL", "SUM", "SUMIFS", "SUMPRODUCT", "SUMSQ", "SUMX2MY2", "SUMX2PY2",
    "SUMXMY2", "SWITCH", "SYD",
    "T", "T.DIST", "T.DIST.2T", "T.DIST.RT", "T.INV", "T.INV.2T", "T.TEST", "TAKE", "TAN", "TANH",
    "TBILLEQ", "TBILLPRICE", "TBILLYIELD", "TDIST", "TEXT", "TEXTAFTER", "TEXTBEFORE", "TEXTJOIN",
    "TEXTSPLIT", "TIME", "TIMEVALUE", "TINV", "TOCOL", "TODAY", "TOROW", "TRANSPOSE", "TREND",
    "TRIM", "TRIMMEAN", "TRIMRANGE", "TRUE", "TRUNC", "TTEST", "TYPE",
    "UNICHAR", "UNICODE", "UNIQUE", "UPPER",
    "VALUE", "VALUETOTEXT", "VAR", "VAR.P", "VAR.S", "VARA", "VARP", "VARPA", "VDB", "VLOOKUP",
    "VSTACK",
    "WEEKDAY", "WEEKNUM", "WEIBULL", "WEIBULL.DIST", "WORKDAY", "WORKDAY.INTL", "WRAPCOLS",
    "WRAPROWS",
    "XIRR", "XLOOKUP", "XMATCH", "XNPV", "XOR",
    "YEAR", "YEARFRAC", "YIELD", "YIELDDISC", "YIELDMAT",
    "Z.TEST", "ZTEST",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_share_nothing() {
        assert!(PLAIN.is_sorted_by(|a, b| a < b));
        assert!(UNSAFE.is_sorted_by(|a, b| a < b));
        assert!(ELSEWHERE.is_sorted_by(|a, b| a < b));
        let others = || UNSAFE.iter().chain(ELSEWHERE);
        assert!(others().all(|name| PLAIN.binary_search(name).is_err()));
        assert!(ELSEWHERE.iter().all(|name| UNSAFE.binary_search(name).is_err()));
    }

    #[test]
    fn a_function_is_known_by_each_of_its_names() {
        for (name, expected) in [
            ("SUM", Function::Plain),
            ("sum", Function::Plain),
            ("_xlfn.XLOOKUP", Function::Plain),
            ("_xlfn._xlws.FILTER", Function::Plain),
            ("_xlfn.SINGLE", Function::Plain),
            ("LET", Function::Let),
            ("_xlfn.LAMBDA", Function::Lambda),
            ("SUMIF", Function::Resized),
            ("LOOKUP", Function::Lookup),
            ("WEBSERVICE", Function::Unsafe),
            ("_xlfn.IMAGE", Function::Unsafe),
            ("INDIRECT", Function::Elsewhere),
            ("OFFSET", Function::Elsewhere),
            ("CELL", Function::Elsewhere),
            ("INFO", Function::Elsewhere),
            ("FORMULATEXT", Function::Elsewhere),
            ("GETPIVOTDATA", Function::Elsewhere),
            ("_xlfn.ANCHORARRAY", Function::Elsewhere),
            ("TABLE", Function::Elsewhere),
            ("MyMacro", Function::Unknown),
            ("[1]!Macro", Function::Unknown),
            ("", Function::Unknown),
        ] {
            assert_eq!(function(name), expected, "{name}");
        }
    }
}
