//! Exact decimal numbers of at most 15 significant digits, as in Excel, and exact sums of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::iter::repeat_n;

/// Significant digits of a number.
pub const DIGITS: usize = 15;

/// The largest magnitude: a number is below ten to the power of this.
const MAGNITUDE: i32 = 309;

/// A decimal number `digits * 10^exponent`. Its last digit is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Number {
    digits: i64,
    exponent: i16,
}

impl Number {
    /// The number that Excel shows for a double: rounded at 15 significant digits. None for NaN
    /// and infinities.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // The mantissa in full: Rust rounds the exact value.
        let text = format!("{value:.14e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let digits: i64 = mantissa.replace('.', "").parse().ok()?;
        let exponent: i16 = exponent.parse().ok()?;
        Some(Self::new(digits, exponent - 14))
    }

    /// A whole number. It keeps 15 significant digits.
    pub fn from_i64(value: i64) -> Self {
        Self::parse(&value.to_string()).map_or_else(Self::default, |(number, _)| number)
    }

    /// Reads `[+-]digits[.digits][E[+-]digits]`, and tells whether no digit was lost.
    pub fn parse(text: &str) -> Option<(Self, bool)> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i16>().ok()?),
            None => (text, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let bytes = || whole.bytes().chain(part.bytes());
        if bytes().next().is_none() || !bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: Vec<u8> = bytes().map(|byte| byte - b'0').collect();
        round(negative, &digits, i32::from(power) - i32::try_from(part.len()).ok()?)
    }

    fn new(mut digits: i64, mut exponent: i16) -> Self {
        if digits == 0 {
            return Self::default();
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        Self { digits, exponent }
    }

    /// Whether the number has no fraction.
    pub fn is_integer(self) -> bool {
        self.exponent >= 0
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// A hundredth of the number.
    #[must_use]
    pub fn percent(self) -> Self {
        if self.digits == 0 { self } else { Self { exponent: self.exponent - 2, ..self } }
    }

    /// The exponent of ten of the first digit: 3 for 1,234.
    pub fn magnitude(self) -> i32 {
        let digits = self.digits.unsigned_abs();
        digits.checked_ilog10().map_or(0, |log| i32::from(self.exponent) + log.cast_signed())
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or_default()
    }
}

impl std::ops::Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        Self { digits: -self.digits, ..self }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        // The digits as if each number had all 15. Only then can they be compared.
        let aligned = |number: &Self| {
            let log = number.digits.unsigned_abs().checked_ilog10().unwrap_or_default();
            number.digits.unsigned_abs() * 10_u64.pow(14 - log.min(14))
        };
        let by_sign = self.digits.signum().cmp(&other.digits.signum());
        let by_size = || {
            let size = self.magnitude().cmp(&other.magnitude());
            let size = size.then_with(|| aligned(self).cmp(&aligned(other)));
            if self.digits < 0 { size.reverse() } else { size }
        };
        by_sign.then_with(by_size)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.unsigned_abs().to_string();
        write_decimal(f, self.digits < 0, &digits, i32::from(self.exponent))
    }
}

/// An exact sum of numbers, however far apart their magnitudes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sums of digits by exponent.
    by_exponent: BTreeMap<i16, i128>,
}

impl Sum {
    /// Adds a number.
    pub fn add(&mut self, number: Number) {
        *self.by_exponent.entry(number.exponent).or_default() += i128::from(number.digits);
    }

    /// The sum at 15 significant digits.
    pub fn number(&self) -> Option<Number> {
        let (negative, digits, exponent) = self.digits();
        round(negative, &digits, exponent).map(|(number, _)| number)
    }

