"""SuperOffice CRM: where it is, who we are there, and putting a picture on a record."""

from image_ingest.superoffice.attempt import Calls
from image_ingest.superoffice.client import Picture, SuperOffice
from image_ingest.superoffice.secret_source import SecretSource

__all__ = ["Calls", "Picture", "SecretSource", "SuperOffice"]
