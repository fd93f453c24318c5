"""`python -m ops` is `image-ingest`."""

from ops.cli import main

main()
