"""AWS on this machine: the embedded emulator, and the project's own template deployed into it.

Everything listens on 127.0.0.1 and lives in one temporary folder, both gone when the `with` block ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.packages import ROOT, zip_function, zip_layer
from sandbox.certificates import issue_certificate

ACCOUNT_ID = "123456789012"
REGION = "eu-north-1"
TEMPLATE = ROOT / "template.yaml"
QUEUE_PATH = "/_sandbox/queue"  # server.py's view of a queue
ARTIFACTS = "artifacts"  # the bucket that `sam deploy` would make for the packages
START_SECONDS = 30.0
DEPLOY_SECONDS = 60.0
_SERVER = str(Path(__file__).with_name("server.py"))


class SandboxFailed(Exception):
    """The embedded AWS did not start, or refused the template; the message states the cause."""


@dataclass(frozen=True)
class Credentials:
    """What a client signs with."""

    access_key: str = ACCOUNT_ID  # ministack treats the account id as the administrator's key
    secret_key: str = "sandbox"
    session_token: str | None = None


class EmbeddedAws:
    """A running emulator of AWS, with IAM evaluated."""

    def __init__(self, endpoint_url: str, certificate: Path) -> None:
        self.endpoint_url = endpoint_url
        self._certificate = certificate
        self._clients: dict[tuple[str, Credentials], Any] = {}

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        """A client of this AWS, by default the administrator's. It ignores the machine's own AWS settings."""
        signer = credentials or Credentials()
        if (service, signer) not in self._clients:
            self._clients[service, signer] = self._new_client(service, signer)
        return self._clients[service, signer]

    def environment(self) -> dict[str, str]:
        """The variables with which any AWS tool uses this AWS as its administrator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CA_BUNDLE": str(self._certificate),
            "AWS_ACCESS_KEY_ID": Credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": Credentials.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def deploy(
        self,
        parameters: Mapping[str, str] | None = None,
        *,
        template: str | None = None,
        code: bytes | None = None,
        stack_name: str = "superoffice-image-ingest",
    ) -> DeployedStack:
        """Deploys the project's template. Only the location of the packages is changed.

        `template` is another template's text, `code` another zip of the function.
        Raises SandboxFailed with the first resource that failed.
        """
        body = package_template(template if template is not None else TEMPLATE.read_text())
        self._upload_packages()
        if code is not None:
            self.client("s3").put_object(Bucket=ARTIFACTS, Key=f"{stack_name}.zip", Body=code)
            body = body.replace(f"{ARTIFACTS}/function.zip", f"{ARTIFACTS}/{stack_name}.zip")
        cloudformation = self.client("cloudformation")
        try:
            cloudformation.create_stack(
                StackName=stack_name,
                TemplateBody=body,
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        except ClientError as refusal:
            raise SandboxFailed(f"The template was refused: {refusal}") from refusal
        outputs = self._wait_for_outputs(stack_name)
        resources = cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
        stack = DeployedStack(
            self, stack_name, outputs, {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
        )
        self._correct_triggers(outputs["ImageIngestFunctionName"])
        return stack

    def _new_client(self, service: str, credentials: Credentials) -> Any:
        unset = (None, None, None, None)
        empty_file = (None, None, os.devnull, None)
        session = botocore.session.Session(
            session_vars={"profile": unset, "config_file": empty_file, "credentials_file": empty_file}
        )
        return session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            verify=str(self._certificate),
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.session_token,
            config=Config(proxies={}, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def _upload_packages(self) -> None:
        s3 = self.client("s3")
        if ARTIFACTS in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            return
        s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=ARTIFACTS, Key="function.zip", Body=zip_function())
        s3.put_object(Bucket=ARTIFACTS, Key="layer.zip", Body=zip_layer())

    def _correct_triggers(self, function_name: str) -> None:
        """ministack stores a number parameter as text, and its poller then fails on it."""
        functions = self.client("lambda")
        for trigger in functions.list_event_source_mappings(FunctionName=function_name)["EventSourceMappings"]:
            concurrency = int(trigger["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(
                UUID=trigger["UUID"], ScalingConfig={"MaximumConcurrency": concurrency}
            )

    def _wait_for_outputs(self, stack_name: str) -> dict[str, str]:
        cloudformation = self.client("cloudformation")
        end = time.monotonic() + DEPLOY_SECONDS
        while (stack := cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0])["StackStatus"] in (
            "CREATE_IN_PROGRESS",
            "ROLLBACK_IN_PROGRESS",
        ):
            if time.monotonic() > end:
                raise SandboxFailed(f"The stack was not deployed within {DEPLOY_SECONDS:.0f} s.")
            time.sleep(0.05)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            raise SandboxFailed(f"The template was not deployed: {self._find_reason(stack_name)}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _find_reason(self, stack_name: str) -> str:
        events = self.client("cloudformation").describe_stack_events(StackName=stack_name)["StackEvents"]
        failed = [event for event in reversed(events) if event["ResourceStatus"] == "CREATE_FAILED"]
        return "; ".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in failed[:1])


@dataclass(frozen=True)
class DeployedStack:
    """A deployed template: its outputs by name, and the physical ids of its resources by logical id."""

    aws: EmbeddedAws
    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]

    def put_secret(self, secret: Mapping[str, Any]) -> None:
        """Stores the SuperOffice credential."""
        self.aws.client("secretsmanager").put_secret_value(
            SecretId=self.outputs["SuperOfficeSecretArn"], SecretString=json.dumps(secret)
        )


@contextmanager
def start_aws() -> Iterator[EmbeddedAws]:
    """Starts an AWS on a free port of 127.0.0.1; removes its processes and files afterwards.

    Raises SandboxFailed if it does not respond in time.
    """
    with tempfile.TemporaryDirectory(prefix="image-ingest-sandbox-") as name:
        folder = Path(name)
        certificate, key = folder / "server.crt", folder / "server.key"
        issued = issue_certificate("image ingest sandbox")
        certificate.write_text(issued.chain_pem + issued.ca_pem)  # clients trust every certificate in it
        key.write_text(issued.key_pem)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            process = _start(folder, listener, certificate, key)
            endpoint_url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        guard = _start_guard(process, folder)
        try:
            aws = EmbeddedAws(endpoint_url, certificate)
            _wait_until_ready(aws, process, folder / "server.log")
            yield aws
        finally:
            _stop(process, guard)


def _start(folder: Path, listener: socket.socket, certificate: Path, key: Path) -> subprocess.Popen[bytes]:
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [
                sys.executable,
                _SERVER,
                str(listener.fileno()),
                certificate,
                key,
                QUEUE_PATH,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_make_environment(folder, listener.getsockname()[1], certificate, key),
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )


def _make_environment(folder: Path, port: int, certificate: Path, key: Path) -> dict[str, str]:
    """Only what is needed. Functions inherit it, so it contains none of the visitor's proxies, profiles or keys."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "AWS_CA_BUNDLE": str(certificate),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder}/no-docker",  # no access to the visitor's containers
    }


def _wait_until_ready(aws: EmbeddedAws, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SandboxFailed(
                f"The embedded AWS ended while it was starting:\n{log.read_text(errors='replace')[-2000:]}"
            )
        try:
            aws.client("sts").get_caller_identity()
        except BotoCoreError:
            time.sleep(0.05)
        else:
            return
    raise SandboxFailed(f"The embedded AWS did not respond within {START_SECONDS:.0f} s.")


def _start_guard(process: subprocess.Popen[bytes], folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), str(process.pid), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _stop(process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes]) -> None:
    """Kills the emulator and its functions, which are one process group."""
    with guard:
        guard.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 0.5  # for the functions to end; without a process that reaps orphans, their ids remain
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def package_template(template: str) -> str:
    for local, package in (("CodeUri: functions/", "function.zip"), ("ContentUri: layers/pillow", "layer.zip")):
        if template.count(local) != 1:
            raise SandboxFailed(f"The template must name its code exactly once as {local!r}.")
        template = template.replace(local, f"{local.partition(' ')[0]} s3://{ARTIFACTS}/{package}")
    return template
