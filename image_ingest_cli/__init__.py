"""`image-ingest`, the operator's command line: upload, find out, send again, clean up."""
