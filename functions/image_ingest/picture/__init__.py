"""The parts of image_ingest.picture.preparation: told apart, bounded, decoded in isolation, converted."""
