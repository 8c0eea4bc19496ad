//! `Metadata.LocalStack`: extra steps that the stack takes on this machine and AWS does not.

use super::attributes::websocket_url;
use super::document::{self, Document};
use super::error::TemplateError;
use super::model::Deployment;
use super::node::{Map, Node, get};

/// Reads the metadata into the deployment.
pub(super) fn read(
    document: &Document,
    deployment: &mut Deployment,
    url: &str,
) -> Result<(), TemplateError> {
    let Some(Node::Map(metadata)) = get(&document.metadata, "LocalStack") else { return Ok(()) };
    let websocket = match &deployment.websocket_api {
        Some(api) => format!("{}/{}", websocket_url(url), api.stage),
        None => String::new(),
    };
    for (key, node) in metadata as &Map {
        let place = format!("Metadata.LocalStack.{key}");
        let Node::List(items) = node else {
            return Err(TemplateError::new("this must be a list").within(place));
        };
        let items: Vec<String> = items
            .iter()
            .map(document::text)
            .collect::<Result<_, _>>()
            .map_err(|error| error.within(&place))?;
        match key.as_str() {
            "InvokeOnStart" => {
                if let Some(unknown) = items
                    .iter()
                    .find(|id| deployment.functions.iter().all(|function| function.id != **id))
                {
                    return Err(TemplateError::new(format!("there is no function `{unknown}`"))
                        .within(place));
                }
                deployment.invoke_on_start = items;
            }
            "Welcome" => {
                deployment.welcome = items
                    .iter()
                    .map(|line| line.replace("${Url}", url).replace("${WebSocketUrl}", &websocket))
                    .collect();
            }
            _ => {
                return Err(TemplateError::new(
                    "the local stack knows only InvokeOnStart and Welcome here",
                )
                .within(place));
            }
        }
    }
    Ok(())
}
