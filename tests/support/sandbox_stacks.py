"""Stacks in the sandbox, each with a name of its own, and the template with one thing taken away."""

from __future__ import annotations

import itertools
import json

from sandbox.aws import ACCOUNT_ID, TEMPLATE, Credentials, DeployedStack, EmbeddedAws
from sandbox.superoffice import StandIn

# No rate limit to wait for, and few workers that start cold.
QUICK = {"SuperOfficeCallsPerSecond": "1000", "MaxConcurrency": "2"}
_numbers = itertools.count(1)


def deploy(aws: EmbeddedAws, superoffice: StandIn, template: str | None = None, **parameters: str) -> DeployedStack:
    """A stack with a credential for the stand-in that needs no login, with QUICK parameters."""
    name = f"ingest-{next(_numbers)}"
    stack = aws.deploy({**QUICK, **parameters}, template=template, stack_name=name)
    stack.put_secret(superoffice.secret("basic"))
    return stack


def template_without(text: str, instead: str = "") -> str:
    """The project's template without `text`, which it has exactly once."""
    template = TEMPLATE.read_text()
    assert template.count(text) == 1, f"the template should have once: {text}"
    return template.replace(text, instead)


def credentials_of_function(stack: DeployedStack) -> Credentials:
    """The function's own rights. Its role trusts Lambda alone, so this makes it trust the account first."""
    iam, role = stack.aws.client("iam"), stack.resources["ImageIngestRole"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(
        RoleName=role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    taken = stack.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return Credentials(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
