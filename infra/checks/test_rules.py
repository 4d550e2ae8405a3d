"""Tests that each rule finds its fault, in OrderFlow's own templates with one text changed."""

import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import images
import rules

ROOT = pathlib.Path(__file__).parents[2]
# What the rules read: what a test may change, and the folders of the programs.
COPIED = [".devcontainer", "Dockerfile", "docker-compose.yml", "docs", "env.example", "infra", "samconfig.toml", "template.yaml"]
LINKED = ["functions", "local", "orders", "platform", "worker"]


class Rules(unittest.TestCase):
    def changed(self, file, old, new):
        """Replaces the first `old` in a file by `new`. Returns the faults that are then found."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name in COPIED:
                (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
            for name in LINKED:
                (folder / name).symlink_to(ROOT / name)
            text = (folder / file).read_text()
            self.assertIn(old, text)
            (folder / file).write_text(text.replace(old, new, 1))
            return [fault.removeprefix(f"{folder}/") for fault in rules.faults(folder / "template.yaml")]

    def test_nothing_is_wrong(self):
        self.assertEqual(rules.faults(ROOT / "template.yaml"), [])

    def test_two_versions_of_postgres(self):
        for file, old, new, *expected in (
            ("infra/database.yaml", 'Family: !Sub "postgres${MajorVersion}"', "Family: postgres15", "has a parameter group whose family does not follow MajorVersion; RDS would refuse an upgrade"),
            ("infra/database.yaml", "EngineVersion: !Ref MajorVersion", "EngineVersion: !If [Restored, !Ref AWS::NoValue, !Ref MajorVersion]", "does not have the version of a parameter, so it cannot be upgraded once it was restored"),
            ("infra/database.yaml", "      AllowMajorVersionUpgrade: true\n", "", "does not allow a new major version"),
            ("infra/database.yaml", '      Description: !Sub "Settings of ${Name}"\n', "      Description: Settings\n      DBParameterGroupName: !Ref Name\n", "has a parameter group with a name, which no group of another family could have"),
        ):
            with self.subTest(new):
                self.assertEqual(self.changed(file, old, new), [f"{file}: Instance {text}" for text in expected])
        tag = images.tag(ROOT, "postgres")
        faults = self.changed("docker-compose.yml", f"postgres:{tag}", "postgres:15.17-bookworm")
        self.assertIn("docker-compose.yml: has Postgres 15.17-bookworm, and DatabaseVersion is 17 in infra/foundation.yaml", faults)
        faults = self.changed("infra/foundation.yaml", '    Default: "17"\n', '    Default: "15"\n')
        # Of docker-compose.yml, and of local/postgres.
        self.assertEqual(len(faults), 2, faults)
        self.assertTrue(all("and DatabaseVersion is 15" in fault for fault in faults), faults)

    def test_a_queue_without_an_alarm(self):
        faults = self.changed("template.yaml", "IntakeDeadLetterQueueName: !Ref IntakeDeadLetterQueueName", "IntakeDeadLetterQueueName: none")
        self.assertEqual(faults, ["infra/data.yaml: IntakeDeadLetterQueue is a queue without an alarm"])

    def test_a_queue_without_a_dead_letter_queue(self):
        faults = self.changed("infra/data.yaml", "      RedrivePolicy:", "      Tags:")
        self.assertIn("infra/data.yaml: IntakeQueue is a queue without a dead-letter queue", faults)

    def test_an_open_user_pool(self):
        faults = self.changed("infra/identity.yaml", "      AdminCreateUserConfig:\n        AllowAdminCreateUserOnly: !If [AdminsCreate, true, false]\n", "")
        self.assertEqual(faults, ["infra/identity.yaml: UserPool lets anybody make an account: AllowAdminCreateUserOnly is missing"])
        for file in ("infra/foundation.yaml", "infra/identity.yaml"):
            text = (ROOT / file).read_text()
            opened = text[text.index("  SelfSignUp:\n") :].split("AllowedValues")[0]
            faults = self.changed(file, opened, opened.replace('"false"', '"true"'))
            self.assertEqual(faults, [f"{file}: SelfSignUp is not off by default"])

    def test_a_user_pool_with_another_sender(self):
        faults = self.changed("infra/identity.yaml", "EmailSendingAccount: DEVELOPER", "EmailSendingAccount: COGNITO_DEFAULT")
        self.assertEqual(faults, ["infra/identity.yaml: UserPool does not send its e-mails through SES as EmailFrom"])
        faults = self.changed("infra/identity.yaml", "[!Ref EmailFrom, orders@orderflow.example]", '[!Ref EmailFrom, ""]')
        self.assertEqual(faults, ["infra/identity.yaml: UserPool sends through SES on another condition than that EmailFrom is not orders@orderflow.example"])
        faults = self.changed("infra/foundation.yaml", "        EmailFrom: !Ref EmailFrom\n\n", "\n")
        self.assertEqual(faults, ["infra/foundation.yaml: EmailFrom is not passed to the user pool, or has another default than orders@orderflow.example"])

    def test_a_way_past_the_web_acl(self):
        faults = self.changed("template.yaml", "RuleCondition: !Not [!Equals [!Ref WebAclArn", "RuleCondition: !Not [!Equals [!Ref CorsOrigins")
        self.assertEqual(
            faults,
            [f"template.yaml: WebAclArn does not demand {name}" for name in ("ApiDomainName", "ApiCertificateArn", "ApiTruststoreUri", "OriginCertificateArn")],
        )
        faults = self.changed("infra/api.yaml", "      DisableExecuteApiEndpoint: !If [Closed, true, false]\n", "")
        self.assertEqual(faults, ["infra/api.yaml: HttpApi is an API that always has an address of AWS's"])
        faults = self.changed("infra/api.yaml", "      MutualTlsAuthentication: { TruststoreUri: !Ref TruststoreUri }\n", "")
        self.assertEqual(faults, ["infra/api.yaml: Domain is a domain of the API that demands no client certificate"])
        faults = self.changed("infra/web.yaml", "              OriginMtlsConfig:", "              OriginReadTimeout:")
        self.assertEqual(faults, ["infra/web.yaml: Distribution shows no client certificate to its origin api"])

    def test_a_shared_role(self):
        faults = self.changed("infra/api.yaml", "!GetAtt GetOrderRole.Arn", "!GetAtt ListOrdersRole.Arn")
        self.assertEqual(faults, ["infra/api.yaml: ListOrdersRole is the role of more than one function: GetOrder, ListOrders"])

    def test_a_function_without_a_log_group(self):
        faults = self.changed("infra/api.yaml", "      LoggingConfig: { LogGroup: !Ref GetOrderLog }\n", "")
        self.assertEqual(faults, ["infra/api.yaml: GetOrder is a function without a log group in its template"])

    def test_a_log_group_without_an_end(self):
        faults = self.changed("infra/api.yaml", "      RetentionInDays: !FindInMap [Stages, !Ref Stage, LogDays]\n", "")
        self.assertEqual(faults, ["infra/api.yaml: AccessLog is a log group that keeps everything for ever"])

    def test_another_runtime(self):
        faults = self.changed("infra/api.yaml", "provided.al2023", "provided.al2")
        self.assertIn("infra/api.yaml: GetOrder runs on provided.al2; allowed: provided.al2023", faults)
        self.assertEqual(faults[0], "infra/api.yaml: CreateOrder runs on provided.al2; allowed: provided.al2023")

    def test_a_function_that_outlives_its_messages(self):
        faults = self.changed("infra/data.yaml", "VisibilityTimeout: 60", "VisibilityTimeout: 10")
        self.assertEqual(faults, ["infra/api.yaml: StartQueuedOrders may run 10 s, but IntakeQueue shows its message again after 10 s"])

    def test_functions_before_the_workers(self):
        faults = [f"template.yaml: Api has functions and may be updated before {worker}" for worker in ("Worker", "WorkerOnDemand")]
        depends = "    DependsOn: [Worker, WorkerOnDemand]\n"
        self.assertEqual(self.changed("template.yaml", depends, ""), faults)
        self.assertEqual(self.changed("template.yaml", depends, "    DependsOn: Temporal\n"), faults)
        self.assertEqual(self.changed("template.yaml", depends, "    DependsOn: Worker\n"), faults[1:])
        # A reference does, too, over other stacks as well.
        for reference in ("WorkerOnDemand.Outputs.FunctionName", "Observability.Outputs.DashboardUrl"):
            text = f"    Properties:\n      Location: infra/api.yaml\n      Parameters:\n        Extra: !GetAtt {reference}\n"
            old = f"{depends}    Properties:\n      Location: infra/api.yaml\n      Parameters:\n"
            self.assertEqual(self.changed("template.yaml", old, text), [])

    def test_a_worker_on_demand_before_its_migrations(self):
        file = "infra/worker-on-demand.yaml"
        self.assertEqual(self.changed(file, "    DependsOn: Migration\n", ""), [f"{file}: Worker may be updated before the migrations"])
        self.assertEqual(self.changed(file, "      Release: !Ref ImageTag\n", ""), [f"{file}: Migration does not run again for another image"])

    def test_a_worker_on_demand_that_outlives_its_messages(self):
        faults = self.changed("infra/data.yaml", "VisibilityTimeout: 150", "VisibilityTimeout: 120")
        self.assertEqual(faults, ["infra/worker-on-demand.yaml: Worker may run 120 s, but WorkerWakeupQueue shows its message again after 120 s"])

    def test_two_workers_on_demand_at_once(self):
        faults = self.changed("infra/data.yaml", "      FifoQueue: true\n      # The schedule", "      # The schedule")
        self.assertEqual(faults, ["infra/data.yaml: WorkerWakeupQueue is no FIFO queue, so several workers would run at once"])
        faults = self.changed("infra/worker-on-demand.yaml", "MessageGroupId: worker", "MessageGroupId: schedule")
        fault = "ScheduleRule sends messages of another group than 'worker', the functions' (platform/src/wakeup.rs)"
        self.assertEqual(faults, [f"infra/worker-on-demand.yaml: {fault}"])

    def test_a_bad_release_that_stays(self):
        alarms = "        Alarms: { AlarmNames: [!Ref WorkerFaultsAlarm, !Ref WithdrawnAlarm], Enable: true, Rollback: true }\n"
        breaker = "        DeploymentCircuitBreaker: { Enable: true, Rollback: true }\n"
        missing = "TreatMissingData: notBreaching # Workers"
        for old, new, faults in (
            (alarms, "", ["Service is not rolled back by Alarms", "Service keeps a release that was withdrawn"]),
            (alarms, alarms.replace("Rollback: true", "Rollback: false"), ["Service is not rolled back by Alarms"]),
            (breaker, "", ["Service is not rolled back by DeploymentCircuitBreaker"]),
            ("[!Ref WorkerFaultsAlarm,", "[orderflow-page-errors,", ["Service names the alarm orderflow-page-errors, which its own template does not make"]),
            ("[!Ref WorkerFaultsAlarm,", "[!Ref Backlog,", ["Backlog rolls the workers back, but not because of a line in their log or a withdrawal"]),
            (missing, missing.replace("notBreaching", "breaching"), ["WorkerFaultsAlarm rolls the workers back when there is no data"]),
        ):
            self.assertEqual(self.changed("infra/worker.yaml", old, new), [f"infra/worker.yaml: {fault}" for fault in faults])
        faults = self.changed("infra/worker.yaml", "is of a newer release", "is of another release")
        self.assertEqual(faults, ["infra/worker.yaml: a filter leaves out 'is of another release', which orders/src/workflow/step.rs does not write"])

    def test_a_release_without_a_trial(self):
        bake = "!If [KeepsFormerWorkers, !FindInMap [Trials, !Ref TrialS, BakeMinutes], 5]"
        for old, new, faults in (
            ("        Strategy: BLUE_GREEN\n", "", ["Service ends the former workers as soon as the new ones are healthy"]),
            (bake, "15", ["Service keeps the former workers for a time that does not depend on WORKER_TRIAL_S"]),
            (bake, bake.replace("TrialS", "Cpu"), ["Service keeps the former workers for a time that does not depend on WORKER_TRIAL_S"]),
            ("BakeMinutes: 25 }", "BakeMinutes: 24 }", ["Service keeps the former workers for 24 minutes, which is too short for a trial of 1200 s"]),
            ("AllowedValues: [300, 600, 1200, 1800]", "AllowedValues: [600, 900]", ["Service keeps the former workers for None minutes, which is too short for a trial of 900 s"]),
            ("AllowedValues: [300, 600, 1200, 1800]", "MinValue: 60", ["Service keeps the former workers for None minutes, which is too short for a trial of None s"]),
            ("WorkerFaultsAlarm, !Ref WithdrawnAlarm]", "WorkerFaultsAlarm]", ["Service keeps a release that was withdrawn"]),
        ):
            self.assertEqual(self.changed("infra/worker.yaml", old, new), [f"infra/worker.yaml: {fault}" for fault in faults])
        version = "            - { Name: WORKER_VERSION, Value: !If [HasReleaseTime,"
        faults = self.changed("infra/worker.yaml", version, version.replace("WORKER_VERSION", "WORKER_NUMBER"))
        self.assertEqual(faults[0], "infra/worker.yaml: the workers have no version, so a new one has no trial")

    def test_a_batch_that_fails_as_a_whole(self):
        faults = self.changed("infra/api.yaml", "            FunctionResponseTypes: [ReportBatchItemFailures]\n", "")
        self.assertEqual(faults, ["infra/api.yaml: StartQueuedOrders fails a whole batch for one message: ReportBatchItemFailures is missing"])

    def test_a_star_without_a_reason(self):
        faults = self.changed("infra/api.yaml", "Action: [\"dynamodb:Scan\"], Resource: !Ref ProductsTableArn", "Action: [\"dynamodb:Scan\"], Resource: \"*\"")
        self.assertEqual(len(faults), 1)
        self.assertIn("infra/api.yaml: ListProductsRole allows ['dynamodb:Scan'] on \"*\" without a reason", faults[0])

    def test_an_open_route(self):
        faults = self.changed("infra/api.yaml", 'Path: "/api/orders/{id}" }', 'Path: "/api/orders/{id}", Auth: { Authorizer: NONE } }')
        self.assertEqual(faults, ["infra/api.yaml: GetOrder has GET /api/orders/{id} open, and functions/openapi.json says otherwise"])

    def test_another_route(self):
        faults = self.changed("infra/api.yaml", 'Path: "/api/products"', 'Path: "/api/goods"')
        self.assertEqual(len(faults), 2)
        self.assertIn("template.yaml: no function has the route GET /api/products of functions/openapi.json", faults)

    def test_a_setting_that_is_not_given(self):
        faults = self.changed("infra/worker.yaml", "            - { Name: RESERVATION_TTL_S, Value: !Ref ReservationTtlS }\n", "")
        self.assertEqual(faults, ["template.yaml: RESERVATION_TTL_S of env.example is not given to the worker, and NOT_IN_AWS has no reason"])
        faults = self.changed("infra/worker-on-demand.yaml", "          RESERVATION_TTL_S: !Ref ReservationTtlS\n", "")
        self.assertEqual(faults, ["template.yaml: RESERVATION_TTL_S of env.example is not given to the worker on demand, and NOT_IN_AWS has no reason"])

    def test_a_reason_that_is_not_needed(self):
        faults = self.changed("infra/worker.yaml", "{ Name: PAGE_URL,", "{ Name: STRIPE_URL, Value: none }\n            - { Name: PAGE_URL,")
        self.assertEqual(faults, ["template.yaml: STRIPE_URL of the worker is in NOT_IN_AWS without need"])

    def test_another_default(self):
        for file in ("template.yaml", "infra/worker.yaml"):
            faults = self.changed(file, "    Default: 259200", "    Default: 60")
            self.assertEqual(faults, [f"{file}: NoticeMaxAgeS has the default 60, and NOTICE_MAX_AGE_S of env.example is 259200"])

    def test_a_function_without_an_alarm(self):
        faults = self.changed("infra/observability.yaml", "MetricName: Errors, Dimensions: [{ Name: FunctionName, Value: !Sub \"${Name}-health\"", "MetricName: Errors, Dimensions: [{ Name: FunctionName, Value: !Sub \"${Name}-wealth\"")
        self.assertEqual(faults, ["infra/api.yaml: Health is a function without an alarm for Errors"])

    def test_an_alarm_with_too_many_metrics(self):
        metric = "        - Id: visible\n          ReturnData: false\n          MetricStat: {}\n"
        faults = self.changed("infra/observability.yaml", "        - Id: visible\n", 8 * metric + "        - Id: visible\n")
        self.assertEqual(faults, ["infra/observability.yaml: IntakeWaiting is an alarm that reads 11 metrics; 10 are allowed"])

    def test_an_alarm_that_the_dashboard_does_not_show(self):
        faults = self.changed("infra/observability.yaml", '"${FailingRows.Arn}", ', "")
        self.assertEqual(faults, ["infra/observability.yaml: FailingRows is an alarm that the dashboard does not show"])

    def test_a_rotation_without_an_alarm(self):
        faults = self.changed("infra/observability.yaml", '"${Name}-password-rotation"', '"${Name}-rotation"')
        self.assertEqual(faults, ["infra/database.yaml: AppSecretRotation is a rotation without an alarm for the Errors of its function"])

    def test_a_table_without_an_alarm(self):
        faults = self.changed("infra/data.yaml", "IndexName: status-created", "IndexName: status-changed")
        self.assertEqual(faults, [f"infra/data.yaml: OrdersTable has no alarm for {kind}ThrottleEvents of status-changed" for kind in ("Read", "Write")])
        faults = self.changed("infra/observability.yaml", "Value: !Ref ProductsTable }", "Value: !Ref OrdersTable }")
        self.assertEqual(faults, ["infra/data.yaml: ProductsTable has no alarm for ReadThrottleEvents"])

    def test_an_alarm_without_a_reason_for_missing_values(self):
        for new in ("      TreatMissingData: notBreaching\n", ""):
            faults = self.changed("infra/worker.yaml", "      TreatMissingData: notBreaching # What is not known must not change the number of workers.\n", new)
            self.assertEqual(faults, ["infra/worker.yaml: Backlog is an alarm without TreatMissingData and a reason (`# ...` beside it)"])

    def test_an_alarm_that_the_manual_does_not_know(self):
        faults = self.changed("docs/operating.md", "| `intake-age` |", "| `intake-old` |")
        self.assertEqual(
            faults,
            [
                "infra/observability.yaml: IntakeAge is the alarm intake-age, which has no line in docs/operating.md",
                "docs/operating.md: no template has the alarm intake-old",
            ],
        )

    def test_a_global_name_without_the_region(self):
        for file, name in (("infra/web.yaml", "${Name}-${AWS::Region}-files"), ("infra/observability.yaml", "${Name}-${AWS::Region}")):
            faults = self.changed(file, f'"{name}"', name.replace("${AWS::Region}", "global"))
            self.assertEqual(len(faults), 1)
            self.assertIn("has a name that is unique in the account, and that does not contain ${AWS::Region}", faults[0])

    def test_a_tag_of_all_stacks(self):
        tag = '"aws:ResourceTag/orderflow": '
        faults = self.changed("infra/worker.yaml", tag + '!Sub "events-${Name}-${AWS::Region}"', tag + "events")
        self.assertEqual(
            faults,
            [
                "infra/worker.yaml: TaskRole has a condition on aws:ResourceTag/orderflow that holds for other stacks, too",
                "infra/worker.yaml: TaskRole has a condition on aws:ResourceTag/orderflow with a value that no resource has",
            ],
        )

    def test_code_that_may_call_ec2(self):
        faults = self.changed("infra/api.yaml", "        - !If [InVpc, !Ref NoNetworkFromCode, !Ref AWS::NoValue]\n", "")
        self.assertEqual(faults, ["infra/api.yaml: CreateOrder is a function in a VPC whose code may call EC2"])
        faults = self.changed("infra/api.yaml", "Effect: Deny\n            Action: ec2:*", "Effect: Deny\n            Action: ec2:Run*")
        self.assertEqual(len(faults), 12)

    def test_an_image_that_is_not_pinned(self):
        # One image of each file.
        for image in {image.path: image for image in images.named(ROOT)}.values():
            file, line = image.path.relative_to(ROOT).as_posix(), image.path.read_text().splitlines()[image.line]
            faults = self.changed(file, line, f"{image.before}{image.name}:99{image.after}")
            self.assertIn(f"{file}: {image.name}:99 is not pinned: run infra/pin-images", faults)
        with mock.patch.object(images, "UNPINNED", images.UNPINNED | {"nothing:1"}):
            self.assertEqual(self.changed("Dockerfile", "FROM ", "FROM "), ["infra/checks/images.py: nothing:1 is in UNPINNED without need"])
        faults = self.changed("Dockerfile", "FROM base AS worker", "FROM debian AS worker")
        self.assertEqual(faults, ["Dockerfile: debian is an image without a tag"])

    def test_something_fetched_without_a_checksum(self):
        faults = self.changed("Dockerfile", "--checksum=sha256:${RDS_CA_BUNDLE_SHA256} ", "")
        self.assertEqual(faults, ["Dockerfile: fetches something without a checksum: ADD ${RDS_CA_BUNDLE} /rds.pem"])

    def test_a_type_that_the_deployment_may_not_make(self):
        faults = self.changed("infra/bootstrap.yaml", "              - ecr:CreateRepository\n", "")
        self.assertEqual(faults, ["infra/worker.yaml: Repository needs ecr:CreateRepository, which CloudFormationRole in infra/bootstrap.yaml may not do"])
        faults = self.changed("infra/network.yaml", "Type: AWS::EC2::InternetGateway\n", "Type: AWS::EC2::EgressOnlyInternetGateway\n")
        self.assertEqual(len(faults), 1)
        self.assertIn("CREATING in infra/checks/rules.py does not say which actions make one", faults[0])

    def test_a_role_beyond_its_boundary(self):
        faults = self.changed("infra/network.yaml", "logs:CreateLogStream, logs:DescribeLogStreams", "iam:CreateUser, logs:DescribeLogStreams")
        self.assertEqual(faults, ["infra/network.yaml: FlowLogRole may do iam:CreateUser, which Boundary in infra/bootstrap.yaml does not include"])
        faults = self.changed("infra/database.yaml", "service-role/AmazonRDSEnhancedMonitoringRole", "AdministratorAccess")
        self.assertEqual(
            faults, ["infra/database.yaml: MonitoringRole may do the unknown policy AdministratorAccess, which Boundary in infra/bootstrap.yaml does not include"]
        )

    def test_data_outside_of_the_foundation(self):
        table = "  Forgotten:\n    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties: {}\n\n"
        faults = self.changed("infra/worker.yaml", "Resources:\n", "Resources:\n" + table)
        self.assertIn("infra/worker.yaml: Forgotten is a AWS::DynamoDB::Table outside of infra/foundation.yaml, which alone is protected", faults)

    def test_data_that_is_not_kept(self):
        faults = self.changed("infra/data.yaml", "    DeletionPolicy: RetainExceptOnCreate\n", "")
        self.assertEqual(faults, ["infra/data.yaml: OrdersTable holds data that its DeletionPolicy does not keep"])
        faults = self.changed("infra/database.yaml", "UpdateReplacePolicy: Snapshot", "UpdateReplacePolicy: Delete")
        self.assertEqual(faults, ["infra/database.yaml: Instance holds data that its UpdateReplacePolicy does not keep"])

    def test_a_stack_policy_with_a_gap(self):
        for kind in ("AWS::CloudFormation::Stack", "AWS::RDS::DBInstance"):
            faults = self.changed("infra/stack-policy.json", f'"{kind}"', '"AWS::SNS::Topic"')
            self.assertEqual(faults, [f"infra/stack-policy.json: lets an update replace or delete a {kind}"])

    def test_a_name_that_the_deployment_does_not_acknowledge(self):
        faults = self.changed("samconfig.toml", '"CAPABILITY_NAMED_IAM"', '"CAPABILITY_IAM"')
        line = 'capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]'
        self.assertEqual(faults, [f"infra/api.yaml: NoNetworkFromCode has a name, and samconfig.toml has {line}: CAPABILITY_NAMED_IAM is missing"])

    def test_roots_that_do_not_fit(self):
        faults = self.changed("infra/foundation.yaml", "  PostgresHost:\n", "  PostgresServer:\n")
        self.assertEqual(
            faults,
            [
                "infra/foundation.yaml: PostgresServer is an output that template.yaml has no parameter for",
                "template.yaml: PostgresHost is a parameter without a default that infra/foundation.yaml does not give",
            ],
        )
        faults = self.changed("template.yaml", "  PostgresHost:\n    Type: String\n", "  PostgresHost:\n    Type: String\n    Default: 127.0.0.1\n")
        self.assertEqual(faults, ["template.yaml: PostgresHost is given by the foundation, and must not have a default"])
        faults = self.changed("template.yaml", "    AllowedValues: [nat, nat-per-zone, endpoints]", "    AllowedValues: [nat, endpoints]")
        self.assertEqual(faults, ["template.yaml: Egress is declared otherwise in infra/foundation.yaml"])
        faults = self.changed("infra/foundation.yaml", "    Value: !GetAtt Database.Outputs.Host\n", "    Value: !GetAtt Database.Outputs.Host\n    Export: { Name: host }\n")
        self.assertEqual(faults, ["infra/foundation.yaml: exports or imports a value; pass it as a parameter"])


if __name__ == "__main__":
    unittest.main()
