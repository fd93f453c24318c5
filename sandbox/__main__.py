"""`python -m sandbox` runs a deployed stack, a SuperOffice stand-in and a page that shows them until Ctrl-C.

Standard output contains the lines to paste into another shell. AUTH is the credential scheme (default system_user).
"""

from __future__ import annotations

import os
import shlex
import sys
import threading

from sandbox.aws import SandboxFailed, start_aws
from sandbox.page import Page
from sandbox.signals import exit_on_signals
from sandbox.superoffice import AUTHS, StandIn, prepare_keys


def main() -> int:
    """Starts, prints the exports, and waits. Returns 1 if it did not start, 2 for a wrong AUTH."""
    auth = os.environ.get("AUTH") or AUTHS[0]
    if auth not in AUTHS:
        print(f"AUTH must be one of {', '.join(AUTHS)}.", file=sys.stderr)
        return 2
    try:
        with exit_on_signals():
            _run(auth)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    except SandboxFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _run(auth: str) -> None:
    prepare_keys()
    with StandIn() as superoffice, start_aws() as aws:
        stack = aws.deploy()
        stack.put_secret(superoffice.secret(auth))
        with Page(stack, superoffice) as page:
            exports = {"SUPEROFFICE_URL": superoffice.url, "SANDBOX_URL": page.url}
            for name, value in {**aws.environment(), **stack.outputs, **exports}.items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            print(
                f"\nOpen {page.url} in a browser.\n\n"
                f"The stack {stack.name} is running. Paste the lines above into another shell, then for example\n"
                '  aws s3 cp photo.jpg "s3://$UploadBucketName/" --metadata entity-type=person,entity-id=1\n'
                "Ctrl-C ends it and removes everything. Then, in the other shell:\n"
                f"  unset {' '.join(aws.environment())}",
                file=sys.stderr,
                flush=True,
            )
            threading.Event().wait()


if __name__ == "__main__":
    raise SystemExit(main())
