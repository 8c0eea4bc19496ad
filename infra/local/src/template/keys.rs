//! KMS keys and their aliases.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use uuid::Builder;

use super::document::{Document, Resource};
use super::error::TemplateError;
use super::model::{Key, KeySpec};
use super::properties::{Scalar, read};
use super::resolver::Resolver;
use super::{ACCOUNT, REGION, STACK};

const KEY_WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "BypassPolicyLockoutSafetyCheck",
    "Description",
    "EnableKeyRotation",
    "KeyPolicy",
    "MultiRegion",
    "PendingWindowInDays",
    "RotationPeriodInDays",
    "Tags",
];

/// `KeyUsage` of a key that names none.
const DEFAULT_USAGE: &str = "ENCRYPT_DECRYPT";

/// The longest `AliasName`.
const ALIAS_LENGTH: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct KeyProperties {
    #[serde(default)]
    key_spec: KeySpec,
    key_usage: Option<String>,
    enabled: Option<Scalar<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct AliasProperties {
    alias_name: String,
    target_key_id: String,
}

/// The local id of a key, the value of `Ref`. It is derived from the logical id, so that it is the
/// same after every start. Its form is a UUID as on AWS, because clients may check it.
pub(super) fn key_id(name: &str) -> String {
    let hash = digest(&SHA256, format!("{STACK}/{name}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The local ARN of the key with this id.
pub(super) fn key_arn(key_id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}")
}

/// Reads a key without its aliases, which [`add_aliases`] gives it.
pub(super) fn key(resource: &Resource, resolver: &Resolver) -> Result<Key, TemplateError> {
    let KeyProperties { key_spec, key_usage, enabled } = resolver
        .map(&resource.properties)
        .and_then(|properties| read(properties, KEY_WITHOUT_LOCAL_EFFECT))
        .map_err(|error| error.within("Properties"))?;
    let usage = key_usage.as_deref().unwrap_or(DEFAULT_USAGE);
    if usage != key_spec.usage() {
        return Err(TemplateError::new(format!(
            "a key of the KeySpec {} has the KeyUsage {}, not {usage}",
            key_spec.name(),
            key_spec.usage()
        ))
        .within("Properties.KeyUsage"));
    }
    let key_id = key_id(&resource.id);
    Ok(Key {
        id: resource.id.clone(),
        arn: key_arn(&key_id),
        key_id,
        spec: key_spec,
        enabled: enabled.is_none_or(|enabled| enabled.0),
        aliases: Vec::new(),
    })
}

/// Gives the keys the aliases of the template.
pub(super) fn add_aliases(
    document: &Document,
    resolver: &Resolver,
    keys: &mut [Key],
) -> Result<(), TemplateError> {
    for resource in document.resources.iter().filter(|found| found.kind == "AWS::KMS::Alias") {
        if let Some(condition) = &resource.condition
            && !resolver.condition(condition)?
        {
            continue;
        }
        add_alias(resource, resolver, keys)
            .map_err(|error| error.within(format!("Resources.{}.Properties", resource.id)))?;
    }
    Ok(())
}

fn add_alias(
    resource: &Resource,
    resolver: &Resolver,
    keys: &mut [Key],
) -> Result<(), TemplateError> {
    let AliasProperties { alias_name, target_key_id } =
        resolver.map(&resource.properties).and_then(|properties| read(properties, &[]))?;
    if !is_alias(&alias_name) {
        return Err(TemplateError::new(format!(
            "`{alias_name}` must be `alias/` and letters, digits, `/`, `_` or `-`, and must not \
             begin with `alias/aws/`"
        ))
        .within("AliasName"));
    }
    if keys.iter().any(|key| key.aliases.contains(&alias_name)) {
        return Err(TemplateError::new(format!("another key has the alias `{alias_name}`"))
            .within("AliasName"));
    }
    let target = keys.iter_mut().find(|key| [&key.key_id, &key.arn].contains(&&target_key_id));
    let target = target.ok_or_else(|| {
        TemplateError::new(format!("`{target_key_id}` is not a key of this template"))
            .within("TargetKeyId")
    })?;
    target.aliases.push(alias_name);
    Ok(())
}

fn is_alias(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    name.len() <= ALIAS_LENGTH
        && name.strip_prefix("alias/").is_some_and(|own| {
            !own.is_empty() && !own.starts_with("aws/") && own.bytes().all(allowed)
        })
}
