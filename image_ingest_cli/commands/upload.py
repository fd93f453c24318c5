"""`image-ingest upload` and `missing`: a folder of photos becomes uploads, and who has no picture yet."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from image_ingest.errors import CATALOGUE
from image_ingest.ledger.order import Mark
from image_ingest.target import Target
from image_ingest_cli.aws.follow import Outcome, follow
from image_ingest_cli.aws.ledger import read_items
from image_ingest_cli.aws.stack import WORKERS, Stack
from image_ingest_cli.aws.transfer import Photo, Sent, is_present, photo, send
from image_ingest_cli.errors import Trouble, misuse
from image_ingest_cli.parallel import in_parallel
from image_ingest_cli.photos.folder import Folder
from image_ingest_cli.photos.lookup import Lookup
from image_ingest_cli.photos.manifest import Problem, Reading, Row, read_manifest, who
from image_ingest_cli.terminal import console
from image_ingest_cli.terminal.options import DEFAULT_STACK, AsJson, DryRun, StackName
from image_ingest_cli.terminal.targets import entity_type

_COLUMNS = (
    *("line", "file", "entity_type", "entity_id", "key", "version_id"),
    *("action", "outcome", "blob_id", "error_code", "message", "advice"),
)
_PATIENCE = "Ask again with image-ingest status; if it stays, image-ingest doctor says what is wrong."
_SHOWN = 50  # failures on the screen


@dataclass(frozen=True)
class Wish:
    """How the operator says which file is for whom."""

    paths: Sequence[Path]
    entity: str | None
    entity_id: str | None
    manifest: Path | None
    pattern: str | None

    def read(self) -> tuple[Folder, Reading]:
        """The rows and what is wrong with them. Raises Trouble for a wish that makes no sense."""
        ways = [self.entity_id, self.manifest, self.pattern]
        if sum(way is not None for way in ways) != 1:
            raise misuse("Say whose pictures these are: --entity and --id, or --manifest, or --pattern.")
        kind = entity_type(self.entity) if self.entity else None
        if self.entity_id is not None:
            return self._single(self.entity_id)
        folder = Folder(self._folder())
        if self.manifest is not None:
            return folder, read_manifest(self.manifest, kind)
        reading, others = folder.matching(self.pattern or "", kind)
        if others:
            shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
            console.note(f"Not matched by the pattern: {console.many(len(others), 'file')} ({shown})")
        return folder, reading

    def _single(self, entity_id: str) -> tuple[Folder, Reading]:
        if len(self.paths) != 1 or self.paths[0].is_dir():
            raise misuse("--id takes one file; for a folder use --manifest or --pattern.")
        if self.entity is None:
            raise misuse("--id needs --entity: person, project, contact or product.")
        path = self.paths[0]
        try:
            row = Row(None, path.name, who({"entity_id": entity_id}, entity_type(self.entity)))
        except ValueError as problem:
            raise misuse(f"--id: {problem}.") from None
        return Folder(path.parent, follows=True), Reading([row])

    def _folder(self) -> Path:
        if len(self.paths) != 1 or not self.paths[0].is_dir():
            raise misuse("--manifest and --pattern take one folder.")
        return self.paths[0]


def upload(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", exists=True, help="One photo, or the folder of photos.")
    ],
    *,
    entity: Annotated[str | None, typer.Option(help="person, project, contact or product.")] = None,
    entity_id: Annotated[str | None, typer.Option("--id", help="The record's id in SuperOffice.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV: file, entity_type, and entity_id or email, associate_id (person), number, orgnr (contact).",
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="How file names tell, such as '{entity}/{id}.*' or '{email}.*'.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before every key in the bucket.")] = "",
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Skip records that show a picture.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow every upload to its outcome.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that --wait lasts at most.")] = 900,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write what became of each file as CSV.")] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Upload photos for the records they belong to.

    Every row is checked before the first byte moves. A second run skips what S3 holds already with the same bytes
    and target, so an interrupted upload is simply started again.

    Examples:

    \b
        image-ingest upload me.jpg --entity person --id 123 --wait
        image-ingest upload photos --manifest people.csv --dry-run
        image-ingest upload photos --pattern '{email}.*' --wait --report result.csv
    """
    target_stack = Stack(stack)
    folder, reading = Wish(paths, entity, entity_id, manifest, pattern).read()
    photos, problems = _plan(target_stack, folder, reading, prefix)
    if problems:
        _refuse(problems, as_json=json)
    if not photos:
        raise Trouble("There is nothing to upload: no file matched.")
    if only_missing:
        photos = _without_picture(target_stack, photos)
    if dry_run:
        _show_plan(target_stack, photos, as_json=json)
        return
    sent = _send(target_stack, photos)
    outcomes = _follow(target_stack, sent, timeout) if wait else None
    rows = [_row(one, outcomes[i] if outcomes else None) for i, one in enumerate(sent)]
    _show(rows, report, as_json=json, waited=wait)
    if any(one.action == "failed" for one in sent) or any(outcome.failed for outcome in outcomes or ()):
        raise typer.Exit(1)


