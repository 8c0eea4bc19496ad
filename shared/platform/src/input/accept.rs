//! The media type of an answer, by the request's `Accept` (RFC 9110 section 12.5.1).

/// The offer whose media type the client prefers, and the first of several. `None` if the client
/// accepts none of them. A request without the header accepts all.
pub(super) fn preferred<T: Copy>(accept: &str, offers: &[(&str, T)]) -> Option<T> {
    let accept = if accept.trim().is_empty() { "*/*" } else { accept };
    let ranges: Vec<_> = accept.split(',').filter_map(Range::parse).collect();
    let weighed = offers.iter().map(|(media_type, offer)| (weight(&ranges, media_type), *offer));
    // Of equal offers `max_by_key` gives the last one.
    weighed
        .rev()
        .filter(|(weight, _)| *weight > 0)
        .max_by_key(|(weight, _)| *weight)
        .map(|(_, offer)| offer)
}

/// Media types that the client accepts: one, those of a kind (`text/*`), or all (`*/*`).
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Those that narrow the media type.
    parameters: Vec<(&'a str, &'a str)>,
    /// Thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    /// `None` for text that is no range. The other ranges of the header still count.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, subtype, parameters: Vec::new(), weight: 1000 };
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = parameter(part)?;
            match name.to_ascii_lowercase().as_str() {
                "q" => range.weight = thousandths(value)?,
                // Every answer is UTF-8, so this narrows nothing.
                "charset" => {}
                _ => range.parameters.push((name, value)),
            }
        }
        Some(range)
    }

    /// How precisely the range names a media type that it includes.
    fn precision(&self, media_type: &str) -> Option<usize> {
        let mut parts = media_type.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let own: Vec<_> = parts.filter_map(parameter).collect();
        let is_kind = self.kind.eq_ignore_ascii_case(kind);
        let precision = match (self.kind, self.subtype) {
            ("*", "*") => 0,
            (_, "*") if is_kind => 1,
            (_, name) if is_kind && name.eq_ignore_ascii_case(subtype) => 2 + self.parameters.len(),
            _ => return None,
        };
        let has = |(name, value): &(&str, &str)| {
            own.iter()
                .any(|own| own.0.eq_ignore_ascii_case(name) && own.1.eq_ignore_ascii_case(value))
        };
        self.parameters.iter().all(has).then_some(precision)
    }
}

/// A parameter of a media type. Its value may stand in quotation marks.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some((name, quoted.unwrap_or(value)))
}

/// The weight of a media type: that of the range that names it most precisely.
fn weight(ranges: &[Range<'_>], media_type: &str) -> u16 {
    let matching =
        ranges.iter().filter_map(|range| Some((range.precision(media_type)?, range.weight)));
    matching.max().map_or(0, |(_, weight)| weight)
}

/// A weight from 0 to 1 with up to three decimal places, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse::<u16>().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::preferred;

    #[test]
    fn the_client_gets_what_it_prefers_of_what_there_is() {
        let offers = [
            ("application/json", "json"),
            ("text/csv", "csv"),
            ("application/x-ndjson", "ndjson"),
            ("application/x-ndjson; profile=ocsf", "ocsf"),
        ];
        for (accept, expected) in [
            ("", Some("json")),
            (" ", Some("json")),
            ("*/*", Some("json")),
            ("application/json", Some("json")),
            ("application/json; charset=utf-8", Some("json")),
            ("Text/CSV", Some("csv")),
            ("text/csv;charset=UTF-8", Some("csv")),
            ("text/*", Some("csv")),
            ("application/*", Some("json")),
            ("application/x-ndjson", Some("ndjson")),
            ("application/x-ndjson;profile=ocsf", Some("ocsf")),
            ("application/x-ndjson; Profile=OCSF;q=0.2", Some("ocsf")),
            ("application/x-ndjson; profile=\"ocsf\"; charset=\"UTF-8\"", Some("ocsf")),
            ("application/x-ndjson;profile=other", None),
            ("application/x-ndjson;profile=\"ocsf", None),
            ("application/x-ndjson;profile", None),
            ("application/x-ndjson;profile=", None),
            ("application/x-ndjson;profile=other, application/x-ndjson;q=0.1", Some("ndjson")),
            ("application/json;profile=ocsf", None),
            ("text/csv;header=absent", None),
            // What a browser sends.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some("json")),
            // Weights, and the first offer of equal ones.
            ("text/csv;q=0.5, application/x-ndjson", Some("ndjson")),
            ("text/csv;q=0.5, application/x-ndjson;q=0.501", Some("ndjson")),
            ("text/csv; q=0.5 ,application/json;q=0.5", Some("json")),
            ("text/csv, */*;q=0.1", Some("csv")),
            ("text/csv;Q=1.000, application/json;q=0.999", Some("csv")),
            // The most precise range counts, wherever it stands.
            ("application/json;q=0, */*", Some("csv")),
            ("*/*, application/json;q=0.2, text/*;q=0.3", Some("ndjson")),
            ("application/x-ndjson;q=0.1, application/x-ndjson;profile=ocsf", Some("ocsf")),
            ("text/csv;q=0", None),
            ("*/*;q=0", None),
            ("application/xml", None),
            ("text/html, image/*", None),
            ("json", None),
            ("text/csv/x", None),
            // A weight that is none makes its range none.
            ("text/csv;q=2, application/json;q=0.1", Some("json")),
            ("text/csv;q=0.1234", None),
            ("text/csv;q=-1", None),
            ("text/csv;q=", None),
            ("text/csv;q=1.5", None),
            (",, text/csv;,", Some("csv")),
        ] {
            assert_eq!(preferred(accept, &offers), expected, "{accept:?}");
        }
    }
}
