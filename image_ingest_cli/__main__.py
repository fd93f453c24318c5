"""`python -m image_ingest_cli` is `image-ingest`."""

from image_ingest_cli.main import main

main()
