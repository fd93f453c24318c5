"""What the template promises and no emulator checks. A resource's intrinsic functions stand here in their long form."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # has no types

from image_ingest.report import NAMESPACE
from image_ingest.settings import InvalidSettings, Settings
from tests import ROOT

REQUIRED = {"SUPEROFFICE_SECRET_ID": "s", "LEDGER_TABLE_NAME": "t", "DEAD_LETTER_QUEUE_URL": "q"}
METRICS = {
    *("Stored", "Unchanged", "Duplicate", "Superseded", "Removed", "Kept", "Ignored", "Rejected", "Deferred"),
    *("SourceBytes", "UploadedBytes", "PictureMilliseconds", "SuperOfficeMilliseconds", "SuperOfficeCalls"),
}


@functools.cache
def template() -> dict[str, Any]:
    document = yaml_parse((ROOT / "template.yaml").read_text())
    assert isinstance(document, dict)
    return document


PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
RESOURCES: dict[str, dict[str, Any]] = template()["Resources"]


def properties(name: str) -> dict[str, Any]:
    return dict(RESOURCES[name]["Properties"])


def of_type(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in RESOURCES.items():
        if resource["Type"] == kind:
            yield name, resource["Properties"]


def statements() -> list[dict[str, Any]]:
    """The role's statements, those under a condition too."""
    (policy,) = properties("ImageIngestRole")["Policies"]
    listed = policy["PolicyDocument"]["Statement"]
    return [entry["Fn::If"][1] if "Fn::If" in entry else entry for entry in listed]