    /// The sum divided by a count, at 15 significant digits. None for a count of zero.
    pub fn mean(&self, count: u64) -> Option<Number> {
        let (negative, digits, mut exponent) = self.digits();
        // Long division. The remainder after 40 digits can only break a tie.
        let zeros = 40;
        exponent -= 40;
        let mut remainder = 0_u128;
        let mut quotient = Vec::with_capacity(digits.len() + zeros);
        for digit in digits.into_iter().chain(repeat_n(0, zeros)) {
            let dividend = remainder * 10 + u128::from(digit);
            quotient.push(u8::try_from(dividend.checked_div(u128::from(count))?).ok()?);
            remainder = dividend % u128::from(count);
        }
        if remainder > 0 {
            quotient.push(1);
            exponent -= 1;
        }
        round(negative, &quotient, exponent).map(|(number, _)| number)
    }

    /// Sign, decimal digits with the first one first, and the exponent of the last digit.
    fn digits(&self) -> (bool, Vec<u8>, i32) {
        let mut exponents = self.by_exponent.keys();
        let Some(&low) = exponents.next() else { return (false, vec![0], 0) };
        let high = exponents.next_back().copied().unwrap_or(low);
        let carry_all = |sign: i128| {
            let mut carry = 0_i128;
            let mut digits = Vec::new();
            for exponent in low..=high {
                carry += sign * self.by_exponent.get(&exponent).copied().unwrap_or_default();
                digits.push(u8::try_from(carry.rem_euclid(10)).unwrap_or_default());
                carry = carry.div_euclid(10);
            }
            while carry > 0 {
                digits.push(u8::try_from(carry % 10).unwrap_or_default());
                carry /= 10;
            }
            digits.reverse();
            // A carry below zero is left over: the sum has the other sign.
            (carry == 0).then_some(digits)
        };
        match carry_all(1) {
            Some(digits) => (false, digits, low.into()),
            None => (true, carry_all(-1).unwrap_or_default(), low.into()),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, digits, mut exponent) = self.digits();
        let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let text = text.trim_start_matches('0');
        let short = text.trim_end_matches('0');
        exponent += i32::try_from(text.len() - short.len()).unwrap_or_default();
        if short.is_empty() {
            f.write_str("0")
        } else {
            write_decimal(f, negative, short, exponent)
        }
    }
}

/// The number with these digits at 15 significant ones, halves away from zero, and whether no digit
/// was lost. None for a number that Excel can't hold.
fn round(negative: bool, digits: &[u8], mut exponent: i32) -> Option<(Number, bool)> {
    let start = digits.iter().position(|&digit| digit != 0);
    let Some(start) = start else { return Some((Number::default(), true)) };
    let digits = &digits[start..];
    let (kept, lost) = digits.split_at(digits.len().min(DIGITS));
    let mut value = kept.iter().fold(0_i64, |value, &digit| value * 10 + i64::from(digit));
    if lost.first().is_some_and(|&digit| digit >= 5) {
        value += 1;
    }
    exponent += i32::try_from(lost.len()).ok()?;
    if exponent.abs() > 2 * MAGNITUDE {
        return None;
    }
    let number = Number::new(if negative { -value } else { value }, i16::try_from(exponent).ok()?);
    let fits = number.magnitude() < MAGNITUDE && number.magnitude() > -MAGNITUDE - DIGITS_BELOW;
    fits.then_some((number, lost.iter().all(|&digit| digit == 0)))
}

/// Doubles lose digits before they become zero.
const DIGITS_BELOW: i32 = 16;

