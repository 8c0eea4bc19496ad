//! The WebSocket API. Templates describe it by API Gateway's own resources: an API, its stage, and
//! routes to integrations.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document::Resource;
use super::error::TemplateError;
use super::model::WebSocketApi;
use super::properties::read;
use super::resolver::Resolver;

/// Gathers the resources of the WebSocket API. They may come in any order.
#[derive(Default)]
pub(super) struct Gateway {
    api: Option<(String, Api)>,
    stage: Option<Stage>,
    routes: Vec<(String, Route)>,
    integrations: BTreeMap<String, Integration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Api {
    protocol_type: String,
    route_selection_expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Stage {
    #[serde(rename = "ApiId")]
    _api: String,
    stage_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Route {
    #[serde(rename = "ApiId")]
    _api: String,
    #[serde(rename = "RouteKey")]
    key: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Integration {
    #[serde(rename = "ApiId")]
    _api: String,
    #[serde(rename = "IntegrationType")]
    kind: String,
    #[serde(rename = "IntegrationUri")]
    uri: String,
}

impl Gateway {
    /// Takes the resource if it belongs to a WebSocket API.
    pub(super) fn take(
        &mut self,
        resource: &Resource,
        resolver: &Resolver,
    ) -> Result<bool, TemplateError> {
        let properties = || resolver.map(&resource.properties);
        let id = || resource.id.clone();
        let taken = match resource.kind.as_str() {
            "AWS::ApiGatewayV2::Api" => properties()
                .and_then(|properties| {
                    read(
                        properties,
                        &[
                            "ApiKeySelectionExpression",
                            "Description",
                            "DisableExecuteApiEndpoint",
                            "IpAddressType",
                            "Name",
                            "Tags",
                        ],
                    )
                })
                .and_then(|api: Api| {
                    if api.protocol_type != "WEBSOCKET" {
                        return Err(TemplateError::new(
                            "the local stack takes HTTP APIs as AWS::Serverless::HttpApi only",
                        )
                        .within("ProtocolType"));
                    }
                    match self.api.replace((id(), api)) {
                        None => Ok(()),
                        Some((other, _)) => Err(TemplateError::new(format!(
                            "there is another WebSocket API, {other}: the local stack runs one"
                        ))),
                    }
                }),
            "AWS::ApiGatewayV2::Stage" => {
                let without_local_effect = [
                    "AccessLogSettings",
                    "AutoDeploy",
                    "DefaultRouteSettings",
                    "DeploymentId",
                    "Description",
                    "RouteSettings",
                    "Tags",
                ];
                properties()
                    .and_then(|properties| read(properties, &without_local_effect))
                    .map(|stage| self.stage = Some(stage))
            }
            "AWS::ApiGatewayV2::Route" => {
                let without_local_effect = ["ApiKeyRequired", "AuthorizationType", "OperationName"];
                properties()
                    .and_then(|properties| read(properties, &without_local_effect))
                    .map(|route| self.routes.push((id(), route)))
            }
            "AWS::ApiGatewayV2::Integration" => {
                let without_local_effect = [
                    "ConnectionType",
                    "ContentHandlingStrategy",
                    "Description",
                    "IntegrationMethod",
                    "PassthroughBehavior",
                    "PayloadFormatVersion",
                    "TimeoutInMillis",
                ];
                properties().and_then(|properties| read(properties, &without_local_effect)).map(
                    |integration| {
                        self.integrations.insert(id(), integration);
                    },
                )
            }
            _ => return Ok(false),
        };
        taken.map(|()| true).map_err(|error| error.within("Properties"))
    }

    /// Assembles the API from its parts.
    pub(super) fn finish(self) -> Result<Option<WebSocketApi>, TemplateError> {
        let Some((id, api)) = self.api else {
            return match self.routes.first() {
                Some((route, _)) => Err(TemplateError::new("the route has no WebSocket API")
                    .within(format!("Resources.{route}"))),
                None => Ok(None),
            };
        };
        let stage = self.stage.ok_or_else(|| {
            TemplateError::new("the WebSocket API has no stage").within(format!("Resources.{id}"))
        })?;
        let mut routes = BTreeMap::new();
        for (route_id, route) in self.routes {
            let function = route
                .target
                .strip_prefix("integrations/")
                .and_then(|integration| self.integrations.get(integration))
                .ok_or_else(|| {
                    TemplateError::new(format!(
                        "`{}` is not an integration of this template",
                        route.target
                    ))
                })
                .and_then(function_of)
                .map_err(|error| error.within(format!("Resources.{route_id}.Properties.Target")))?;
            if let Some(other) = routes.insert(route.key.clone(), function) {
                let error =
                    TemplateError::new(format!("{other} has the route {} already", route.key));
                return Err(error.within(format!("Resources.{route_id}.Properties.RouteKey")));
            }
        }
        Ok(Some(WebSocketApi {
            id,
            stage: stage.stage_name,
            selection: api.route_selection_expression,
            routes,
        }))
    }
}

/// The function in `arn:…:path/2015-03-31/functions/arn:…:function:Name/invocations`.
fn function_of(integration: &Integration) -> Result<String, TemplateError> {
    if integration.kind != "AWS_PROXY" {
        return Err(TemplateError::new(
            "the local stack knows integrations of the type AWS_PROXY only",
        ));
    }
    let name =
        integration.uri.strip_suffix("/invocations").and_then(|uri| uri.rsplit_once(":function:"));
    name.map(|(_, name)| name.to_owned()).ok_or_else(|| {
        TemplateError::new(format!(
            "`{}` is not the invocation URI of a function of this template",
            integration.uri
        ))
    })
}
