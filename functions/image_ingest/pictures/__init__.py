"""The parts of image_ingest.picture: told apart, bounded, decoded in isolation, converted."""
