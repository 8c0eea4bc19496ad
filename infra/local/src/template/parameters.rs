//! Values of the template's parameters.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::document::Parameter;
use super::error::TemplateError;
use crate::names;

/// Name of a parameter that, if left empty, becomes the URL of the local HTTP API. On AWS, a
/// function can't know that URL.
const PUBLIC_URL: &str = "PublicUrl";

/// Every parameter's value: the one in `given`, or else its default.
pub(super) fn values(
    parameters: &BTreeMap<String, Parameter>,
    mut given: BTreeMap<String, String>,
    url: &str,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    if let Some(unknown) = given.keys().find(|name| !parameters.contains_key(*name)) {
        return Err(TemplateError::new(names::unknown(
            "parameter",
            unknown,
            parameters.keys().map(String::as_str),
        )));
    }
    parameters
        .iter()
        .map(|(name, parameter)| {
            let text = given.remove(name).or_else(|| parameter.default.clone()).ok_or_else(|| {
                TemplateError::new(format!(
                    "has no default: give it a value in samconfig.toml or with --set {name}=…"
                ))
            });
            let value = text.and_then(|text| value(parameter, text));
            let value = value
                .map(|value| if name == PUBLIC_URL && value == "" { url.into() } else { value });
            Ok((name.clone(), value.map_err(|error| error.within(format!("Parameters.{name}")))?))
        })
        .collect()
}

fn value(parameter: &Parameter, text: String) -> Result<Value, TemplateError> {
    let is_list = parameter.kind == "CommaDelimitedList";
    let items: Vec<&str> =
        if is_list { text.split(',').map(str::trim).collect() } else { vec![&text] };
    for item in &items {
        if !parameter.allowed.is_empty() && !parameter.allowed.iter().any(|allowed| allowed == item)
        {
            return Err(TemplateError::new(format!(
                "`{item}` is not one of the values allowed: {}",
                parameter.allowed.join(", ")
            )));
        }
        if parameter.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(item)) {
            let pattern = parameter.pattern.as_ref().map(Regex::as_str).unwrap_or_default();
            let expected =
                parameter.constraint.clone().unwrap_or_else(|| format!("it must match {pattern}"));
            return Err(TemplateError::new(format!("`{item}` is refused: {expected}")));
        }
        if parameter.kind == "Number" {
            let number = item
                .parse()
                .map_err(|_| TemplateError::new(format!("`{item}` is not a number")))?;
            within(number, parameter.value).map_err(|bound| {
                TemplateError::new(format!("`{item}` is refused: it must be {bound}"))
            })?;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "no value is that long")]
    within(text.chars().count() as f64, parameter.length).map_err(|bound| {
        TemplateError::new(format!("`{text}` is refused: its length must be {bound}"))
    })?;
    Ok(if is_list { items.into() } else { text.into() })
}

/// The length of the longest value, if the template bounds it. Of numbers it is that of the
/// greatest one.
pub(super) fn longest(parameter: &Parameter) -> Option<usize> {
    match parameter.kind.as_str() {
        // The values of a list are those of its items.
        "CommaDelimitedList" => None,
        _ if !parameter.allowed.is_empty() => parameter.allowed.iter().map(String::len).max(),
        "Number" => parameter.value.1.map(|most| most.to_string().len()),
        _ => parameter.length.1.and_then(|most| most.to_string().parse().ok()),
    }
}

/// Checks a number against its bounds. The error names the bound that the number violates.
fn within(number: f64, (least, most): (Option<f64>, Option<f64>)) -> Result<(), String> {
    match (least, most) {
        (Some(least), _) if number < least => Err(format!("{least} at least")),
        (_, Some(most)) if number > most => Err(format!("{most} at most")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::template::document::Document;

    const TEMPLATE: &str = "Parameters:\n  Level: {Type: String, Default: low, AllowedValues: \
                            [low, high]}\n  Days: {Type: Number, Default: 7}\n  \
                            Origins: {Type: CommaDelimitedList, Default: 'a, b', AllowedPattern: \
                            '[a-z]+'}\n  PublicUrl: {Type: String, Default: ''}\n  \
                            Hours: {Type: Number, Default: 1, MinValue: 1, MaxValue: 24}\n  \
                            Code: {Type: String, Default: ab, MinLength: 2, MaxLength: 3}\n  \
                            Rate: {Type: String, Default: '', AllowedPattern: '([0-9]+/m)?', \
                            ConstraintDescription: it must be like 5/m}\n";

    fn check(given: &[(&str, &str)], expected: Result<serde_json::Value, &str>) {
        let document = Document::read(TEMPLATE).unwrap();
        let given =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let actual = super::values(&document.parameters, given, "http://here");
        match expected {
            Ok(values) => assert_eq!(json!(actual.unwrap()), values),
            Err(part) => {
                let error = actual.unwrap_err().to_string();
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn a_value_is_what_is_given_or_else_the_default() {
        let others = json!({"Hours": "1", "Code": "ab", "Rate": "", "Days": "7"});
        let with = |mut values: serde_json::Value| {
            values.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
            Ok(values)
        };
        check(
            &[],
            with(json!({"Level": "low", "Origins": ["a", "b"], "PublicUrl": "http://here"})),
        );
        check(
            &[("Level", "high"), ("Origins", "c"), ("PublicUrl", "https://there")],
            with(json!({"Level": "high", "Origins": ["c"], "PublicUrl": "https://there"})),
        );
    }

    #[test]
    fn a_value_that_the_template_refuses_is_named() {
        check(
            &[("Livel", "high")],
            Err(
                "no parameter `Livel`: did you mean `Level`? There are: Code, Days, Hours, Level, ",
            ),
        );
        check(
            &[("Level", "mid")],
            Err("Parameters.Level: `mid` is not one of the values allowed: low, high"),
        );
        check(&[("Days", "week")], Err("Parameters.Days: `week` is not a number"));
        check(&[("Hours", "0")], Err("Parameters.Hours: `0` is refused: it must be 1 at least"));
        check(&[("Hours", "25")], Err("Parameters.Hours: `25` is refused: it must be 24 at most"));
        check(
            &[("Code", "a")],
            Err("Parameters.Code: `a` is refused: its length must be 2 at least"),
        );
        check(
            &[("Code", "abcd")],
            Err("Parameters.Code: `abcd` is refused: its length must be 3 at most"),
        );
        check(&[("Rate", "5/h")], Err("Parameters.Rate: `5/h` is refused: it must be like 5/m"));
        check(&[("Rate", "5/m,")], Err("Parameters.Rate: `5/m,` is refused"));
        check(
            &[("Origins", "a,B")],
            Err("Parameters.Origins: `B` is refused: it must match ^(?:[a-z]+)$"),
        );
    }

    #[test]
    fn the_longest_value_is_known_if_the_template_bounds_it() {
        let document = Document::read(TEMPLATE).unwrap();
        let longest = ["Level", "Hours", "Code", "Days", "Origins", "Rate"]
            .map(|name| super::longest(&document.parameters[name]));
        assert_eq!(longest, [Some(4), Some(2), Some(3), None, None, None]);
    }
}
