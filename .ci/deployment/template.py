"""template.yaml as the emulator takes it: CloudFormation made by SAM's own translator, and changed where the emulator
differs from AWS."""

import re

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
    """The template with each function's code at `code(binary)`, and the routes of its HTTP API. Functions reach the connections of the API
    `{api}` at `websocket_endpoint`."""
    template = yaml.load(path.read_text(), Loader)
    resources = template["Resources"]
    # SAM resolves references to parameters itself, and needs a list to be one.
    defaults = {name: parameter["Default"] for name, parameter in template["Parameters"].items() if "Default" in parameter}
    lists = {name: defaults[name].split(",") for name, parameter in template["Parameters"].items() if parameter["Type"] == "CommaDelimitedList"}
    parameters = {**defaults, **lists}
    # The emulator has no rotation of secrets by CloudFormation.
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::SecretsManager::RotationSchedule"]:
        del resources[name]
    secrets = {name for name, resource in resources.items() if resource["Type"] == "AWS::SecretsManager::Secret"}
    [api] = [name for name, resource in resources.items() if resource["Type"] == "AWS::Serverless::HttpApi"]
    for resource in resources.values():
        if resource["Type"] == "AWS::S3::BucketPolicy":
            # Calls of the emulator have no TLS.
            document = resource["Properties"]["PolicyDocument"]
            document["Statement"] = [statement for statement in document["Statement"] if "aws:SecureTransport" not in str(statement.get("Condition"))]
        elif resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = code(resource["Metadata"]["BuildProperties"]["Binary"])
            for policy in properties.get("Policies", []):
                for statement in policy["Statement"]:
                    # The emulator does not know the encryption context of a call to KMS. A statement with a condition of the template has no
                    # action of its own.
                    if any(action.startswith("kms:") for action in statement.get("Action", [])):
                        statement.pop("Condition", None)
            variables = properties.get("Environment", {}).get("Variables", {})
            if "CONNECTIONS_ENDPOINT" in variables:
                # AWS's own domain is not the emulator's.
                variables["CONNECTIONS_ENDPOINT"] = {"Fn::Sub": websocket_endpoint.format(api="${WebSocketApi}")}
    translated = transform(template, parameters, NoManagedPolicies())
    # The emulator ignores an OpenAPI body, so the API gets its routes after the stack is there. The stack has then as many resources
    # as on AWS.
    body = translated["Resources"][api]["Properties"].pop("Body")
    check_cors(body, parameters)
    return arns(translated, secrets), api, dict(routes(body))


def check_cors(body, parameters):
    """Fails unless SAM hands the condition of `AllowCredentials` on: it drops a function there that it does not expect. The emulator has
    no CORS."""
    _, cors, _ = body["x-amazon-apigateway-cors"]["Fn::If"]
    assert cors["allowCredentials"] == {"Fn::If": ["HasCookieOrigins", True, False]}, cors
    assert cors["allowOrigins"] == parameters["CorsOrigins"] and "X-Requested-With" in cors["allowHeaders"], cors


def routes(body):
    """The route keys of an API with this OpenAPI body, each with the logical id of the function that answers it."""
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            integration = operation.pop("x-amazon-apigateway-integration")
            uri = integration.pop("uri")["Fn::Sub"]
            function = re.fullmatch(r"arn:\$\{AWS::Partition\}:apigateway:.*/functions/\$\{(\w+)\.Arn\}/invocations", uri)[1]
            # All that a route has, so that a setting which would be lost here fails. Variables of the path are in its key.
            operation.pop("parameters", None)
            default = operation.pop("isDefaultRoute", False)
            assert integration == {"httpMethod": "POST", "type": "aws_proxy", "payloadFormatVersion": "2.0"}, (path, integration)
            assert operation == {"responses": {}}, (path, operation)
            method = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            yield "$default" if default else f"{method} {path}", function


def arns(value, secrets):
    """References to secrets by their ARN: the emulator gives a secret's name for its `Ref`."""
    if isinstance(value, list):
        return [arns(item, secrets) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"} and value["Ref"] in secrets:
        return {"Fn::GetAtt": [value["Ref"], "Id"]}
    return {key: arns(item, secrets) for key, item in value.items()}
