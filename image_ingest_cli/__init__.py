"""`image-ingest`, the operator's command line: upload photos, explain failures, retry them, remove pictures."""
