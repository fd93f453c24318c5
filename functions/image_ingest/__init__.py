"""Image ingest for SuperOffice CRM: an object in S3 becomes a person's, project's, contact's or product's picture."""

__version__ = "1.0.0"
