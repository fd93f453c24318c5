"""`make invoke`: runs the built function once, on a photo in the sandbox or on an object of a deployed stack."""
