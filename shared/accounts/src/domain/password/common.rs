//! Passwords that attackers try first, and the variants that people make of them: `dragon`,
//! `Dragon2026!`, `Dr4g0n!!`.

/// The list: 80 kB in the few binaries that set passwords. To walk it takes a tenth of a
/// millisecond, little beside the hash to come.
const COMMON: &str = include_str!("common.txt");

/// Characters in front of and behind a common password that make it no better: a year, a few digits
/// and signs.
const DECORATION: usize = 6;

/// Whether a password, or what is left of it without its decoration, is in the list.
pub(super) fn is_common(password: &str) -> bool {
    let characters: Vec<char> = password.to_lowercase().chars().collect();
    let length = characters.len();
    let first = |is: fn(&char) -> bool| characters.iter().position(is).unwrap_or(0);
    let end =
        |is: fn(&char) -> bool| characters.iter().rposition(is).map_or(length, |last| last + 1);
    let starts = [0, first(|c| c.is_alphanumeric()), first(|c| c.is_alphabetic())];
    let ends = [length, end(|c| c.is_alphanumeric()), end(|c| c.is_alphabetic())];
    let stems: Vec<String> = starts
        .iter()
        .flat_map(|start| ends.iter().map(move |end| (*start, *end)))
        .filter(|(start, end)| start < end && length - (end - start) <= DECORATION)
        .map(|(start, end)| {
            characters[start..end].iter().map(|character| letter(*character)).collect()
        })
        .collect();
    COMMON.lines().any(|common| stems.iter().any(|stem| stem == common))
}

/// The letter that a character stands for in `p@ssw0rd`. Both an `i` and an `l` are written as `1`,
/// so they are one here.
fn letter(character: char) -> char {
    match character {
        '@' | '4' => 'a',
        '3' => 'e',
        '1' | '!' | '|' | 'l' => 'i',
        '0' => 'o',
        '5' | '$' => 's',
        '7' | '+' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_known_in_its_disguises() {
        for (password, expected) in [
            ("password", true),
            ("P@ssw0rd", true),
            ("pa$$w0rd123!", true),
            ("!!Dragon2026", true),
            ("Summer-2026!", true),
            ("Qwerty123456!", true),
            ("$unsh1ne#1", true),
            ("Aa123456@", true),
            ("1qaz@WSX", true),
            ("Finance@2026", true),
            // More around it than attackers try.
            ("Dragon#92837465", false),
            ("Correct-Horse-9", false),
            ("SecureDemo123!", false),
            ("Пароль-2026", false),
            ("", false),
        ] {
            assert_eq!(is_common(password), expected, "{password}");
        }
    }

    #[test]
    fn the_list_is_in_the_form_that_is_compared() {
        let common: Vec<_> = COMMON.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(common.len() > 9_000 && common.is_sorted());
        for password in common {
            assert!(
                password.chars().count() >= 4
                    && password.to_lowercase().chars().map(letter).eq(password.chars()),
                "{password}"
            );
        }
    }
}
