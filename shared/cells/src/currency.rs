//! Currencies by their ISO 4217 codes and by their symbols.

/// A currency that a number format or a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u8);

/// Codes with the symbols that mean them alone. The last ones are symbols that several currencies
/// share: they stand for themselves.
#[rustfmt::skip]
const ALL: [(&str, &[&str]); 61] = [
    ("AED", &[]), ("ARS", &[]), ("AUD", &["A$", "AU$"]), ("BDT", &["৳"]), ("BGN", &[]),
    ("BHD", &[]), ("BRL", &["R$"]), ("CAD", &["C$", "CA$"]), ("CHF", &["Fr.", "SFr."]),
    ("CLP", &[]), ("CNY", &["CN¥", "RMB"]), ("COP", &[]), ("CRC", &["₡"]), ("CZK", &["Kč"]),
    ("DKK", &[]), ("EGP", &[]), ("EUR", &["€"]), ("GBP", &["£"]), ("GEL", &["₾"]), ("GHS", &["₵"]),
    ("HKD", &["HK$"]), ("HUF", &["Ft"]), ("IDR", &["Rp"]), ("ILS", &["₪"]), ("INR", &["₹"]),
    ("ISK", &[]), ("JPY", &["JP¥", "円"]), ("KES", &[]), ("KRW", &["₩"]), ("KWD", &[]),
    ("KZT", &["₸"]), ("LKR", &[]), ("MAD", &[]), ("MXN", &["MX$"]), ("MYR", &["RM"]),
    ("NGN", &["₦"]), ("NOK", &[]), ("NZD", &["NZ$"]), ("OMR", &[]), ("PEN", &["S/"]),
    ("PHP", &["₱"]), ("PKR", &[]), ("PLN", &["zł"]), ("PYG", &["₲"]), ("QAR", &[]),
    ("RON", &["lei"]), ("RSD", &[]), ("RUB", &["₽"]), ("SAR", &[]), ("SEK", &[]),
    ("SGD", &["S$"]), ("THB", &["฿"]),
    ("TRY", &["₺"]), ("TWD", &["NT$"]), ("UAH", &["₴"]), ("USD", &["US$"]), ("VND", &["₫"]),
    ("ZAR", &[]), ("$", &["$", "＄"]), ("¥", &["¥", "￥"]), ("kr", &["kr", "kr."]),
];

/// Symbols that several currencies share. In these locales of Excel, a symbol means one currency. A
/// locale has a number, and in newer versions a name.
#[rustfmt::skip]
const LOCALES: [(&str, &str, &[&str]); 13] = [
    ("$", "USD", &["409", "en-US"]), ("$", "CAD", &["1009", "C0C", "en-CA", "fr-CA"]),
    ("$", "AUD", &["C09", "en-AU"]), ("$", "NZD", &["1409", "en-NZ"]),
    ("$", "HKD", &["C04", "zh-HK"]), ("$", "SGD", &["1004", "4809", "zh-SG", "en-SG"]),
    ("$", "MXN", &["80A", "es-MX"]), ("¥", "JPY", &["411", "ja-JP"]),
    ("¥", "CNY", &["804", "zh-CN"]), ("kr", "SEK", &["41D", "sv-SE"]),
    ("kr", "NOK", &["414", "814", "nb-NO", "nn-NO"]), ("kr", "DKK", &["406", "da-DK"]),
    ("kr", "ISK", &["40F", "is-IS"]),
];

