//! The username of a new account.

use platform::domain::Username;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Characters of a username, at least and at most.
const SHORTEST: usize = 3;
const LONGEST: usize = 30;

/// Candidates without a random suffix: `anna`, `anna_2`, `anna_3`, `anna_4`.
const NUMBERED: u32 = 4;

/// The username of a person of whom the provider gives no usable name.
const NAMELESS: &str = "user";

/// The username to try after `tried` others, which other accounts have. It comes from the local
/// part of the claim `preferred_username`.
pub fn candidate(
    preferred: Option<&str>,
    tried: u32,
    random: [u8; 4],
) -> Result<Username, &'static str> {
    let suffix = match tried {
        0 => String::new(),
        1..NUMBERED => format!("_{}", tried + 1),
        _ => format!("_{:08x}", u32::from_be_bytes(random)),
    };
    let stem = cut(&plain(preferred.unwrap_or_default()), LONGEST - suffix.len());
    format!("{stem}{suffix}").parse()
}

/// The local part of a name in characters of a username. Marks on letters are left out, and other
/// characters become one underscore.
fn plain(preferred: &str) -> String {
    let local = preferred.split('@').next().unwrap_or_default();
    let letters: String = local.nfkd().filter(|&c| !is_combining_mark(c)).collect();
    let words = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = cut(&words.collect::<Vec<_>>().join("_"), LONGEST);
    match name.len() {
        0 => NAMELESS.to_owned(),
        1..SHORTEST => format!("{NAMELESS}_{name}"),
        _ => name,
    }
}

/// The first characters of an ASCII text, without an underscore at their end.
fn cut(text: &str, most: usize) -> String {
    let kept: String = text.chars().take(most).collect();
    kept.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_comes_from_the_local_part() {
        for (preferred, expected) in [
            (Some("anna@contoso.example"), "anna"),
            (Some("Anna.Berg@contoso.example"), "Anna_Berg"),
            (Some("anna_b"), "anna_b"),
            // A guest of the tenant.
            (Some("anna_gmail.com#EXT#@contoso.onmicrosoft.com"), "anna_gmail_com_EXT"),
            (Some("Åsa-Öberg@contoso.example"), "Asa_Oberg"),
            (Some("__anna..b--@contoso.example"), "anna_b"),
            (Some("al@contoso.example"), "user_al"),
            (Some("@contoso.example"), "user"),
            (Some("李小龍"), "user"),
            (Some(""), "user"),
            (None, "user"),
            (
                Some("a-very-long-name-of-thirty-one-c@contoso.example"),
                "a_very_long_name_of_thirty_one",
            ),
        ] {
            let found = candidate(preferred, 0, [0; 4]).unwrap();
            assert_eq!(found.to_string(), expected, "{preferred:?}");
        }
    }

    #[test]
    fn a_taken_username_gets_a_number_and_then_a_random_suffix() {
        let long = "a".repeat(40);
        let random = [0xde, 0xad, 0xbe, 0xef];
        for (preferred, tried, expected) in [
            ("anna", 1, "anna_2".to_owned()),
            ("anna", 3, "anna_4".to_owned()),
            ("anna", 4, "anna_deadbeef".to_owned()),
            ("anna", 9, "anna_deadbeef".to_owned()),
            (long.as_str(), 1, format!("{}_2", "a".repeat(28))),
            (long.as_str(), 4, format!("{}_deadbeef", "a".repeat(21))),
            // The cut leaves no second underscore.
            ("abcdefghijklmnopqrst.uvw", 4, "abcdefghijklmnopqrst_deadbeef".to_owned()),
        ] {
            let found = candidate(Some(preferred), tried, random).unwrap();
            assert_eq!(found.to_string(), expected, "{preferred} after {tried}");
        }
    }
}
