"""The emulator of AWS, and a deployment on it."""

import io
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from itertools import product

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError

REGION = "us-east-1"
STACK = "tally"
BUCKET = "tally-artifacts"
# A key that the emulator takes for the account's root user. What functions do is signed with their roles' own.
ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Emulator:
    """A running emulator that enforces IAM."""

    def __init__(self, url, log):
        self.url = url
        self.log = log

    def client(self, service):
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=60)
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config, **ROOT)

    def url_of(self, api):
        """Where the API `api` is called: the emulator's form of a URL that needs no DNS."""
        return f"{self.url}/_aws/execute-api/{api}"

    def deploy(self, template, binaries, parameters):
        """Creates the stack, and returns the physical ids of its resources."""
        s3 = self.client("s3")
        for binary in binaries:
            s3.put_object(Bucket=BUCKET, Key=binary.name, Body=package(binary))
        s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template).encode())
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=f"{self.url}/{BUCKET}/template.json",
            Capabilities=["CAPABILITY_IAM"],
            Parameters=entries(parameters),
        )
        self.wait(cloudformation, "CREATE")
        return self.resources()

    def resources(self):
        """The physical ids of the stack's resources."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for page in pages for resource in page["StackResourceSummaries"]}

    def route(self, api, functions):
        """Gives an HTTP API its routes: of each route key, the function that answers it, by name."""
        gateway, functions_api = self.client("apigatewayv2"), self.client("lambda")
        integrations = {}
        for key, function in functions.items():
            if function not in integrations:
                arn = functions_api.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
                uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
                integration = {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri, "PayloadFormatVersion": "2.0"}
                integrations[function] = gateway.create_integration(ApiId=api, **integration)["IntegrationId"]
            gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integrations[function]}")

    @staticmethod
    def wait(cloudformation, change):
        """Waits for the end of a change of the stack, which must be a good one."""
        while (status := cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
            time.sleep(0.2)
        if status != f"{change}_COMPLETE":
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            reasons = {event["LogicalResourceId"]: event.get("ResourceStatusReason") for event in events if event["ResourceStatus"].endswith("_FAILED")}
            sys.exit(f"the stack is {status}: {reasons}")

    def update(self, parameters):
        """Gives parameters of the stack other values, as a deployment that changes nothing else does."""
        cloudformation = self.client("cloudformation")
        kept = [each["ParameterKey"] for each in cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]]
        cloudformation.update_stack(
            StackName=STACK,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in kept if key not in parameters] + entries(parameters),
        )
        self.wait(cloudformation, "UPDATE")

    def refusal(self, parameters):
        """Why the stack refuses other values of parameters."""
        try:
            self.update(parameters)
        except ClientError as error:
            return str(error)
        sys.exit(f"the stack takes {parameters}")

    def variables(self, function):
        """The environment of a function."""
        return self.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]

    def rights(self, role):
        """What a function's role allows: each action with each resource."""
        iam = self.client("iam")
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            for statement in iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]:
                yield from product(items(statement["Action"]), items(statement["Resource"]))

    def take_policies(self, role):
        """Takes its policies from a function's role."""
        iam = self.client("iam")
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)

    def invoke(self, function, payload):
        """What a function returns that is invoked by hand."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        result = json.load(answer["Payload"])
        if "FunctionError" in answer:
            sys.exit(f"{function} failed: {result}")
        return result

    def warnings(self):
        """What functions logged above `INFO`."""
        logs = self.client("logs")
        lines = []
        for group in logs.describe_log_groups()["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            lines += [event["message"].strip() for event in events if '"ERROR"' in event["message"] or '"WARN"' in event["message"]]
        return lines


def items(value):
    """The items of a list in a policy, which may be one text."""
    return [value] if isinstance(value, str) else value


def entries(parameters):
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]


def package(binary):
    """A deployment package whose `bootstrap` starts a binary where it is: development builds are too large to be copied."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bootstrap", f"#!/bin/sh\nexec {shlex.quote(str(binary))}\n")
    return buffer.getvalue()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def emulator(scratch):
    """Starts the emulator with its files in `scratch`, and ends it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # Nothing of this machine's AWS set-up: a profile must not reach the functions.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AUTH": "true",
        # These would listen on ports of their own, the first on all interfaces.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        # Functions inherit these. `AWS_ENDPOINT_URL` would stand for the WebSocket API's endpoint too, which has a path.
        **{f"AWS_ENDPOINT_URL_{service}": url for service in ("DYNAMODB", "SECRETS_MANAGER", "KMS", "S3", "LAMBDA", "SESV2", "SES_V2")},
    }
    log = scratch / "emulator.log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=output, stderr=output)
    try:
        running = Emulator(url, log)
        deadline = time.monotonic() + 60
        while True:
            try:
                running.client("s3").create_bucket(Bucket=BUCKET)
                break
            except (ConnectionError, ClientError):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the emulator did not start:\n{log.read_text()}")
                time.sleep(0.2)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
