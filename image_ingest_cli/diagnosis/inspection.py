"""What the function would do with an upload now: its own prediction, and what SuperOffice says of the record."""

from __future__ import annotations

from image_ingest.deadline import Deadline
from image_ingest.errors import Rejected
from image_ingest.picture import Picture
from image_ingest.predict import predict
from image_ingest.superoffice import Calls, ImageInfo
from image_ingest.target import Target
from image_ingest.upload import Removal, Upload
from image_ingest_cli.aws.stack import Stack
from image_ingest_cli.diagnosis.prediction import Inspection, Prediction
from image_ingest_cli.errors import CommandError


def inspect(stack: Stack, request: Upload | Removal, *, past_picture: bool = False) -> Inspection:
    """Predicts the outcome of an upload or removal by the actual object, ledger and record.

    `past_picture`: its picture was made before, so that the bytes need not be read again.
    """
    superoffice = _Acceptance(stack)
    predicted = predict(
        request,
        settings=stack.settings,
        objects=stack.objects,
        table=stack.table,
        superoffice=superoffice,
        read_bytes=not past_picture,
    )
    result = predicted.result
    message = superoffice.remark if result.outcome == "stored" else result.message
    return Inspection(
        request=request,
        obj=predicted.obj,
        identity=predicted.identity,
        target=predicted.target,
        item=predicted.item,
        picture=predicted.picture,
        prediction=Prediction(result.outcome, result.error_code, message),
    )


class _Acceptance:
    """Whether SuperOffice would accept a picture, as far as a harmless read can tell. Stores nothing."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.remark: str | None = None

    def tenant(self, deadline: Deadline) -> str:
        return self._stack.crm.get_tenant()

    def put_image(self, target: Target, picture: Picture, deadline: Deadline, calls: Calls) -> int:
        try:
            record = self._stack.crm.find_record(target)
        except CommandError as refusal:
            self.remark = f"unless SuperOffice refuses it. Asked for the record, it replied: {refusal}"
            return 0
        if record is None:
            code = "superoffice.bad-request" if target.entity_type == "person" else "superoffice.not-found"
            raise Rejected(code, f"SuperOffice has no {target.entity_type} {target.entity_id}.")
        return 0

    def delete_image(self, target: Target, deadline: Deadline, calls: Calls) -> bool:
        return False

    def image_info(self, target: Target, deadline: Deadline, calls: Calls) -> ImageInfo | None:
        return self._stack.crm.get_image_info(target)
