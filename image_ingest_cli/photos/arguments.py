"""How the operator says which file is for which record: one file, a spreadsheet or a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image_ingest_cli.errors import usage_error
from image_ingest_cli.photos.folder import Folder
from image_ingest_cli.photos.manifest import read_manifest
from image_ingest_cli.photos.references import parse_reference
from image_ingest_cli.photos.rows import Row, RowList
from image_ingest_cli.terminal.console import print_note
from image_ingest_cli.terminal.records import parse_entity_type
from image_ingest_cli.terminal.text import list_names, pluralize


@dataclass(frozen=True)
class UploadArguments:
    """The arguments of `upload` that name files and records."""

    paths: Sequence[Path]
    entity: str | None
    entity_id: str | None
    manifest: Path | None
    pattern: str | None

    def read(self) -> tuple[Folder, RowList]:
        """The rows and their problems. Raises CommandError if the arguments do not fit together."""
        ways = [self.entity_id, self.manifest, self.pattern]
        if sum(way is not None for way in ways) != 1:
            raise usage_error("Say whose pictures these are: --entity with --id, or --manifest, or --pattern.")
        kind = parse_entity_type(self.entity) if self.entity else None
        if self.entity_id is not None:
            return self._read_single(self.entity_id)
        folder = Folder(self._check_folder())
        if self.manifest is not None:
            return folder, read_manifest(self.manifest, kind)
        matches = folder.match(self.pattern or "", kind)
        if matches.junk:
            print_note(f"Skipped: {pluralize(matches.junk, 'system file')} such as .DS_Store and Thumbs.db.")
        if matches.unmatched:
            count = pluralize(len(matches.unmatched), "file")
            print_note(f"Not matched by the pattern: {count} ({list_names(matches.unmatched)})")
        return folder, matches

    def _read_single(self, entity_id: str) -> tuple[Folder, RowList]:
        if len(self.paths) != 1 or self.paths[0].is_dir():
            raise usage_error("--id takes one file. For a folder use --manifest or --pattern.")
        if self.entity is None:
            raise usage_error("--id needs --entity: person, project, contact or product.")
        path = self.paths[0]
        try:
            reference = parse_reference({"entity_id": entity_id}, parse_entity_type(self.entity))
        except ValueError as problem:
            raise usage_error(f"--id: {problem}.") from None
        return Folder(path.parent, follow_links=True), RowList([Row(None, path.name, reference)])

    def _check_folder(self) -> Path:
        if len(self.paths) != 1 or not self.paths[0].is_dir():
            raise usage_error("--manifest and --pattern take one folder.")
        return self.paths[0]