def missing(
    manifest: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, as for upload; no file needed.")],
    *,
    entity: Annotated[str | None, typer.Option(help="For rows that name no entity type.")] = None,
    json: AsJson = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List who has no picture yet, as CSV for those who have the photos.

    Examples:

    \b
        image-ingest missing people.csv --entity person > ask-for-photos.csv
    """
    target_stack = Stack(stack)
    kind = entity_type(entity) if entity else None
    reading = read_manifest(manifest, kind, needs_file=False)
    targets, problems = _targets(target_stack, reading.rows)
    problems = sorted([*reading.problems, *problems], key=lambda problem: problem.line or 0)
    for problem in problems:
        console.note(problem, "red")
    without = set(targets_without_picture(target_stack, list(targets.values())))
    rows = [row for row in reading.rows if targets.get(id(row)) in without]
    if json:
        console.say_json([_missing_row(row, targets[id(row)]) for row in rows])
    else:
        columns = ["line", "entity_type", "entity_id", "given_by", "name"]
        console.write_csv(sys.stdout, columns, [list(_missing_row(row, targets[id(row)]).values()) for row in rows])
    if problems:
        raise typer.Exit(1)


def targets_without_picture(stack: Stack, targets: Sequence[Target]) -> list[Target]:
    """Those that show no picture: by the ledger where it knows one, else by asking SuperOffice."""
    tenant = stack.crm.own_tenant()
    items = read_items(stack, targets)
    without = []
    with console.progress("Asking SuperOffice", len(targets)) as steps:
        for target in targets:
            item = items.get(str(target), {})
            known = "blob_id" in item and item.get("tenant") == tenant
            if not known and not stack.crm.has_picture(target):
                without.append(target)
            steps.done()
    return without


def _missing_row(row: Row, target: Target) -> dict[str, Any]:
    given = None if row.who.column == "entity_id" else row.who.value
    return {
        "line": row.line,
        "entity_type": target.entity_type,
        "entity_id": target.entity_id,
        "given_by": given,
        "name": row.who.name,
    }


def _plan(stack: Stack, folder: Folder, reading: Reading, prefix: str) -> tuple[list[Photo], list[Problem]]:
    """Every row as a photo for a target, or what is wrong with it."""
    targets, problems = _targets(stack, reading.rows)
    photos = []
    max_bytes = stack.settings.max_source_bytes
    for row in reading.rows:
        try:
            path = folder.find(row.file)
            if id(row) in targets:
                photos.append(photo(path, row.file, row.line, targets[id(row)], prefix=prefix, max_bytes=max_bytes))
        except (ValueError, OSError) as problem:
            problems.append(Problem(row.line, row.file, str(problem)))
    problems += [*reading.problems, *_doubles(photos)]
    return photos, sorted(problems, key=lambda problem: (problem.line or 0, problem.where))


def _targets(stack: Stack, rows: Sequence[Row]) -> tuple[dict[int, Target], list[Problem]]:
    """The rows' targets, by the rows' identity."""
    targets, problems = {}, []
    asked = sum(row.who.target is None or row.who.name is not None for row in rows)
    with ExitStack() as context:
        steps = context.enter_context(console.progress("Asking SuperOffice", asked)) if asked else None
        lookup = Lookup(stack.crm)
        for row in rows:
            try:
                targets[id(row)] = lookup.target(row.who)
            except ValueError as problem:
                problems.append(Problem(row.line, row.file, str(problem)))
            if steps and (row.who.target is None or row.who.name is not None):
                steps.done()
    return targets, problems


def _doubles(photos: Sequence[Photo]) -> list[Problem]:
    """Which of two photos a record should show is not for us to guess."""
    counts = Counter(one.target for one in photos)
    return [
        Problem(one.line, one.name, f"{one.target.entity_type} {one.target.entity_id} gets several photos; keep one")
        for one in photos
        if counts[one.target] > 1
    ]


def _refuse(problems: Sequence[Problem], *, as_json: bool) -> None:
    if as_json:
        console.say_json({"problems": [{"line": p.line, "file": p.where, "problem": p.what} for p in problems]})
    for problem in problems:
        console.note(f"{problem.where}, {problem}" if problem.line and problem.where else problem, "red")
    raise Trouble(f"Nothing was uploaded, as there is a problem with {console.many(len(problems), 'row')}.")


def _without_picture(stack: Stack, photos: Sequence[Photo]) -> list[Photo]:
    without = set(targets_without_picture(stack, [one.target for one in photos]))
    kept = [one for one in photos if one.target in without]
    console.note(f"Skipped, as they show a picture already: {console.many(len(photos) - len(kept), 'record')}.")
    return kept


def _show_plan(stack: Stack, photos: Sequence[Photo], *, as_json: bool) -> None:
    present = {
        one.key for one, there in in_parallel(lambda one: (one, is_present(stack, one)), photos, WORKERS) if there
    }
    plan = [
        {
            "line": one.line,
            "file": one.name,
            "entity_type": one.target.entity_type,
            "entity_id": one.target.entity_id,
            "key": one.key,
            "action": "present" if one.key in present else "upload",
        }
        for one in photos
    ]
    if as_json:
        console.say_json({"plan": plan})
        return
    console.say_table(
        ["file", "for", "as", "action"],
        [(row["file"], f"{row['entity_type']} {row['entity_id']}", row["key"], row["action"]) for row in plan],
    )
    count = Counter(row["action"] for row in plan)
    console.say(f"{count['upload']} would be uploaded to {stack.bucket}, {count['present']} are there already.")


def _send(stack: Stack, photos: Sequence[Photo]) -> list[Sent]:
    sent = []
    with console.progress("Uploading", len(photos)) as steps:
        for one in send(stack, photos):
            sent.append(one)
            steps.done()
    order = {photo.key: i for i, photo in enumerate(photos)}
    return sorted(sent, key=lambda one: order[one.photo.key])


def _follow(stack: Stack, sent: Sequence[Sent], timeout: float) -> list[Outcome]:
    arrived = [one for one in sent if one.mark is not None]
    with console.progress("Following", len(arrived)) as steps:
        followed = iter(follow(stack, arrived, timeout, steps))
    return [next(followed) if one.mark is not None else Outcome(one, None) for one in sent]


def _row(sent: Sent, outcome: Outcome | None) -> dict[str, Any]:
    ended = outcome.ending if outcome else None
    code = ended.code if ended else outcome.code if outcome else None
    message = ended.message if ended else outcome.message if outcome else None
    mark: Mark | None = sent.mark
    waiting = outcome is not None and ended is None and mark is not None
    return {
        "line": sent.photo.line,
        "file": sent.photo.name,
        "entity_type": sent.photo.target.entity_type,
        "entity_id": sent.photo.target.entity_id,
        "key": sent.photo.key,
        "version_id": mark.version_id if mark else None,
        "action": sent.action,
        "outcome": ended.outcome if ended else "waiting" if waiting else None,
        "blob_id": ended.blob_id if ended else None,
        "error_code": code,
        "message": sent.problem or message,
        "advice": CATALOGUE[code].advice if code in CATALOGUE else _PATIENCE if waiting else None,
    }


def _show(rows: Sequence[dict[str, Any]], report: Path | None, *, as_json: bool, waited: bool) -> None:
    if report is not None:
        with report.open("w", encoding="utf-8-sig", newline="") as file:
            console.write_csv(file, _COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
    counts = Counter(row["action"] for row in rows)
    outcomes = Counter(row["outcome"] for row in rows if row["outcome"])
    if as_json:
        console.say_json({"uploads": rows, "actions": counts, "outcomes": outcomes})
        return
    bad = [row for row in rows if row["action"] == "failed" or row["outcome"] in {"rejected", "waiting"}]
    if bad:
        console.say_table(["file", "for", "outcome", "why", "what to do"], [_why(row) for row in bad[:_SHOWN]])
    if len(bad) > _SHOWN:
        console.say(f"… and {len(bad) - _SHOWN} more; --report FILE writes them all.")
    console.say(", ".join(f"{count} {action}" for action, count in sorted(counts.items())) + ".")
    if waited:
        console.say("Outcomes: " + (", ".join(f"{n} {name}" for name, n in sorted(outcomes.items())) or "none") + ".")


def _why(row: dict[str, Any]) -> list[Any]:
    why = ": ".join(filter(None, [row["error_code"], row["message"]]))
    target = f"{row['entity_type']} {row['entity_id']}"
    return [row["file"], target, row["outcome"] or row["action"], why, row["advice"]]
