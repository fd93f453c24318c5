"""Rows checked before anything is uploaded: records looked up, files found and tested, conflicts reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext

from image_ingest.picture import limit_source
from image_ingest.target import Target
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.aws.transfer import PhotoFile, check_photo
from image_ingest_cli.photos.folder import Folder
from image_ingest_cli.photos.lookup import Lookup
from image_ingest_cli.photos.rows import Problem, Row, RowList
from image_ingest_cli.terminal.progress import Steps, show_progress
from image_ingest_cli.terminal.records import describe_target


def plan_uploads(stack: Stack, folder: Folder, found: RowList, prefix: str) -> tuple[list[PhotoFile], list[Problem]]:
    """Every row as a photo for a target, or its problem."""
    targets, problems = find_targets(stack, found.rows)
    photos = []
    max_bytes = min(stack.settings.max_source_bytes, limit_source(stack.settings.picture.function_memory))
    for row in found.rows:
        try:
            path = folder.find(row.file)
            if id(row) in targets:
                target = targets[id(row)]
                photos.append(check_photo(path, row.file, row.line, target, prefix=prefix, max_bytes=max_bytes))
        except (ValueError, OSError) as problem:
            problems.append(Problem(row.line, row.file, str(problem)))
    problems += [*found.problems, *_find_conflicts(photos)]
    return photos, sorted(problems, key=lambda problem: (problem.line or 0, problem.file))


def find_targets(stack: Stack, rows: Sequence[Row]) -> tuple[dict[int, Target], list[Problem]]:
    """The rows' targets by the rows' identity, and the problems of the rows without one."""
    targets, problems = {}, []
    questions = sum(row.reference.needs_superoffice for row in rows)
    with show_progress("Asking SuperOffice", questions) if questions else nullcontext(Steps(None, None)) as steps:
        lookup = Lookup(stack.crm)
        for row in rows:
            try:
                targets[id(row)] = lookup.find_target(row.reference)
            except ValueError as problem:
                problems.append(Problem(row.line, row.file, str(problem)))
            if row.reference.needs_superoffice:
                steps.advance()
    return targets, problems


def find_without_picture(stack: Stack, targets: Sequence[Target]) -> set[Target]:
    """The targets whose record shows no picture, by the rule of REPLACE_PICTURES: SuperOffice decides."""
    without = set()
    with show_progress("Asking SuperOffice", len(targets)) as steps:
        for target, has_picture in stack.crm.find_pictures(targets):
            if not has_picture:
                without.add(target)
            steps.advance()
    return without


def _find_conflicts(photos: Sequence[PhotoFile]) -> list[Problem]:
    """A record shows one picture, and only the operator knows which of two photos that is."""
    counts = Counter(photo.target for photo in photos)
    return [
        Problem(photo.line, photo.name, f"{describe_target(photo.target)} has several photos; keep one")
        for photo in photos
        if counts[photo.target] > 1
    ]
