//! stub
use crate::provider::Provider;
use platform::config::Config;
use platform::{ConfigError, Platform};
pub(crate) fn provider(platform: &Platform) -> Result<Box<dyn Provider>, ConfigError> {
    let _ = platform;
    todo!()
}
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    let _ = config;
    todo!()
}
