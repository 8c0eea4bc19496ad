"""template.yaml as the emulator takes it: CloudFormation made by SAM's own translator, and changed where the emulator
differs from AWS."""

from copy import deepcopy

import yaml
from samtranslator.translator.transform import transform


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms of functions."""


def function(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name in ("Ref", "Condition"):
        return {name: value}
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{name}": value}


Loader.add_multi_constructor("!", function)


class NoManagedPolicies:
    """The template names no managed policy for SAM to look up."""

    def load(self):
        return {}


def translate(path, code, websocket_endpoint):
    """The template with each function's code at `code(binary)`. Functions reach the connections of the API `{api}` at
    `websocket_endpoint`."""
    template = yaml.load(path.read_text(), Loader)
    resources = template["Resources"]
    # SAM resolves references to parameters itself, and needs a list to be one.
    defaults = {name: parameter["Default"] for name, parameter in template["Parameters"].items() if "Default" in parameter}
    lists = {name: defaults[name].split(",") for name, parameter in template["Parameters"].items() if parameter["Type"] == "CommaDelimitedList"}
    parameters = {**defaults, **lists}
    check_cors(template, parameters)
    # The emulator has no rotation of secrets by CloudFormation.
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::SecretsManager::RotationSchedule"]:
        del resources[name]
    secrets = {name for name, resource in resources.items() if resource["Type"] == "AWS::SecretsManager::Secret"}
    for name, resource in list(resources.items()):
        if resource["Type"] == "AWS::Serverless::HttpApi":
            resources.update(http_api(name, resource["Properties"]))
        elif resource["Type"] == "AWS::S3::BucketPolicy":
            # Calls of the emulator have no TLS.
            document = resource["Properties"]["PolicyDocument"]
            document["Statement"] = [statement for statement in document["Statement"] if "aws:SecureTransport" not in str(statement.get("Condition"))]
        elif resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = code(resource["Metadata"]["BuildProperties"]["Binary"])
            events = properties.get("Events", {})
            for event, route in [(event, route) for event, route in events.items() if route["Type"] == "HttpApi"]:
                del events[event]
                resources.update(http_route(name, event, route["Properties"]))
            for policy in properties.get("Policies", []):
                for statement in policy["Statement"]:
                    # The emulator does not know the encryption context of a call to KMS.
                    if any(action.startswith("kms:") for action in statement["Action"]):
                        statement.pop("Condition", None)
            variables = properties.get("Environment", {}).get("Variables", {})
            if "CONNECTIONS_ENDPOINT" in variables:
                # AWS's own domain is not the emulator's.
                variables["CONNECTIONS_ENDPOINT"] = {"Fn::Sub": websocket_endpoint.format(api="${WebSocketApi}")}
    translated = transform(template, parameters, NoManagedPolicies())
    return arns(translated, secrets)


def check_cors(template, parameters):
    """Fails unless SAM hands the condition of `AllowCredentials` on: it drops a function there that it does not expect. The emulator has
    no CORS."""
    [(name, api)] = [(name, resource) for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::HttpApi"]
    translated = transform(deepcopy({**template, "Resources": {name: api}, "Outputs": {}}), parameters, NoManagedPolicies())
    _, cors, _ = translated["Resources"][name]["Properties"]["Body"]["x-amazon-apigateway-cors"]["Fn::If"]
    assert cors["allowCredentials"] == {"Fn::If": ["HasCookieOrigins", True, False]}, cors
    assert cors["allowOrigins"] == parameters["CorsOrigins"] and "X-Requested-With" in cors["allowHeaders"], cors


def http_api(name, properties):
    """An HTTP API without an OpenAPI body, which the emulator ignores: its routes are resources of their own."""
    stage = {"ApiId": {"Ref": name}, "StageName": "$default", "AutoDeploy": True}
    stage |= {key: properties[key] for key in ("DefaultRouteSettings", "AccessLogSettings") if key in properties}
    api = {"Name": {"Fn::Sub": "${AWS::StackName}-http"}, "ProtocolType": "HTTP"}
    return {
        name: {"Type": "AWS::ApiGatewayV2::Api", "Properties": api},
        f"{name}Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": stage},
    }


def http_route(function, event, properties):
    """The route of one event, with the permission that SAM gives it."""
    api = properties["ApiId"]["Ref"]
    method, path = properties.get("Method", "$default").upper(), properties.get("Path", "")
    key = f"{method} {path}" if path else "$default"
    source = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{api}}}/*/{method + path if path else '$default'}"
    uri = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{function}.Arn}}/invocations"
    # One for all events of a function, so that the emulator's 500 resources suffice.
    integration, prefix = f"{function}Integration", f"{function}{event}"
    return {
        integration: {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": api},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::Sub": uri},
                "PayloadFormatVersion": "2.0",
            },
        },
        f"{prefix}Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {"ApiId": {"Ref": api}, "RouteKey": key, "Target": {"Fn::Sub": f"integrations/${{{integration}}}"}},
        },
        f"{prefix}Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": function},
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Sub": source},
            },
        },
    }


def arns(value, secrets):
    """References to secrets by their ARN: the emulator gives a secret's name for its `Ref`."""
    if isinstance(value, list):
        return [arns(item, secrets) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"} and value["Ref"] in secrets:
        return {"Fn::GetAtt": [value["Ref"], "Id"]}
    return {key: arns(item, secrets) for key, item in value.items()}
