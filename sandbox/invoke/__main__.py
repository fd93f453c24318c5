"""`make invoke PHOTO=me.jpg FOR=person/1 [VIA=sam]` or `make invoke STACK=name OBJECT=s3://bucket/key`.

Both run the built function once. KEEP=true keeps the sandbox running afterwards. VIA=sam and STACK use
`sam local invoke`, with the flags of SAM_LOCAL_FLAGS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from sandbox.aws import SandboxFailed
from sandbox.invoke import deployed, photo
from sandbox.invoke.errors import InvokeFailed, UsageError
from sandbox.invoke.sam import SamLocal
from sandbox.signals import exit_on_signals
from sandbox.tools.commands import Unavailable


def main(variables: Mapping[str, str] = os.environ) -> int:
    """Returns 0 if SuperOffice has the photo, 1 if not, 2 for wrong variables, 130 after Ctrl-C."""
    try:
        with exit_on_signals():
            return 0 if _invoke(variables) else 1
    except KeyboardInterrupt:
        print("Stopped. Nothing is left running.", file=sys.stderr)
        return 130
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except (InvokeFailed, SandboxFailed, Unavailable) as error:
        print(error, file=sys.stderr)
        return 1


def _invoke(variables: Mapping[str, str]) -> bool:
    if variables.get("STACK") or variables.get("OBJECT"):
        if variables.get("PHOTO"):
            raise UsageError("Name either PHOTO and FOR, or STACK and OBJECT.")
        return deployed.invoke_on_object(deployed.parse_request(variables), SamLocal())
    return photo.invoke_on_photo(photo.parse_request(variables))


if __name__ == "__main__":
    raise SystemExit(main())
