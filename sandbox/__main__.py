"""`python -m sandbox` keeps a deployed stack and a SuperOffice stand-in up until Ctrl-C.

Standard output holds the lines to paste into another shell; AUTH is the credential scheme (default system_user).
"""

from __future__ import annotations

import os
import shlex
import sys
import threading

from sandbox._signals import ended_by_signals
from sandbox.aws import embedded_aws
from sandbox.superoffice import AUTHS, StandIn
from sandbox.superoffice.world import warm_up


def main() -> None:
    """Starts, prints the exports, and waits."""
    warm_up()
    with ended_by_signals(), StandIn() as superoffice, embedded_aws() as aws:
        stack = aws.deploy()
        stack.put_secret(superoffice.secret(os.environ.get("AUTH") or AUTHS[0]))
        for name, value in {**aws.environment(), **stack.outputs, "SUPEROFFICE_URL": superoffice.url}.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        print(
            f"\nThe stack {stack.name} is up. Paste these lines into another shell; then for example\n"
            '  aws s3 cp photo.jpg "s3://$UploadBucketName/" --metadata entity-type=person,entity-id=1\n'
            "Ctrl-C ends it and leaves nothing behind.",
            file=sys.stderr,
            flush=True,
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(file=sys.stderr)


if __name__ == "__main__":
    main()
