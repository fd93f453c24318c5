"""The AWS services' models, parsed once a process: every botocore session of its own would parse them again."""

from __future__ import annotations

from functools import cache

import botocore.loaders
import botocore.session

_create_loader = cache(botocore.loaders.create_loader)


def share_models() -> None:
    """Gives all sessions that begin from now on one loader. One session's clients share theirs in any case."""
    if not hasattr(botocore.session.create_loader, "cache_info"):
        botocore.session.create_loader = _create_loader


def load_models() -> None:
    """Parses what the function and the command line need."""
    for service in ("s3", "sqs", "dynamodb", "secretsmanager"):
        botocore.session.Session().create_client(service, region_name="eu-north-1").close()