impl Currency {
    /// The ISO 4217 code. The symbol, if several currencies share it.
    pub fn code(self) -> &'static str {
        ALL.get(usize::from(self.0)).map_or("", |(code, _)| code)
    }

    /// The currency that a text is the code or the symbol of.
    pub fn of(text: &str) -> Option<Self> {
        Self::at(|(code, symbols)| *code == text || symbols.contains(&text))
    }

    /// The currency of a symbol in a number format, with the locale behind it: `€` and `407`.
    pub fn in_locale(symbol: &str, locale: &str) -> Option<Self> {
        let found = Self::of(symbol.trim())?;
        let meant = LOCALES.iter().find(|(shared, _, names)| {
            *shared == found.code() && names.iter().any(|name| name.eq_ignore_ascii_case(locale))
        });
        match meant {
            Some((_, code, _)) => Self::of(code),
            None => Some(found),
        }
    }

    /// The currency whose code or symbol is a word of a text, or its only sign: `" EUR"`, `"€ "`.
    pub fn within(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let bare = word.trim_matches(['(', ')', '-', '+', ',', '.', ':']);
            Self::of(word).or_else(|| Self::of(bare))
        })
    }

    /// The currency at the beginning of a text, and what follows it.
    pub fn before(text: &str) -> Option<(Self, &str)> {
        // A longer symbol wins: `US$` before `$`.
        let lengths = (1..=LONGEST.min(text.len())).rev();
        let mut splits = lengths.filter_map(|length| text.split_at_checked(length));
        splits.find_map(|(symbol, rest)| Some((Self::of(symbol)?, rest)))
    }

    /// The currency at the end of a text, and what stands before it.
    pub fn behind(text: &str) -> Option<(Self, &str)> {
        let lengths = (1..=LONGEST.min(text.len())).rev();
        let mut splits = lengths.filter_map(|length| text.split_at_checked(text.len() - length));
        splits.find_map(|(rest, symbol)| Some((Self::of(symbol)?, rest)))
    }

    fn at(is: impl Fn(&(&'static str, &'static [&'static str])) -> bool) -> Option<Self> {
        u8::try_from(ALL.iter().position(is)?).ok().map(Self)
    }
}

/// Bytes of the longest symbol.
const LONGEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_and_symbol_means_one_currency() {
        for (code, symbols) in ALL {
            for text in symbols.iter().chain([&code]) {
                assert_eq!(Currency::of(text).unwrap().code(), code, "{text}");
                assert!(text.len() <= LONGEST, "{text}");
            }
        }
        for (shared, code, _) in LOCALES {
            assert!(Currency::of(shared).is_some() && Currency::of(code).is_some(), "{code}");
        }
        assert_eq!(Currency::of("XXX"), None);
        assert_eq!(Currency::of(""), None);
    }

    #[test]
    fn symbols_are_found_where_they_stand() {
        let code = |found: Option<Currency>| found.map(Currency::code);
        assert_eq!(code(Currency::in_locale("$", "409")), Some("USD"));
        assert_eq!(code(Currency::in_locale("$", "")), Some("$"));
        assert_eq!(code(Currency::in_locale("$", "en-us")), Some("USD"));
        assert_eq!(code(Currency::in_locale("￥", "411")), Some("JPY"));
        assert_eq!(code(Currency::in_locale("¥", "804")), Some("CNY"));
        assert_eq!(code(Currency::in_locale("kr", "41D")), Some("SEK"));
        assert_eq!(code(Currency::in_locale("kr.", "406")), Some("DKK"));
        assert_eq!(code(Currency::in_locale("kr", "409")), Some("kr"));
        assert_eq!(code(Currency::in_locale("", "409")), None);
        assert_eq!(code(Currency::in_locale("€", "407")), Some("EUR"));
        assert_eq!(code(Currency::within("  CHF (")), Some("CHF"));
        assert_eq!(code(Currency::within("per unit")), None);
        let before = |text| Currency::before(text).map(|(found, rest)| (found.code(), rest));
        assert_eq!(before("US$5"), Some(("USD", "5")));
        assert_eq!(before("$5"), Some(("$", "5")));
        assert_eq!(before("€ 5"), Some(("EUR", " 5")));
        assert_eq!(before("5 €"), None);
        let behind = |text| Currency::behind(text).map(|(found, rest)| (found.code(), rest));
        assert_eq!(behind("5 €"), Some(("EUR", "5 ")));
        assert_eq!(behind("5 Kč"), Some(("CZK", "5 ")));
        assert_eq!(behind("5"), None);
    }
}
