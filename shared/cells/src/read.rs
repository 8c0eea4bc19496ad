//! From cells as they were sent to typed values.

use crate::format::{Format, hides};
use crate::issue::{Code, Codes, of_text};
use crate::matrix::Scalar;
use crate::moment::{Date, Epoch, Moment, Shown, duration, parse};
use crate::number::Number;
use crate::part::{RawCell, ValueType};
use crate::text_number::{Reading, Separators, TextNumber, Unit};
use crate::value::Value;

/// From ten to the power of this on, a number has digits that Excel does not keep.
const PRECISE: f64 = 1e15;

/// How the cells of a range are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Separators of numbers that are text.
    pub separators: Separators,
    /// The workbook's date system.
    pub epoch: Epoch,
    /// Whether the cells come from a file, where each value is text.
    pub is_csv: bool,
}

/// A number format, with its kind.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    format: Format,
    hides: bool,
}

impl Read {
    /// Reads a format code.
    pub fn new(code: &str) -> Self {
        Self { format: Format::of(code), hides: hides(code) }
    }
}

impl Settings {
    /// The typed value of a cell, and its issues.
    pub fn read(self, cell: &RawCell, format: Read) -> (Value, Codes) {
        let mut codes = Codes::default();
        codes.add_if(Code::RichValue, cell.value_type == ValueType::Rich);
        let value = match &cell.value {
            Scalar::Null => Value::Empty,
            Scalar::Boolean(is) => Value::Boolean(*is),
            Scalar::Text(text) if cell.value_type == ValueType::Error => {
                codes.add(Code::ErrorValue);
                Value::Error(text.clone())
            }
            Scalar::Number(number) => self.number(*number, format.format, &mut codes),
            Scalar::Text(text) => {
                self.text(text, &mut codes).unwrap_or_else(|| Value::Text(text.clone()))
            }
        };
        codes.add_if(Code::InvisibleText, format.hides && !value.is_empty());
        (value, codes)
    }

    fn number(self, serial: f64, format: Format, codes: &mut Codes) -> Value {
        let Some(number) = Number::from_f64(serial) else {
            codes.add(Code::ErrorValue);
            return Value::Error("#NUM!".into());
        };
        let shown = match format {
            Format::Date => Shown::Date,
            Format::DateTime => Shown::DateTime,
            Format::Time => Shown::Time,
            Format::Duration => {
                let seconds = duration(serial);
                codes.add_if(Code::DateOutOfRange, seconds.is_none());
                return seconds.map_or(Value::Number(number), Value::Duration);
            }
            _ => {
                let is_lost = serial.abs() >= PRECISE && format != Format::Scientific;
                codes.add_if(Code::LostPrecision, is_lost);
                return match format {
                    Format::Currency(currency) => Value::Currency(number, currency),
                    Format::Percent => Value::Percent(number),
                    _ => Value::Number(number),
                };
            }
        };
        let Some(moment) = self.epoch.moment(serial, shown) else {
            codes.add(Code::DateOutOfRange);
            return Value::Number(number);
        };
        let is_leap = match moment {
            Moment::Date(date) | Moment::DateTime(date, _) => date == Date::LEAP,
            Moment::Time(_) => false,
        };
        codes.add_if(Code::Date1900Leap, is_leap);
        Value::Moment(moment)
    }

