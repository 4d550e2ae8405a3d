"""Tests of infra/restore on a small model of AWS, which may end the script at each call."""

import contextlib
import functools
import io
import json
import os
import re
import runpy
import sys
import unittest
from unittest import mock

from script_test import ROOT, faults_of_call

sys.path.insert(0, str(ROOT / "infra"))
import stage  # noqa: E402

ORDERS, TEMPORAL = "rds:orderflow-1-2026-11-30-03-00", "rds:orderflow-temporal-1-2026-11-30-03-00"
CLUSTER = "arn:aws:ecs:us-east-1:111122223333:cluster/orderflow-worker"
AUDIT = "the read model shows what Postgres has: ord_1: is not in Postgres"
IDLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
FOUNDATION, APPLICATION = "orderflow-foundation", "orderflow"
# The templates are read once.
LOAD = functools.cache(stage.yaml.load)
POLICY = json.loads((ROOT / "infra/stack-policy.json").read_text())


class Died(BaseException):
    """The script was ended."""


class Aws:
    """What infra/restore sees of AWS: two stacks, and their databases, services and tasks."""

    def __init__(self):
        # The foundation's parameters, and below the application's.
        self.parameters = {"Name": "orderflow", "Stage": "prod", "TemporalMode": "self-hosted"}
        for prefix, largest in (("", "200"), ("Temporal", "500")):
            self.parameters |= {f"{prefix}DatabaseGeneration": "1", f"{prefix}DatabaseRestoreFrom": "", f"{prefix}DatabaseMaxStorageGiB": largest}
            self.parameters |= {f"{prefix}DatabaseVersion": "15"}
        self.application = self.parameters | self.outputs() | {"MinWorkers": "2", "TemporalServers": "1"}
        for name in [name for name in self.application if re.search("Database(Generation|RestoreFrom|MaxStorageGiB|Version)", name)]:
            del self.application[name]
        # The stacks' present states, and the next ones. What the next update does not succeed for.
        self.status, self.coming = {FOUNDATION: "UPDATE_COMPLETE", APPLICATION: "UPDATE_COMPLETE"}, {FOUNDATION: [], APPLICATION: []}
        self.fails = set()
        # The stack policies of the foundation and of a stack in it.
        self.policies = {FOUNDATION: POLICY, "arn:database": POLICY}
        self.protected = {"orderflow-1": True, "orderflow-temporal-1": True}
        self.snapshot = {
            "DBSnapshotIdentifier": ORDERS,
            "DBInstanceIdentifier": "orderflow-1",
            "MasterUsername": "postgres_admin",
            "Engine": "postgres",
            "EngineVersion": "15.20",
            "Encrypted": True,
            "Status": "available",
            "AllocatedStorage": 60,
            "SnapshotCreateTime": "2026-11-30T03:00:00Z",
        }
        self.tag, self.least, self.is_suspended = None, "2", False
        self.wanted = {"worker": 2, "temporal": 1}
        self.stopping = {"worker": 0, "temporal": 0}
        self.ran, self.codes, self.answers = [], {}, {}
        # What was done, and after how many changes the script dies.
        self.changes, self.deaths, self.is_dead = [], None, False

    def outputs(self):
        """The foundation's outputs."""
        found = {}
        for prefix, key, instance in (("", "Postgres", "orderflow"), ("Temporal", "TemporalDatabase", "orderflow-temporal")):
            name = f"{instance}-{self.parameters[f'{prefix}DatabaseGeneration']}"
            found |= {f"{prefix}DatabaseInstanceId": name, f"{key}Host": f"{name}.rds.amazonaws.com"}
        return found | {"PostgresAdminSecretArn": f"arn:secret-of-{found['DatabaseInstanceId']}"}

    def is_protected(self):
        return all(policy == POLICY for policy in self.policies.values())

    def live(self):
        """The script is started again."""
        self.deaths, self.is_dead = None, False

    def temporal_snapshot(self):
        self.snapshot |= {"DBSnapshotIdentifier": TEMPORAL, "DBInstanceIdentifier": "orderflow-temporal-1", "MasterUsername": "temporal"}

    def call(self, *words):
        """Stands in for stage.aws."""
        service, command, options = words[0], words[1], list(words[2:])
        given = {}
        for index, word in enumerate(options):
            if word.startswith("--"):
                given[word[2:]] = next(iter([*options[index + 1 : index + 2]]), "")
        does_change = not re.match("describe|list|filter|get", command)
        self.is_dead |= does_change and self.deaths == len(self.changes)
        if self.is_dead:
            raise Died
        answer = getattr(self, command.replace("-", "_"))(given)
        faults = list(faults_of_call(["aws", *words], json.dumps(answer)))
        assert not faults, faults
        if does_change:
            self.changes.append(f"{service} {command}")
        # AWS makes the change that was asked for, and the script dies before it gets the answer.
        self.is_dead |= does_change and self.deaths == len(self.changes) - 0.5
        if self.is_dead:
            raise Died
        return answer

    # --- CloudFormation ---

    def describe_stacks(self, given):
        name = given["stack-name"]
        parameters, outputs = (self.parameters, self.outputs()) if name == FOUNDATION else (self.application, {"WorkerClusterName": "orderflow-worker"})
        answer = {
            "StackName": name,
            "StackStatus": self.status[name],
            "EnableTerminationProtection": name == FOUNDATION,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        if self.coming[name]:
            self.status[name], change = self.coming[name].pop(0)
            change()
        return {"Stacks": [answer]}

    def list_stack_resources(self, given):
        nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": "arn:database", "ResourceStatus": "UPDATE_COMPLETE"}
        return {"StackResourceSummaries": [nested] if given["stack-name"] == FOUNDATION else []}

    def get_stack_policy(self, given):
        return {"StackPolicyBody": json.dumps(self.policies[given["stack-name"]])}

    def set_stack_policy(self, given):
        assert self.status[FOUNDATION] in IDLE, self.status
        self.policies[given["stack-name"]] = json.loads(given["stack-policy-body"])

    def update_stack(self, given):
        name = given["stack-name"]
        assert self.status[name] in IDLE, self.status
        values, parameters = json.loads(given["parameters"]), self.parameters if name == FOUNDATION else self.application
        assert "use-previous-template" in given
        assert {entry["ParameterKey"] for entry in values} == parameters.keys()
        changed = {entry["ParameterKey"]: entry["ParameterValue"] for entry in values if "ParameterValue" in entry}
        # Nothing writes to the old database.
        assert self.wanted["worker"] == 0 and not self.stopping["worker"] and self.is_suspended
        change = self.update_foundation(changed) if name == FOUNDATION else self.update_application(changed)
        nothing = lambda: None  # noqa: E731
        self.status[name] = "UPDATE_IN_PROGRESS"
        if name in self.fails:
            self.fails.remove(name)
            self.coming[name] = [("UPDATE_ROLLBACK_IN_PROGRESS", lambda: change(False)), ("UPDATE_ROLLBACK_COMPLETE", nothing)]
        else:
            self.coming[name] = [("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", lambda: change(True)), ("UPDATE_COMPLETE", nothing)]

    def update_foundation(self, changed):
        prefix = "Temporal" if "TemporalDatabaseGeneration" in changed else ""
        instance = "orderflow-temporal" if prefix else "orderflow"
        old, new = f"{instance}-{self.parameters[f'{prefix}DatabaseGeneration']}", f"{instance}-{changed[f'{prefix}DatabaseGeneration']}"
        assert not prefix or (self.wanted["temporal"] == 0 and not self.stopping["temporal"])
        # CloudFormation can replace and delete the old database.
        assert not any(statement["Effect"] == "Deny" for policy in self.policies.values() for statement in policy["Statement"])
        assert not self.protected.get(old) and new not in self.protected

        def replace(does_succeed):
            # The rollback cannot delete the new instance, which is protected.
            self.protected[new] = True
            if does_succeed:
                self.parameters |= changed
                self.protected.pop(old, None)

        return replace

    def update_application(self, changed):
        assert self.is_protected() and self.status[FOUNDATION] in IDLE
        assert changed and changed.items() <= self.outputs().items(), changed

        def use(does_succeed):
            if does_succeed:
                self.application |= changed
                if "TemporalDatabaseHost" in changed:
                    self.wanted["temporal"] = 1

        return use

    # --- RDS ---

    def describe_db_instances(self, given):
        return {"DBInstances": [{"DBInstanceIdentifier": name, "DeletionProtection": value} for name, value in self.protected.items()]}

    def describe_db_snapshots(self, given):
        assert given["db-snapshot-identifier"] == self.snapshot["DBSnapshotIdentifier"]
        # AWS finds an automated snapshot only if its type is named.
        assert given.get("snapshot-type") == ("automated" if given["db-snapshot-identifier"].startswith("rds:") else None)
        return {"DBSnapshots": [self.snapshot]}

    def modify_db_instance(self, given):
        self.protected[given["db-instance-identifier"]] = "deletion-protection" in given

    # --- ECS ---

    def kind(self, given):
        return given["cluster"].removeprefix("orderflow-")

    def describe_services(self, given):
        network = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
        service = {"clusterArn": CLUSTER, "status": "ACTIVE", "taskDefinition": f"{given['services']}:7", "networkConfiguration": network}
        return self.answers.get("describe-services", {"services": [service]})

    def update_service(self, given):
        kind, count = self.kind(given), int(given["desired-count"])
        self.stopping[kind] += max(0, self.wanted[kind] - count)
        self.wanted[kind] = count

    def list_tasks(self, given):
        kind = self.kind(given)
        # A task that is stopping is listed under STOPPED until it has stopped, and after that.
        if given["desired-status"] == "STOPPED":
            return {"taskArns": ["stopping"] * self.stopping[kind] + ["stopped"]}
        return {"taskArns": ["running"] * self.wanted[kind]}

    def describe_tasks(self, given):
        if given["tasks"].startswith("arn:"):
            containers = [{"name": name, **({"exitCode": code} if code is not None else {})} for name, code in self.codes.items()]
            return {"tasks": [{"taskArn": given["tasks"], "lastStatus": "STOPPED", "containers": containers}]}
        kind = self.kind(given)
        tasks = [{"lastStatus": "RUNNING", "healthStatus": "HEALTHY"}] * self.wanted[kind] + [{"lastStatus": "DEPROVISIONING"}] * self.stopping[kind]
        self.stopping[kind] = 0
        return {"tasks": [*tasks, {"lastStatus": "STOPPED"}]}

    def run_task(self, given):
        overrides = {entry["name"]: entry for entry in json.loads(given["overrides"])["containerOverrides"]}
        # A script that died at the end may do it all once more, beside the workers.
        assert self.wanted["worker"] == 0 or "audit --repair" in self.ran, "the workers run"
        assert self.wanted["temporal"] == 1, "Temporal does not run"
        assert self.outputs().items() <= self.application.items(), "the application uses the old database"
        if "schema" in overrides:
            (self.query,) = (entry["value"] for entry in overrides["schema"]["environment"] if entry["name"] == "QUERY")
            self.ran.append("end workflows")
            self.codes = {"schema": 0, "server": 0, "namespace": None} | self.answers.get("codes", {})
        else:
            self.ran.append(" ".join(overrides["worker"]["command"]))
            self.codes = {"migrate": 0, "worker": 1} | self.answers.get("codes", {})
        return {"tasks": [{"taskArn": "arn:aws:ecs:us-east-1:111122223333:task/cluster/abc"}], "failures": []}

    def list_tags_for_resource(self, given):
        assert given["resource-arn"] == CLUSTER
        return {"tags": [{"key": "orderflow:restore", "value": self.tag}] if self.tag else []}

    def tag_resource(self, given):
        key, value = re.fullmatch(r"key=([^,]+),value=([\w .:/=+@-]{1,256})", given["tags"]).groups()
        assert (given["resource-arn"], key) == (CLUSTER, "orderflow:restore")
        self.tag = value

    def untag_resource(self, given):
        self.tag = None

    def register_scalable_target(self, given):
        assert given["resource-id"] == "service/orderflow-worker/orderflow-worker"
        self.least, self.is_suspended = given["min-capacity"], "DynamicScalingOutSuspended=true" in given["suspended-state"]

    def filter_log_events(self, given):
        return {"events": [{"message": '{"level":"INFO"}'}, {"message": AUDIT}]}


class Restore(unittest.TestCase):
    def setUp(self):
        self.aws = Aws()

    def restore(self, *arguments, text=""):
        """Runs infra/restore. Returns its status, or None if it died."""
        environment = {"AWS_REGION": "us-east-1", "PARAMETERS": ""}
        self.out, self.err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(stage, "aws", self.aws.call),
            mock.patch.object(stage, "PAUSE_S", 0.001),
            mock.patch.object(stage.yaml, "load", LOAD),
            mock.patch.dict(os.environ, environment),
            mock.patch.object(sys, "argv", ["infra/restore", "prod", *arguments]),
            mock.patch.object(sys, "stdin", io.StringIO(text)),
            contextlib.redirect_stdout(self.out),
            contextlib.redirect_stderr(self.err),
        ):
            try:
                runpy.run_path(str(ROOT / "infra/restore"))
            except SystemExit as end:
                return end.code
            except Died:
                return None
        return 0

    def succeeds(self, *arguments, **input):
        self.assertEqual(self.restore(*arguments, **input), 0, self.err.getvalue())

    def fails(self, problem, *arguments, **input):
        self.assertEqual(self.restore(*arguments, **input), 1)
        self.assertIn(problem, self.err.getvalue())

    def check_end(self, prefix, snapshot, generation="2"):
        """Checks that everything runs on the restored database, and that nothing is left of the restore."""
        aws = self.aws
        self.assertEqual((aws.parameters[f"{prefix}DatabaseRestoreFrom"], aws.parameters[f"{prefix}DatabaseGeneration"]), (snapshot, generation))
        self.check_running()
        self.assertEqual(aws.ran[-1], "audit --repair")

    def check_running(self):
        aws = self.aws
        self.assertEqual((aws.wanted, aws.least, aws.is_suspended, aws.tag), ({"worker": 2, "temporal": 1}, "2", False, None))
        self.check_protected()
        self.assertLessEqual(aws.outputs().items(), aws.application.items())

    def check_protected(self):
        self.assertNotIn(False, self.aws.protected.values())
        self.assertTrue(self.aws.is_protected())

    def test_the_orders_database(self):
        self.succeeds(ORDERS, text="orderflow\n")
        self.check_end("", ORDERS)
        self.assertEqual(
            self.aws.changes,
            [
                "ecs tag-resource",
                "application-autoscaling register-scalable-target",
                "ecs update-service",
                "ecs tag-resource",
                "rds modify-db-instance",
                "cloudformation set-stack-policy",
                "cloudformation set-stack-policy",
                "cloudformation update-stack",
                "cloudformation set-stack-policy",
                "cloudformation set-stack-policy",
                "cloudformation update-stack",
                "ecs run-task",
                "ecs run-task",
                "ecs run-task",
                "application-autoscaling register-scalable-target",
                "ecs update-service",
                "ecs untag-resource",
            ],
        )
        self.assertEqual(self.aws.ran, ["audit", "end workflows", "audit --repair"])
        self.assertRegex(self.aws.query, r"^WorkflowType='OrderWorkflow' AND ExecutionStatus='Running' AND StartTime<'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'$")
        self.assertIn("orderflow-2 is made from the snapshot. orderflow-1 is deleted, after a final snapshot", self.out.getvalue())
        self.assertIn(AUDIT, self.out.getvalue())
        self.assertIn("The audit above names what is left", self.out.getvalue())
        self.assertNotIn("INFO", self.out.getvalue())

    def test_temporals_database(self):
        self.aws.temporal_snapshot()
        self.succeeds(TEMPORAL, text="orderflow\n")
        self.check_end("Temporal", TEMPORAL)
        self.assertEqual(self.aws.parameters["DatabaseGeneration"], "1")
        self.assertEqual(self.aws.ran, ["audit", "audit --repair"])
        self.assertIn("The workers and Temporal stop", self.out.getvalue())

    def test_it_may_die_at_any_call(self):
        """Dies before a change, or when it is made and not yet known. The next run finishes the restore."""
        for prefix, snapshot in (("", ORDERS), ("Temporal", TEMPORAL)):
            deaths, changes = 0, None
            while changes is None or deaths <= changes:
                with self.subTest(snapshot, deaths=deaths):
                    self.setUp()
                    if prefix:
                        self.aws.temporal_snapshot()
                    self.aws.deaths = deaths
                    first = self.restore(snapshot, "--yes")
                    if first == 0:
                        changes = 0
                    else:
                        self.assertIsNone(first, self.err.getvalue())
                        self.aws.live()
                        # The tag is the memory: without it, the first run has changed nothing, or all is done.
                        if self.aws.tag or not self.aws.changes:
                            self.succeeds(snapshot, "--yes")
                    self.check_end(prefix, snapshot)
                    self.assertEqual(self.aws.changes.count("cloudformation update-stack"), 2)
                deaths += 0.5
            self.assertGreater(deaths, 10)

    def test_it_dies_between_the_stop_and_its_record(self):
        self.aws.deaths = 3
        self.assertIsNone(self.restore(ORDERS, "--yes"))
        self.assertEqual(self.aws.tag, f"orders/2/-/{ORDERS}")
        self.aws.live()
        self.succeeds(ORDERS)
        self.assertRegex(self.aws.query, r"StartTime<'2\d{3}-")

    def test_the_time_of_the_stop_is_kept(self):
        for workers, is_kept in ((0, True), (2, False)):
            self.setUp()
            self.aws.tag, self.aws.wanted["worker"] = f"orders/2/2026-11-30T10:00:00Z/{ORDERS}", workers
            self.succeeds(ORDERS)
            self.assertEqual("StartTime<'2026-11-30T10:00:00Z'" in self.aws.query, is_kept)

    def test_temporal_cloud(self):
        self.aws.parameters["TemporalMode"] = self.aws.application["TemporalMode"] = "cloud"
        self.succeeds(ORDERS, "--yes")
        self.assertEqual((self.aws.ran, self.aws.wanted["worker"]), (["audit"], 0))
        self.assertRegex(self.out.getvalue(), r"temporal workflow terminate .*\n.*StartTime<'2\d{3}-")
        self.assertIn("infra/restore prod --finish", self.out.getvalue())
        self.succeeds("--finish")
        self.check_end("", ORDERS)
        self.fails("no database was replaced", "--finish")
        self.aws.temporal_snapshot()
        self.fails("the stage uses Temporal Cloud", TEMPORAL, "--yes")

    def test_finishing_by_hand_does_not_leave_workflows_out(self):
        self.aws.deaths = 8
        self.assertIsNone(self.restore(ORDERS, "--yes"))
        self.aws.live()
        self.fails("--finish is for Temporal Cloud", "--finish")
        self.fails("the database was replaced", "--give-up")
        self.succeeds(ORDERS)
        self.check_end("", ORDERS)

    def test_an_update_that_fails(self):
        for prefix, snapshot in (("", ORDERS), ("Temporal", TEMPORAL)):
            self.setUp()
            if prefix:
                self.aws.temporal_snapshot()
            self.aws.fails = {FOUNDATION}
            self.fails("was not replaced, and the workers are still stopped", snapshot, "--yes")
            self.check_protected()
            self.assertEqual(self.aws.ran, [])
            with self.subTest("another attempt"):
                # The number of the first attempt is taken.
                self.succeeds(snapshot)
                self.check_end(prefix, snapshot, generation="3")

    def test_giving_up(self):
        for snapshot in (ORDERS, TEMPORAL):
            self.setUp()
            if snapshot == TEMPORAL:
                self.aws.temporal_snapshot()
            self.aws.fails = {FOUNDATION}
            self.restore(snapshot, "--yes")
            self.succeeds("--give-up")
            self.check_running()
            self.fails("no restore has begun", "--give-up")

    def test_an_update_that_cloudformation_refuses(self):
        def refuse(given):
            raise stage.AwsError(["aws", "cloudformation", "update-stack"], "Parameters are wrong")

        self.aws.update_stack = refuse
        self.fails("Parameters are wrong", ORDERS, "--yes")
        self.check_protected()

    def test_an_application_that_cannot_be_updated(self):
        """The database is replaced, and the next run continues."""
        for prefix, snapshot in (("", ORDERS), ("Temporal", TEMPORAL)):
            self.setUp()
            if prefix:
                self.aws.temporal_snapshot()
            self.aws.fails = {APPLICATION}
            self.fails("orderflow is in UPDATE_ROLLBACK_COMPLETE: it does not use", snapshot, "--yes")
            self.check_protected()
            self.assertEqual((self.aws.ran, self.aws.wanted["worker"]), ([], 0))
            self.fails("the database was replaced", "--give-up")
            self.succeeds(snapshot)
            self.check_end(prefix, snapshot)

    def test_it_is_killed_while_the_foundation_is_not_protected(self):
        """Before the update begins, or while it runs. Whichever command follows protects it again."""
        for deaths, commands in ((5.5, [[ORDERS], ["--give-up"]]), (6.5, [[ORDERS], ["--give-up"]]), (7.5, [[ORDERS]])):
            for command in commands:
                with self.subTest(deaths=deaths, command=command):
                    self.setUp()
                    self.aws.deaths = deaths
                    self.assertIsNone(self.restore(ORDERS, "--yes"))
                    self.aws.live()
                    self.assertFalse(self.aws.is_protected())
                    self.succeeds(*command)
                    self.check_running()

    def test_a_caller_who_may_not_lift_the_protection(self):
        def refuse(given):
            raise stage.AwsError(["aws", "cloudformation", "set-stack-policy"], "An error occurred (AccessDenied) when calling: not authorized")

        self.aws.set_stack_policy = refuse
        self.fails("not authorized", ORDERS, "--yes")
        self.check_protected()
        self.succeeds("--give-up")
        self.check_running()

    def test_an_instance_that_is_gone(self):
        del self.aws.protected["orderflow-1"]
        self.succeeds(ORDERS, "--yes")
        self.check_end("", ORDERS)

    def test_a_stack_that_is_being_changed(self):
        nothing = lambda: None  # noqa: E731
        for name in (FOUNDATION, APPLICATION):
            self.setUp()
            self.aws.status[name] = "UPDATE_IN_PROGRESS"
            self.aws.coming[name] = [("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", nothing), ("UPDATE_COMPLETE", nothing)]
            self.succeeds(ORDERS, "--yes")
            self.setUp()
            self.aws.status[name] = "UPDATE_ROLLBACK_FAILED"
            self.fails(f"{name} is in UPDATE_ROLLBACK_FAILED", ORDERS, "--yes")
            self.assertEqual(self.aws.changes, [])

    def test_wrong_snapshots(self):
        for changed, problem in (
            ({"DBInstanceIdentifier": "orderflow-dev-1"}, "it is of orderflow-dev-1"),
            ({"DBInstanceIdentifier": "orderflow-temporal-1"}, "its master user is postgres_admin, not temporal"),
            ({"MasterUsername": "admin"}, "its master user is admin, not postgres_admin"),
            ({"Engine": "mysql"}, "it is of mysql"),
            ({"EngineVersion": "16.4"}, "it is of Postgres 16.4, not 15 or 17"),
            ({"Encrypted": False}, "it is not encrypted"),
            ({"Status": "creating"}, "its status is creating"),
            ({"AllocatedStorage": 190}, "it has 190 GiB; DatabaseMaxStorageGiB (200) must be a tenth more"),
        ):
            with self.subTest(problem):
                self.setUp()
                self.aws.snapshot |= changed
                self.fails(f"cannot be restored: {problem}", ORDERS, "--yes")
                self.assertEqual(self.aws.changes, [])

    def test_a_snapshot_from_before_an_upgrade(self):
        for prefix, snapshot, version in (("", ORDERS, "17"), ("Temporal", TEMPORAL, "16")):
            self.setUp()
            if prefix:
                self.aws.temporal_snapshot()
            self.aws.parameters[f"{prefix}DatabaseVersion"] = version
            self.succeeds(snapshot, "--yes")
            self.check_end(prefix, snapshot)
            self.assertEqual(self.aws.parameters[f"{prefix}DatabaseVersion"], "15")
            self.assertIn(f"The database goes back from Postgres {version} to 15.", self.out.getvalue())

    def test_a_foundation_of_an_older_release(self):
        del self.aws.parameters["DatabaseVersion"]
        self.fails("the foundation has no parameter DatabaseVersion: deploy this release first", ORDERS, "--yes")
        self.assertEqual(self.aws.changes, [])

    def test_a_copy_of_a_point_in_time(self):
        for instance in ("orderflow-copy-1", "orderflow-temporal-copy-1"):
            self.setUp()
            self.aws.snapshot |= {"DBSnapshotIdentifier": "copy", "DBInstanceIdentifier": instance}
            if "temporal" in instance:
                self.aws.snapshot["MasterUsername"] = "temporal"
            self.succeeds("copy", "--yes")
            self.check_end("Temporal" if "temporal" in instance else "", "copy")

    def test_without_confirmation(self):
        for text in ("yes\n", ""):
            self.fails("nothing was changed", ORDERS, text=text)
            self.assertIn(f"{ORDERS} was taken of orderflow-1 at 2026-11-30T03:00:00Z", self.out.getvalue())
            self.assertEqual(self.aws.changes, [])

    def test_a_snapshot_that_was_restored_before(self):
        self.succeeds(ORDERS, "--yes")
        self.fails("add --again", ORDERS, "--yes")
        self.check_running()
        self.succeeds(ORDERS, "--yes", "--again")
        self.check_end("", ORDERS, generation="3")

    def test_another_restore_is_not_finished(self):
        self.aws.tag = "orders/2/2026-11-30T10:00:00Z/other"
        self.fails("a restore of other is not finished", ORDERS, "--yes")
        self.assertEqual(self.aws.changes, [])

    def test_a_task_that_fails(self):
        for codes in ({"migrate": 1, "worker": None}, {"worker": None}, {"schema": 1, "server": None}, {"schema": None}):
            with self.subTest(codes):
                self.setUp()
                self.aws.answers["codes"] = codes
                self.fails("failed (", ORDERS, "--yes")
                self.assertEqual(self.aws.wanted["worker"], 0)
                del self.aws.answers["codes"]
                self.succeeds(ORDERS)
                self.check_end("", ORDERS)

    def test_a_stack_that_cannot_be_restored(self):
        self.aws.answers["describe-services"] = {"services": []}
        self.fails("orderflow-worker does not run", ORDERS)
        self.setUp()
        self.aws.temporal_snapshot()
        del self.aws.parameters["TemporalDatabaseMaxStorageGiB"]
        self.fails("the foundation has no parameter TemporalDatabaseMaxStorageGiB", TEMPORAL)

    def test_the_arguments(self):
        self.assertEqual(self.restore(), 2)
        self.assertEqual(self.restore(ORDERS, "--finish"), 2)
        self.assertEqual(self.restore("--help"), 0)


if __name__ == "__main__":
    unittest.main()
