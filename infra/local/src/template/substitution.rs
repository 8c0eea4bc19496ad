//! The pattern of `Fn::Sub`.

use super::error::TemplateError;

/// A piece of the pattern of `Fn::Sub`.
#[derive(Debug, PartialEq)]
pub(super) enum SubPart<'p> {
    Text(&'p str),
    Name(&'p str),
}

/// Splits `a${B}c${!D}` into the text `a`, the name `B`, the text `c` and the text `${D}`, because
/// `${!D}` stands for a literal `${D}`.
pub(super) fn sub_parts(pattern: &str) -> Result<Vec<SubPart<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, following) = after
            .split_once('}')
            .ok_or_else(|| TemplateError::new(format!("`{pattern}` lacks a closing brace")))?;
        parts.push(SubPart::Text(before));
        match name.strip_prefix('!') {
            Some(literal) => {
                parts.extend([SubPart::Text("${"), SubPart::Text(literal), SubPart::Text("}")]);
            }
            None => parts.push(SubPart::Name(name.trim())),
        }
        rest = following;
    }
    parts.push(SubPart::Text(rest));
    Ok(parts)
}