def actions(statement: Mapping[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


# --- names ---


def test_logical_ids_and_outputs_are_the_public_ones() -> None:
    assert {
        *("UploadBucket", "IngestQueue", "DeadLetterQueue", "LedgerTable"),
        *("SuperOfficeSecret", "PillowLayer", "ImageIngestFunction"),
    } <= RESOURCES.keys()
    assert template()["Outputs"].keys() == {
        *("NextStep1FillTheSecret", "NextStep2UploadAPhoto"),
        *("UploadBucketName", "IngestQueueUrl", "DeadLetterQueueUrl"),
        *("LedgerTableName", "SuperOfficeSecretArn", "ImageIngestFunctionName"),
    }


@pytest.mark.parametrize(
    ("resource", "attribute"),
    [("UploadBucket", "BucketName"), ("IngestQueue", "QueueName"), ("DeadLetterQueue", "QueueName")],
)
def test_names_end_in_the_stack_s_id_and_not_in_its_name(resource: str, attribute: str) -> None:
    separator, (prefix, suffix) = properties(resource)[attribute]["Fn::Join"]
    assert suffix == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    assert f"{prefix}{separator}".islower()
    assert len(prefix) + 1 + 36 <= 63 if attribute == "BucketName" else len(prefix) + 1 + 36 <= 80


def test_nothing_else_has_a_fixed_name() -> None:
    fixed = {"TableName", "FunctionName", "RoleName", "TopicName", "AlarmName", "DashboardName", "LogGroupName"}
    named = {name: fixed & resource["Properties"].keys() for name, resource in RESOURCES.items()}
    assert {name: attributes for name, attributes in named.items() if attributes} == {}
    assert "Name" not in properties("SuperOfficeSecret")


# --- parameters and settings ---


def test_samconfig_and_its_comments_name_parameters_with_allowed_values() -> None:
    text = (ROOT / "samconfig.toml").read_text()
    listed = dict(re.findall(r'^ +(?:# )?"(\w+)=([^"]+)"', text, re.MULTILINE))
    assert {"Architecture", "Monitoring", "AlarmEmail", "OutcomeEventBus"} <= listed.keys() <= PARAMETERS.keys()
    for name, value in listed.items():
        assert re.search(PARAMETERS[name].get("AllowedPattern", ""), value), name
        assert value in PARAMETERS[name].get("AllowedValues", [value]), name


def variables() -> dict[str, str]:
    """The function's settings with the parameters' defaults."""
    environment = properties("ImageIngestFunction")["Environment"]["Variables"]
    names = {variable: value["Ref"] for variable, value in environment.items() if "Ref" in value}
    return {
        variable: str(PARAMETERS[name]["Default"])
        for variable, name in names.items()
        if name in PARAMETERS and variable != "POWERTOOLS_LOG_LEVEL"
    }


def test_the_template_s_defaults_are_the_function_s() -> None:
    assert Settings.from_environment({**variables(), **REQUIRED}) == Settings.from_environment(REQUIRED)


def test_every_setting_has_a_parameter_of_its_own_name() -> None:
    source = (ROOT / "functions/image_ingest/settings.py").read_text()
    settings = set(re.findall(r'read\.\w+\(\s*"([A-Z_]+)"', source)) - REQUIRED.keys()
    assert len(settings) >= 15
    assert variables().keys() == settings
    environment = properties("ImageIngestFunction")["Environment"]["Variables"]
    for variable in settings:
        name = "".join(part.capitalize() for part in variable.split("_"))
        assert environment[variable] == {"Ref": name.replace("Superoffice", "SuperOffice")}


def test_what_the_stack_makes_is_handed_to_the_function() -> None:
    environment = properties("ImageIngestFunction")["Environment"]["Variables"]
    assert environment["LEDGER_TABLE_NAME"] == {"Ref": "LedgerTable"}
    assert environment["DEAD_LETTER_QUEUE_URL"] == {"Ref": "DeadLetterQueue"}
    assert environment["SUPEROFFICE_SECRET_ID"] == template()["Outputs"]["SuperOfficeSecretArn"]["Value"]
    assert "POWERTOOLS_SERVICE_NAME" not in environment


def bounds() -> Iterator[tuple[str, str, bool]]:
    """Variable, value, and whether the template lets the value through."""
    for variable in variables():
        name = properties("ImageIngestFunction")["Environment"]["Variables"][variable]["Ref"]
        parameter = PARAMETERS[name]
        for edge, beyond in (("MinValue", -1), ("MaxValue", 1)):
            if edge in parameter:
                yield variable, str(parameter[edge]), True
                yield variable, str(parameter[edge] + beyond), False
        for value in parameter.get("AllowedValues", []):
            yield variable, value, True


@pytest.mark.parametrize(("variable", "value", "good"), list(bounds()))
def test_bounds_are_the_function_s(variable: str, value: str, good: bool) -> None:  # a table's column
    if good:
        Settings.from_environment({**REQUIRED, variable: value})
    else:
        with pytest.raises(InvalidSettings, match=variable):
            Settings.from_environment({**REQUIRED, variable: value})


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_every_parameter_is_explained_and_in_a_group(name: str) -> None:
    parameter = PARAMETERS[name]
    assert len(parameter["Description"]) > 20
    limits = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"} & parameter.keys()
    assert limits or parameter["Type"] == "CommaDelimitedList"
    assert bool(limits) == ("ConstraintDescription" in parameter)
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sum(group["Parameters"].count(name) for group in groups) == 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("OriginalsExpireAfterDays", ["0", "15", "30", "365"], ["", "1", "14", "015", "-1", "15.5"]),
        ("ReservedConcurrency", ["none", "same", "0", "5", "1000"], ["", "-1", "None", "00"]),
        ("AlarmEmail", ["", "ops@example.com"], ["ops", "a b@example.com"]),
        ("HttpsProxy", ["", "http://proxy.example.com:3128"], ["proxy:3128", "http://user:word@proxy"]),
        (
            "TargetKeyPattern",
            ["", r"(?P<entity_type>\w+)/(?P<entity_id>\d+)\.", r"(?P<entity_id>\d+)-(?P<entity_type>\w+)"],
            [r"(?P<entity_type>\w+)", "x"],
        ),
        ("SuperOfficeLanguage", ["", "en", "en; q=0.8"], [" en", "en\n", "ø"]),
        (
            "SuperOfficeSecretId",
            ["", "arn:aws:secretsmanager:eu-north-1:123456789012:secret:crm/image-AbCdEf"],
            ["crm/image", "arn:aws:s3:::bucket"],
        ),
        (
            "KmsKeyArn",
            ["", "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
            ["alias/mine", "arn:aws:kms:eu-north-1:123456789012:alias/mine"],
        ),
    ],
)
def test_patterns(name: str, good: list[str], bad: list[str]) -> None:
    pattern = re.compile(PARAMETERS[name]["AllowedPattern"])
    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []


# --- uploads ---


def test_the_bucket_is_private_versioned_and_keeps_what_dead_letters_need() -> None:
    bucket = properties("UploadBucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = [rule["Fn::If"][1] if "Fn::If" in rule else rule for rule in bucket["LifecycleConfiguration"]["Rules"]]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    merged = {name: value for rule in rules for name, value in rule.items()}
    assert merged["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert merged["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] > 0
    assert merged["ExpirationInDays"] == {"Ref": "OriginalsExpireAfterDays"}


@pytest.mark.parametrize("name", ["UploadBucket", "LedgerTable"])
def test_data_outlives_the_stack_but_not_a_failed_creation(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", ["UploadBucketPolicy", "IngestQueuePolicy", "DeadLetterQueuePolicy"])
def test_plain_http_is_denied(name: str) -> None:
    (denial,) = [s for s in properties(name)["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    assert denial["Principal"] == "*"
    assert denial["Action"] in {"s3:*", "sqs:*"}
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_this_bucket_of_this_account_may_send() -> None:
    statements = properties("IngestQueuePolicy")["PolicyDocument"]["Statement"]
    (grant,) = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert grant["Principal"] == {"Service": "s3.amazonaws.com"}
    assert grant["Action"] == "sqs:SendMessage"
    assert grant["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    arn, values = grant["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    prefix, suffix = properties("UploadBucket")["BucketName"]["Fn::Join"][1]
    assert arn == f"arn:${{AWS::Partition}}:s3:::{prefix}-${{Suffix}}"
    assert values == {"Suffix": suffix}
    assert RESOURCES["UploadBucket"]["DependsOn"] == "IngestQueuePolicy"


# --- queues ---


def test_every_queue_has_a_dead_letter_queue_or_is_one() -> None:
    targets = [
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for _, queue in of_type("AWS::SQS::Queue")
        if "RedrivePolicy" in queue
    ]
    without = {name for name, queue in of_type("AWS::SQS::Queue") if "RedrivePolicy" not in queue}
    assert without == set(targets) == {"DeadLetterQueue"}
    assert properties("IngestQueue")["RedrivePolicy"]["maxReceiveCount"] == {"Ref": "MaxAttempts"}
    redrive = properties("DeadLetterQueue")["RedriveAllowPolicy"]
    (source,) = redrive["sourceQueueArns"]
    assert redrive["redrivePermission"] == "byQueue"
    assert source["Fn::Sub"][0].endswith(":superoffice-image-ingest-${Suffix}")


def test_messages_live_long_enough() -> None:
    day = 24 * 60 * 60
    ingest, dead = properties("IngestQueue"), properties("DeadLetterQueue")
    assert ingest["VisibilityTimeout"] >= 6 * properties("ImageIngestFunction")["Timeout"]
    assert (ingest["MessageRetentionPeriod"], dead["MessageRetentionPeriod"]) == (7 * day, 14 * day)


@pytest.mark.parametrize("name", ["IngestQueue", "DeadLetterQueue"])
def test_queues_are_encrypted_by_sqs_or_an_own_key(name: str) -> None:
    queue = properties(name)
    assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["UsesOwnKey", {"Ref": "AWS::NoValue"}, True]}
    assert queue["KmsMasterKeyId"] == {"Fn::If": ["UsesOwnKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


# --- table, secret, logs ---


def test_the_table_is_encrypted_backed_up_and_paid_by_use() -> None:
    table = properties("LedgerTable")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["KeySchema"] == [{"AttributeName": "target", "KeyType": "HASH"}]


def test_no_update_can_overwrite_the_secret_s_value() -> None:
    assert not {"SecretString", "GenerateSecretString"} & properties("SuperOfficeSecret").keys()
    assert RESOURCES["SuperOfficeSecret"]["Condition"] == "CreatesSecret"


def test_logs_are_kept_three_months_at_least() -> None:
    retention = PARAMETERS["LogRetentionDays"]
    assert min(*retention["AllowedValues"], retention["Default"]) >= 90
    assert properties("ImageIngestLogGroup")["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties("ImageIngestFunction")["LoggingConfig"] == {"LogGroup": {"Ref": "ImageIngestLogGroup"}}


# --- function ---


def test_the_function_is_triggered_one_upload_at_a_time() -> None:
    function = properties("ImageIngestFunction")
    (event,) = function["Events"].values()
    assert event["Type"] == "SQS"
    assert event["Properties"] == {
        "Queue": {"Fn::GetAtt": ["IngestQueue", "Arn"]},
        "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "MaxConcurrency"}},
    }
    assert function["ReservedConcurrentExecutions"] == {
        "Fn::If": [
            "ReservesNone",
            {"Ref": "AWS::NoValue"},
            {"Fn::If": ["ReservesSame", {"Ref": "MaxConcurrency"}, {"Ref": "ReservedConcurrency"}]},
        ]
    }
    assert PARAMETERS["ReservedConcurrency"]["Default"] == "none", "a new account can reserve nothing"


def test_the_function_runs_what_the_build_makes() -> None:
    function, layer = properties("ImageIngestFunction"), RESOURCES["PillowLayer"]
    assert function["Runtime"] == "python3.13"
    assert layer["Properties"]["CompatibleRuntimes"] == ["python3.13"]
    architecture = {"Ref": "Architecture"}
    assert function["Architectures"] == layer["Properties"]["CompatibleArchitectures"] == [architecture]
    assert layer["Metadata"]["BuildArchitecture"] == architecture
    assert PARAMETERS["Architecture"]["Default"] == "arm64"
    assert PARAMETERS["Architecture"]["AllowedValues"] == ["arm64", "x86_64"]
    assert layer["Properties"]["RetentionPolicy"] == "Delete"
    assert function["MemorySize"] == {"Ref": "MemorySize"}
    assert PARAMETERS["MemorySize"]["Default"] == 1024
    assert function["Tracing"] == "Active"


# --- role ---


def test_the_role_may_do_this_and_nothing_else() -> None:
    granted = {statement["Sid"]: set(actions(statement)) for statement in statements()}
    assert granted == {
        "ReadUploads": {"s3:GetObject", "s3:GetObjectVersion"},
        "DistinguishMissingFromDenied": {"s3:ListBucket"},
        "FindVersionsOfDeletedObjects": {"s3:ListBucketVersions"},
        "ReportOutcomes": {"events:PutEvents"},
        "ReceiveUploads": {
            *("sqs:ReceiveMessage", "sqs:DeleteMessage"),
            *("sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"),
        },
        "SendDeadLetters": {"sqs:SendMessage"},
        "UpdateLedger": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "ReadCredential": {"secretsmanager:GetSecretValue"},
        "Log": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "Trace": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
        "UseOwnKey": {"kms:Decrypt", "kms:GenerateDataKey"},
        "UseOwnKeyForLedger": {
            *("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"),
        },
        "JoinNetwork": {
            *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
            *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
            *("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
        },
    }
    assert "ManagedPolicyArns" not in properties("ImageIngestRole")
    assert "Policies" not in properties("ImageIngestFunction")


def test_every_grant_is_for_named_resources_of_this_stack() -> None:
    resources = {statement["Sid"]: statement["Resource"] for statement in statements()}
    assert {sid for sid, resource in resources.items() if resource == "*"} == {"Trace", "JoinNetwork"}
    assert resources["ReadUploads"]["Fn::Sub"] == "arn:${AWS::Partition}:s3:::${UploadBucket}/*"
    assert resources["DistinguishMissingFromDenied"]["Fn::Sub"] == "arn:${AWS::Partition}:s3:::${UploadBucket}"
    for sid, name in {
        "ReceiveUploads": "IngestQueue",
        "SendDeadLetters": "DeadLetterQueue",
        "UpdateLedger": "LedgerTable",
        "Log": "ImageIngestLogGroup",
    }.items():
        assert resources[sid] == {"Fn::GetAtt": [name, "Arn"]}
    assert resources["FindVersionsOfDeletedObjects"] == resources["DistinguishMissingFromDenied"]
    assert resources["ReadCredential"] == template()["Outputs"]["SuperOfficeSecretArn"]["Value"]


@pytest.mark.parametrize(
    ("bus", "arn"),
    [
        ("default", "arn:aws:events:eu-north-1:123456789012:event-bus/default"),
        ("photos.outcomes", "arn:aws:events:eu-north-1:123456789012:event-bus/photos.outcomes"),
        *[("arn:aws-cn:events:cn-north-1:210987654321:event-bus/partner/x",) * 2],
    ],
)
def test_the_grant_for_outcomes_is_for_exactly_that_bus(bus: str, arn: str) -> None:
    values = {
        "OutcomeEventBus": bus,
        "AWS::Partition": "aws",
        "AWS::Region": "eu-north-1",
        "AWS::AccountId": "123456789012",
    }

    def substitute(text: str, more: dict[str, str]) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda match: (values | more)[match[1]], text)

    def select(part: Mapping[str, Any]) -> str:
        index, split = part["Fn::Select"]
        delimiter, text = split["Fn::Split"]
        return str(substitute(text["Fn::Sub"], {}).split(delimiter)[index])

    (grant,) = [statement for statement in statements() if statement["Sid"] == "ReportOutcomes"]
    form, parts = grant["Resource"]["Fn::Sub"]
    assert substitute(form, {name: select(part) for name, part in parts.items()}) == arn


def test_network_interfaces_are_lambda_s_business_not_the_code_s() -> None:
    (allowed,) = [statement for statement in statements() if statement["Sid"] == "JoinNetwork"]
    denial = RESOURCES["ImageIngestNetworkDenial"]
    assert (denial["Condition"], denial["Properties"]["Roles"]) == ("InVpc", [{"Ref": "ImageIngestRole"}])
    (denied,) = denial["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Resource"]) == ("Deny", "*")
    assert set(allowed["Action"]) <= set(denied["Action"])
    function = {"Fn::GetAtt": ["ImageIngestFunction", "Arn"]}
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": function}}


def test_deletions_are_subscribed_to_and_granted_only_where_the_operator_said_so() -> None:
    created, removed = properties("UploadBucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert created["Event"] == "s3:ObjectCreated:*"
    condition, configuration, otherwise = removed["Fn::If"]
    assert (condition, otherwise) == ("RemovesWhenDeleted", {"Ref": "AWS::NoValue"})
    assert configuration["Event"] == "s3:ObjectRemoved:*", "a lifecycle expiration must not remove a picture"
    conditions = {
        entry["Fn::If"][1]["Sid"]: entry["Fn::If"][0]
        for entry in properties("ImageIngestRole")["Policies"][0]["PolicyDocument"]["Statement"]
        if "Fn::If" in entry
    }
    assert conditions["FindVersionsOfDeletedObjects"] == "RemovesWhenDeleted"
    assert conditions["ReportOutcomes"] == "ReportsOutcomes"


def test_the_own_key_covers_everything_that_is_stored() -> None:
    encrypted = {name for name, resource in RESOURCES.items() if "KmsKeyArn" in json.dumps(resource["Properties"])}
    assert encrypted == {
        *("UploadBucket", "IngestQueue", "DeadLetterQueue", "LedgerTable", "SuperOfficeSecret"),
        *("ImageIngestFunction", "ImageIngestRole", "ImageIngestLogGroup", "AlarmTopic"),
    }


# --- monitoring ---


def alarms() -> dict[str, dict[str, Any]]:
    return dict(of_type("AWS::CloudWatch::Alarm"))


def metrics_of(alarm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The metrics that an alarm looks at."""
    compared = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    return compared or [alarm]


def test_alarms_watch_what_an_operator_must_know() -> None:
    assert alarms().keys() == {
        *("DeadLettersWaitingAlarm", "SecretRefusedAlarm", "CredentialRefusedAlarm", "UploadsStuckAlarm"),
        *("NothingStoredAlarm", "FunctionErrorsAlarm", "FunctionThrottlesAlarm"),
    }


@pytest.mark.parametrize("name", list(alarms()))
def test_every_alarm_says_what_to_run_and_tells_somebody(name: str) -> None:
    alarm = alarms()[name]
    assert "image-ingest " in alarm["AlarmDescription"]["Fn::Sub"]
    assert "--stack ${AWS::StackName}" in alarm["AlarmDescription"]["Fn::Sub"]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("name", list(alarms()))
def test_every_alarm_looks_at_a_metric_that_exists(name: str) -> None:
    dimensions: dict[str, list[dict[str, Any]]] = {
        "AWS/SQS": [
            {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}} for queue in ("IngestQueue", "DeadLetterQueue")
        ],
        "AWS/Lambda": [{"FunctionName": {"Ref": "ImageIngestFunction"}}],
        NAMESPACE: [{}, {"ErrorCode": "credentials.invalid"}, {"ErrorCode": "superoffice.unauthorized"}],
    }
    for metric in metrics_of(alarms()[name]):
        named = {entry["Name"]: entry["Value"] for entry in metric.get("Dimensions", [])}
        assert named in dimensions[metric["Namespace"]]
        assert metric["Namespace"] != NAMESPACE or metric["MetricName"] in METRICS


def test_the_dashboard_shows_every_metric_that_the_function_counts() -> None:
    body = re.sub(r"\$\{[A-Za-z:.]+\}", "x", properties("Dashboard")["DashboardBody"]["Fn::Sub"])
    widgets = json.loads(body)["widgets"]
    assert len(widgets) >= 8
    for metric in METRICS:
        assert metric in body
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)


def test_saved_queries_ask_for_fields_that_the_log_has() -> None:
    logged = set(re.findall(r'"(\w+)": ', (ROOT / "functions/image_ingest/report.py").read_text())) | {"correlation_id"}
    queries = dict(of_type("AWS::Logs::QueryDefinition"))
    assert len(queries) >= 4
    for query in queries.values():
        assert query["LogGroupNames"] == [{"Ref": "ImageIngestLogGroup"}]
        for fields in re.findall(r"fields (.*)", query["QueryString"]):
            assert {field.strip() for field in fields.split(",")} <= logged | {"@timestamp"}


def test_e_mail_is_optional_and_full_monitoring_is_what_is_deployed() -> None:
    assert RESOURCES["AlarmSubscription"]["Condition"] == "SendsEmail"
    assert PARAMETERS["AlarmEmail"]["Default"] == ""
    assert "Monitoring=full" in (ROOT / "samconfig.toml").read_text()
