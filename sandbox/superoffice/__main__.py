"""`python -m sandbox.superoffice --port N` runs the stand-in until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import threading

from sandbox.superoffice.stand_in import AUTHS, StandIn


def main() -> None:
    """Prints the address and the secret for the chosen scheme, then serves."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.superoffice", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--auth", choices=AUTHS, default="system_user", help="the scheme whose secret is printed")
    parser.add_argument("--tls", action="store_true", help="serve https with its own certificate")
    chosen = parser.parse_args()
    with StandIn(chosen.port, tls=chosen.tls) as so:
        print(f"SuperOffice stand-in at {so.url}", flush=True)
        print(json.dumps(so.secret(chosen.auth), indent=2), flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