    /// The value of a text that is more than text.
    fn text(self, text: &str, codes: &mut Codes) -> Option<Value> {
        if self.is_csv {
            match text {
                "TRUE" | "true" => return Some(Value::Boolean(true)),
                "FALSE" | "false" => return Some(Value::Boolean(false)),
                _ => {
                    if let Some(moment) = parse(text) {
                        return Some(Value::Moment(moment));
                    }
                }
            }
        }
        match self.separators.read(text) {
            Reading::Number(TextNumber { number, unit, is_exact }) => {
                codes.add_if(Code::TextNumber, !self.is_csv);
                codes.add_if(Code::LostPrecision, !is_exact);
                Some(match unit {
                    Unit::None => Value::Number(number),
                    Unit::Currency(currency) => Value::Currency(number, currency),
                    Unit::Percent => Value::Percent(number),
                })
            }
            reading => {
                *codes = codes.and(of_text(text));
                codes.add_if(Code::AmbiguousNumber, reading == Reading::Ambiguous);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: Settings, value: Scalar, format: &str, value_type: ValueType) -> String {
        let cell = RawCell { value, value_type, ..RawCell::default() };
        let (value, codes) = settings.read(&cell, Read::new(format));
        let mut read = vec![value.kind().name().to_owned(), value.to_string()];
        read.extend(codes.iter().map(|code| code.name().to_owned()));
        read.join(" ")
    }

    #[test]
    fn a_value_has_the_type_that_its_format_shows() {
        let text = |text: &str| Scalar::Text(text.into());
        let number = Scalar::Number;
        for (value, format, expected) in [
            (Scalar::Null, "General", "empty "),
            (Scalar::Null, ";;;", "empty "),
            (Scalar::Boolean(true), "General", "boolean true"),
            (number(5.0), "General", "integer 5"),
            (number(0.1 + 0.2), "0.00", "number 0.3"),
            (number(1234.5), "$#,##0.00", "currency 1234.5"),
            (number(0.125), "0%", "percent 0.125"),
            (number(45_351.0), "yyyy-mm-dd", "date 2024-02-29"),
            (number(45_351.5), "d/m/yy h:mm", "datetime 2024-02-29T12:00:00"),
            (number(0.25), "h:mm", "time 06:00:00"),
            (number(1.5), "[h]:mm", "duration 36:00:00"),
            (number(60.0), "d/m/yy", "date 1900-02-29 date_1900_leap"),
            (number(-1.0), "d/m/yy", "integer -1 date_out_of_range"),
            (number(1e300), "[h]:mm", "integer 1E+300 date_out_of_range"),
            (number(4_111_111_111_111_110.0), "0", "integer 4111111111111110 lost_precision"),
            (number(1e20), "0.0E+00", "integer 100000000000000000000"),
            (number(7.0), ";;;", "integer 7 invisible_text"),
            (text("plain"), "General", "text plain"),
            (text("1,234.50"), "General", "number 1234.5 text_number"),
            (text("007"), "@", "text 007"),
            (text("1.234,50"), "General", "text 1.234,50 ambiguous_number"),
            (text("#N/A"), "General", "text #N/A"),
            (text("2024-02-29"), "General", "text 2024-02-29"),
            (text("-5"), "General", "integer -5 text_number"),
            (text("=A1 "), "General", "text =A1  trailing_space formula_injection"),
        ] {
            let found = read(Settings::default(), value, format, ValueType::Plain);
            assert_eq!(found, expected, "{format}");
        }
        let error = read(Settings::default(), text("#N/A"), "General", ValueType::Error);
        assert_eq!(error, "error #N/A error_value");
        let rich = read(Settings::default(), text("Contoso"), "General", ValueType::Rich);
        assert_eq!(rich, "text Contoso rich_value");
    }

    #[test]
    fn each_value_of_a_file_is_text_that_may_be_more() {
        let settings = Settings { is_csv: true, ..Settings::default() };
        for (text, expected) in [
            ("5", "integer 5"),
            ("(1,234.50)", "number -1234.5"),
            ("5 €", "currency 5"),
            ("TRUE", "boolean true"),
            ("2024-02-29", "date 2024-02-29"),
            ("2024-02-29 06:05", "datetime 2024-02-29T06:05:00"),
            ("29/02/2024", "text 29/02/2024"),
            ("#N/A", "text #N/A"),
        ] {
            let found = read(settings, Scalar::Text(text.into()), "General", ValueType::Plain);
            assert_eq!(found, expected);
        }
    }
}