/// Writes digits without zeros at their ends: in full, or as `1.5E+300` if that has more than 21
/// digits on one side of the point.
fn write_decimal(
    f: &mut fmt::Formatter<'_>,
    negative: bool,
    digits: &str,
    exponent: i32,
) -> fmt::Result {
    if negative {
        f.write_str("-")?;
    }
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let whole = length + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    if whole > 21 || exponent < -21 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{first}{point}{rest}E{:+}", whole - 1)
    } else if exponent >= 0 {
        write!(f, "{digits}{}", zeros(exponent))
    } else if whole > 0 {
        let (whole, part) = digits.split_at(usize::try_from(whole).unwrap_or_default());
        write!(f, "{whole}.{part}")
    } else {
        write!(f, "0.{}{digits}", zeros(-whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_fifteen_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1200.0, "-1200"),
            (0.1 + 0.2, "0.3"),
            (1.1 * 3.0, "3.3"),
            (1234.5, "1234.5"),
            (0.001, "0.001"),
            (1e21, "1E+21"),
            (1e20, "100000000000000000000"),
            (1.5e300, "1.5E+300"),
            (-2.5e-300, "-2.5E-300"),
            (999_999_999_999_999.0, "999999999999999"),
            (9_999_999_999_999_999.0, "10000000000000000"),
            (12_345_678_901_234_567.0, "12345678901234600"),
            (f64::MAX, "1.79769313486232E+308"),
            (2.0_f64.powi(-20), "0.00000095367431640625"),
        ] {
            let number = Number::from_f64(value).unwrap();
            assert_eq!(number.to_string(), expected, "{value}");
        }
        assert_eq!(Number::from_f64(f64::NAN), None);
        assert_eq!(Number::from_f64(f64::INFINITY), None);
    }

    #[test]
    fn text_is_read_exactly_or_says_what_it_lost() {
        for (text, expected) in [
            ("0", Some(("0", true))),
            ("-0.00", Some(("0", true))),
            ("007", Some(("7", true))),
            ("+12.50", Some(("12.5", true))),
            (".5", Some(("0.5", true))),
            ("5.", Some(("5", true))),
            ("1E3", Some(("1000", true))),
            ("1.5e-3", Some(("0.0015", true))),
            ("123456789012345", Some(("123456789012345", true))),
            ("1234567890123454", Some(("1234567890123450", false))),
            ("1234567890123455", Some(("1234567890123460", false))),
            ("12345678901234500", Some(("12345678901234500", true))),
            ("0.99999999999999999", Some(("1", false))),
            ("1E308", Some(("1E+308", true))),
            ("1E309", None),
            ("1E32767", None),
            ("1E99999", None),
            ("1E-32768", None),
            ("", None),
            ("-", None),
            (".", None),
            ("1.2.3", None),
            ("1,5", None),
            ("١", None),
            ("1e", None),
            ("0x10", None),
            ("NaN", None),
        ] {
            let found = Number::parse(text).map(|(number, exact)| (number.to_string(), exact));
            let expected = expected.map(|(text, exact)| (text.to_owned(), exact));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_in_their_order() {
        let texts =
            ["-1E+300", "-100", "-99.5", "-0.1", "0", "1E-300", "0.1", "9", "10", "10.5", "1E+300"];
        let numbers = texts.map(|text| Number::parse(text).unwrap().0);
        for (i, a) in numbers.iter().enumerate() {
            for (j, b) in numbers.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn sums_lose_nothing() {
        for (numbers, sum, mean) in [
            (&["0.1", "0.2", "-0.3"][..], "0", "0"),
            (&["1", "2", "4"], "7", "2.33333333333333"),
            (&["1E+20", "1E-15"], "100000000000000000000.000000000000001", "50000000000000000000"),
            (&["1E+20", "-1E+20", "0.5"], "0.5", "0.166666666666667"),
            (&["-5", "3.25"], "-1.75", "-0.875"),
            (&["999999999999999", "1"], "1000000000000000", "500000000000000"),
            (&["-0.01", "-0.02"], "-0.03", "-0.015"),
            (&["100", "-200"], "-100", "-50"),
        ] {
            let mut all = Sum::default();
            for text in numbers {
                all.add(Number::parse(text).unwrap().0);
            }
            assert_eq!(all.to_string(), sum);
            let count = u64::try_from(numbers.len()).unwrap();
            assert_eq!(all.mean(count).unwrap().to_string(), mean, "{numbers:?}");
        }
        assert_eq!(Sum::default().to_string(), "0");
        assert_eq!(Sum::default().mean(0), None);
    }
}
