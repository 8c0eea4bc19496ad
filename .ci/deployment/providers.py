"""The providers of the assistant in a deployment: the stack has the settings, the key and the rights of one of them alone."""

ARNS = ["arn:aws:bedrock:us-east-1::foundation-model/first", "arn:aws:bedrock:*::foundation-model/second"]
PRICES = {"AiModel": "first", "AiPrices": "first=1/1/1/1"}
# What each provider needs besides prices, the secret with its key, and the variables of its own.
PROVIDERS = {
    "anthropic": ({}, "AnthropicKey", {"ANTHROPIC_BASE_URL", "ANTHROPIC_KEY_ARN"}),
    "openai": ({"OpenaiBaseUrl": "https://models.example.com/v1"}, "OpenaiKey", {"OPENAI_BASE_URL", "OPENAI_KEY_ARN"}),
    "bedrock": ({"BedrockModelArns": ",".join(ARNS)}, None, {"BEDROCK_URL"}),
    "lorem": ({}, None, set()),
}
SECRETS = {secret for _, secret, _ in PROVIDERS.values() if secret}
VARIABLES = set().union(*(variables for _, _, variables in PROVIDERS.values()))


def providers_are_apart(aws):
    """Has the stack take one provider after the other."""
    for provider, (needed, secret, variables) in PROVIDERS.items():
        for missing in ["AiPrices", *needed] if variables else []:
            empty = {**PRICES, **needed, missing: ""}
            reason = aws.refusal({"AiProvider": provider, **empty})
            assert f"AiProvider={provider}" in reason and missing in reason, reason
        aws.update({"AiProvider": provider, **PRICES, **needed})
        resources = aws.resources()
        assert SECRETS & resources.keys() == ({secret} if secret else set()), (provider, resources.keys())
        for worker in ("ChatStreamFunction", "JobRunFunction"):
            told = aws.variables(resources[worker])
            assert VARIABLES & told.keys() == variables, (provider, worker, told)
            asks = {(action, of) for action, of in aws.rights(resources[f"{worker}Role"]) if is_of_provider(action, of)}
            assert asks == expected(provider, told), (provider, worker, asks)


def is_of_provider(action, resource):
    """Whether a right is one to ask a provider, or to read its key."""
    return action.startswith("bedrock:") or any(f"-{secret}-" in resource for secret in SECRETS)


def expected(provider, variables):
    """The rights of a worker with these variables to ask its provider."""
    if provider == "bedrock":
        return {("bedrock:InvokeModelWithResponseStream", arn) for arn in ARNS}
    return {("secretsmanager:GetSecretValue", arn) for name, arn in variables.items() if name in VARIABLES and name.endswith("_KEY_ARN")}
