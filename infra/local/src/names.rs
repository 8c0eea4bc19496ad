//! The message for an unknown name: it gives the nearest known name, and all of them.

/// Least similarity (Jaro) at which one name may be a misspelling of another.
const SIMILAR: f64 = 0.7;

/// Makes the message, such as "There is no parameter `Levle`: did you mean `Level`? There are:
/// Level, Stage."
pub fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = name.to_lowercase();
    let similarity =
        known.iter().map(|known| (strsim::jaro(&lower, &known.to_lowercase()), *known));
    let nearest = similarity
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    match nearest {
        Some((_, nearest)) => {
            format!("there is no {what} `{name}`: did you mean `{nearest}`? There are: {list}")
        }
        None => format!("there is no {what} `{name}`; there are: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn a_name_is_guessed_where_one_is_near() {
        for (name, expected) in [
            ("RateLimit", ": did you mean `RateLimits`? There are: Issuer, RateLimits"),
            ("ratelimits", ": did you mean `RateLimits`? There are: Issuer, RateLimits"),
            ("RATE_LIMITS", ": did you mean `RateLimits`? There are: Issuer, RateLimits"),
            ("Isuer", ": did you mean `Issuer`? There are: Issuer, RateLimits"),
            ("xyz", "; there are: Issuer, RateLimits"),
        ] {
            assert_eq!(
                unknown("parameter", name, ["Issuer", "RateLimits"]),
                format!("there is no parameter `{name}`{expected}")
            );
        }
        assert_eq!(unknown("function", "f", []), "there is no function `f`; there are: none");
    }
}
