//! Values of the template's parameters.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Parameter;
use super::error::TemplateError;

/// A parameter of this name that is left empty becomes the URL of the local HTTP API: on AWS, a function can't know it.
const PUBLIC_URL: &str = "PublicUrl";

/// Every parameter's value: what `given` says, or else its default.
pub(super) fn values(
    parameters: &BTreeMap<String, Parameter>,
    mut given: BTreeMap<String, String>,
    url: &str,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    if let Some(unknown) = given.keys().find(|name| !parameters.contains_key(*name)) {
        let known: Vec<&str> = parameters.keys().map(String::as_str).collect();
        return Err(TemplateError::new(format!("there is no parameter `{unknown}`; the template's are: {}", known.join(", "))));
    }
    parameters
        .iter()
        .map(|(name, parameter)| {
            let text = given
                .remove(name)
                .or_else(|| parameter.default.clone())
                .ok_or_else(|| TemplateError::new(format!("has no default: give it a value in samconfig.toml or with --set {name}=…")))
                .map(|text| if name == PUBLIC_URL && text.is_empty() { url.to_owned() } else { text });
            let value = text.and_then(|text| value(parameter, text));
            Ok((name.clone(), value.map_err(|error| error.within(format!("Parameters.{name}")))?))
        })
        .collect()
}

fn value(parameter: &Parameter, text: String) -> Result<Value, TemplateError> {
    let is_list = parameter.kind == "CommaDelimitedList";
    let items: Vec<&str> = if is_list { text.split(',').map(str::trim).collect() } else { vec![&text] };
    for item in &items {
        if !parameter.allowed.is_empty() && !parameter.allowed.iter().any(|allowed| allowed == item) {
            return Err(TemplateError::new(format!("`{item}` is not one of the values allowed: {}", parameter.allowed.join(", "))));
        }
        if parameter.kind == "Number" && item.parse::<f64>().is_err() {
            return Err(TemplateError::new(format!("`{item}` is not a number")));
        }
    }
    Ok(if is_list { items.into() } else { text.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::template::document::Document;

    const TEMPLATE: &str = "Parameters:\n  Level: {Type: String, Default: low, AllowedValues: [low, high]}\n  Days: {Type: Number, Default: 7}\n  \
                            Origins: {Type: CommaDelimitedList, Default: 'a, b'}\n  PublicUrl: {Type: String, Default: ''}\n";

    fn check(given: &[(&str, &str)], expected: Result<serde_json::Value, &str>) {
        let document = Document::read(TEMPLATE).unwrap();
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
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
        check(&[], Ok(json!({"Level": "low", "Days": "7", "Origins": ["a", "b"], "PublicUrl": "http://here"})));
        check(
            &[("Level", "high"), ("Origins", "c"), ("PublicUrl", "https://there")],
            Ok(json!({"Level": "high", "Days": "7", "Origins": ["c"], "PublicUrl": "https://there"})),
        );
    }

    #[test]
    fn a_value_that_the_template_refuses_is_named() {
        check(&[("Livel", "high")], Err("no parameter `Livel`; the template's are: Days, Level, Origins, PublicUrl"));
        check(&[("Level", "mid")], Err("Parameters.Level: `mid` is not one of the values allowed: low, high"));
        check(&[("Days", "week")], Err("Parameters.Days: `week` is not a number"));
    }
}
