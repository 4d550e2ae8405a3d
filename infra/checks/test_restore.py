"""Tests of infra/restore with a stand-in for aws."""

import json
import re
import unittest

from script_test import ScriptTest

SNAPSHOT = "rds:orderflow-1-2026-11-30-03-00"
MARKED = f"2/2026-11-30T10:00:00Z/{SNAPSHOT}"
SERVICE = "arn:aws:ecs:us-east-1:111122223333:service/orderflow-worker/orderflow-worker"
TASK = "arn:aws:ecs:us-east-1:111122223333:task/orderflow-worker/abc"
DESCRIBE_STACK = "^aws cloudformation describe-stacks"
AUDIT = "the read model shows what Postgres has: ord_1: is not in Postgres"


def stack(status, generation, restore_from):
    values = {"Name": "orderflow", "Stage": "prod", "MinWorkers": "2", "DatabaseMaxStorageGiB": "200"}
    values |= {"DatabaseGeneration": str(generation), "DatabaseRestoreFrom": restore_from}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    outputs = [{"OutputKey": "WorkerClusterName", "OutputValue": "orderflow-worker"}]
    return {"Stacks": [{"StackStatus": status, "Parameters": parameters, "Outputs": outputs}]}


def snapshot(**changed):
    found = {
        "DBSnapshotIdentifier": SNAPSHOT,
        "DBInstanceIdentifier": "orderflow-1",
        "MasterUsername": "postgres_admin",
        "Engine": "postgres",
        "EngineVersion": "15.20",
        "Encrypted": True,
        "Status": "available",
        "AllocatedStorage": 60,
        "SnapshotCreateTime": "2026-11-30T03:00:00Z",
    }
    return {"DBSnapshots": [found | changed]}


def task(status, **codes):
    containers = [{"name": name, "exitCode": code} for name, code in codes.items()]
    return {"tasks": [{"lastStatus": status, "containers": containers}]}


class Restore(ScriptTest):
    def setUp(self):
        super().setUp()
        self.stack(("UPDATE_COMPLETE", 1, ""))
        service = {
            "serviceArn": SERVICE,
            "status": "ACTIVE",
            "runningCount": 2,
            "taskDefinition": "arn:aws:ecs:us-east-1:111122223333:task-definition/orderflow-worker:7",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
        }
        self.answer("^aws ecs describe-services", {"services": [service]})
        self.tag(None)
        self.answer("^aws ecs (tag-resource|untag-resource|update-service)")
        self.answer("^aws ecs list-tasks", {"taskArns": []})
        self.answer("^aws ecs run-task", {"tasks": [{"taskArn": TASK}], "failures": []})
        self.answer("^aws ecs describe-tasks", task("STOPPED", migrate=0, worker=1))
        self.answer("^aws application-autoscaling register-scalable-target")
        self.answer("^aws rds describe-db-snapshots", snapshot())
        self.instance(False)
        self.answer("^aws rds modify-db-instance")
        self.answer("^aws cloudformation update-stack")
        self.answer("^aws logs get-log-events", {"events": [{"message": '{"level":"INFO"}'}, {"message": AUDIT}]})

    def stack(self, *states):
        """What the stack is: each state once, and the last one for ever."""
        self.answer(DESCRIBE_STACK, stack(*states[-1]))
        for state in reversed(states[:-1]):
            self.answer(DESCRIBE_STACK, stack(*state), times=1)

    def instance(self, *protections, others=()):
        """Whether the instance is protected: each value once, and the last one for ever."""
        for index, protection in enumerate(reversed(protections)):
            found = [{"DBInstanceIdentifier": "orderflow-1", "DeletionProtection": protection}, *({"DBInstanceIdentifier": name} for name in others)]
            self.answer("^aws rds describe-db-instances", {"DBInstances": found}, times=1 if index else None)

    def tag(self, value):
        self.answer("^aws ecs list-tags-for-resource", {"tags": [{"key": "orderflow:restore", "value": value}] if value else []})

    def restore(self, *arguments, text=""):
        return self.run_script("infra/restore", "prod", *arguments, text=text, RESTORE_PAUSE_S="0.01")

    def changes(self):
        """The calls that change something, each shortened to its command."""
        words = [" ".join(call["call"][1:3]) for call in self.calls]
        return [word for word in words if not re.search(" (describe|list|get)-", word)]

    def option(self, command, option):
        """The values of an option in each call of a command."""
        return [call[call.index(option) + 1] for call in self.called(command)]

    def worker_commands(self):
        return [json.loads(overrides)["containerOverrides"][0]["command"] for overrides in self.option("run-task", "--overrides")]

    def test_a_restore(self):
        self.stack(("UPDATE_COMPLETE", 1, ""), ("UPDATE_IN_PROGRESS", 1, ""), ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", 2, SNAPSHOT))
        # The workers run at first, and the instance is protected: for the number of the new
        # instance, for the change, and once more.
        self.answer("^aws ecs list-tasks .*RUNNING", {"taskArns": [TASK]}, times=1)
        self.answer("^aws ecs list-tasks .*STOPPED", {"taskArns": [TASK]})
        self.answer("^aws ecs describe-tasks", task("RUNNING"), times=1)
        self.answer("^aws ecs describe-tasks", task("DEACTIVATING"), times=2)
        self.instance(True, True, True, False)
        result = self.restore(SNAPSHOT, text="orderflow\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            self.changes(),
            [
                "ecs tag-resource",
                "application-autoscaling register-scalable-target",
                "ecs update-service",
                "ecs tag-resource",
                "rds modify-db-instance",
                "cloudformation update-stack",
                "ecs run-task",
            ],
        )
        self.assertEqual(self.option("register-scalable-target", "--min-capacity"), ["0"])
        self.assertIn("DynamicScalingOutSuspended=true", self.option("register-scalable-target", "--suspended-state")[0])
        self.assertEqual(self.option("update-service", "--desired-count"), ["0"])
        self.assertIn("--no-deletion-protection", self.called("modify-db-instance")[0])
        self.assertIn("--use-previous-template", self.called("update-stack")[0])
        parameters = json.loads(self.option("update-stack", "--parameters")[0])
        changed = {entry["ParameterKey"]: entry["ParameterValue"] for entry in parameters if "ParameterValue" in entry}
        self.assertEqual(changed, {"DatabaseGeneration": "2", "DatabaseRestoreFrom": SNAPSHOT})
        self.assertEqual(sum(entry.get("UsePreviousValue", False) for entry in parameters), 4)
        self.assertEqual(self.worker_commands(), [["audit"]])
        self.assertIn(AUDIT, result.stdout)
        self.assertNotIn("INFO", result.stdout)
        stopped = re.search(r"StartTime<'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'", result.stdout)[1]
        self.assertIn(f"value=2/{stopped}/{SNAPSHOT}", self.option("tag-resource", "--tags")[-1])
        self.assertIn("infra/restore prod --finish", result.stdout)

    def test_the_end_of_a_restore(self):
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.tag(MARKED)
        result = self.restore("--finish")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            self.changes(), ["ecs run-task", "application-autoscaling register-scalable-target", "ecs update-service", "ecs untag-resource"]
        )
        self.assertEqual(self.worker_commands(), [["audit", "--repair"]])
        self.assertEqual(self.option("register-scalable-target", "--min-capacity"), ["2"])
        self.assertIn("DynamicScalingOutSuspended=false", self.option("register-scalable-target", "--suspended-state")[0])
        self.assertEqual(self.option("update-service", "--desired-count"), ["2"])
        self.assertIn("The audit above names what is left", result.stdout)

    def test_a_second_run_continues(self):
        # The first run replaced the instance, and then ended.
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.tag(MARKED)
        result = self.restore(SNAPSHOT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.changes(), ["ecs run-task"])
        self.assertIn("StartTime<'2026-11-30T10:00:00Z'", result.stdout)

    def test_a_second_run_while_the_stack_is_being_changed(self):
        self.stack(("UPDATE_IN_PROGRESS", 1, ""), ("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.tag(MARKED)
        result = self.restore(SNAPSHOT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.changes(), ["ecs run-task"])

    def test_a_second_run_after_a_failed_update(self):
        # The rollback could not delete the protected new instance, so this number is taken.
        self.stack(("UPDATE_ROLLBACK_COMPLETE", 1, ""), ("UPDATE_COMPLETE", 3, SNAPSHOT))
        self.tag(MARKED)
        self.instance(False, others=["orderflow-2", "orderflow-temporal-7", "orderflow-dev-9"])
        result = self.restore(SNAPSHOT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn({"ParameterKey": "DatabaseGeneration", "ParameterValue": "3"}, json.loads(self.option("update-stack", "--parameters")[0]))
        # The workers had stopped in the first run.
        self.assertIn(f"value=3/2026-11-30T10:00:00Z/{SNAPSHOT}", self.option("tag-resource", "--tags")[-1])

    def test_an_update_that_fails(self):
        self.stack(("UPDATE_COMPLETE", 1, ""), ("UPDATE_ROLLBACK_IN_PROGRESS", 1, ""), ("UPDATE_ROLLBACK_COMPLETE", 1, ""))
        # For the number of the new instance; off; on again.
        self.instance(True, True, False, False, True)
        result = self.restore(SNAPSHOT, "--yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("orderflow-1 was not replaced, and the workers are still stopped", result.stderr)
        options = [word for call in self.called("modify-db-instance") for word in call if "deletion-protection" in word]
        self.assertEqual(options, ["--no-deletion-protection", "--deletion-protection"])
        self.assertEqual(self.called("run-task"), [])

    def test_an_update_that_cloudformation_refuses(self):
        self.answer("^aws cloudformation update-stack", error="ValidationError: Parameters are wrong")
        self.instance(True, True, False, False, True)
        result = self.restore(SNAPSHOT, "--yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Parameters are wrong", result.stderr)
        self.assertIn("--deletion-protection", self.called("modify-db-instance")[-1])

    def test_giving_up(self):
        self.tag(MARKED)
        self.instance(False, True)
        result = self.restore("--give-up")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            self.changes(), ["rds modify-db-instance", "application-autoscaling register-scalable-target", "ecs update-service", "ecs untag-resource"]
        )
        self.tag(None)
        self.assertIn("no restore has begun", self.restore("--give-up").stderr)
        self.assertIn("no database was replaced", self.restore("--finish").stderr)

    def test_giving_up_too_late(self):
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.tag(MARKED)
        result = self.restore("--give-up")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the database was replaced", result.stderr)
        self.assertEqual(self.changes(), [])

    def test_wrong_snapshots(self):
        for changed, problem in (
            ({"DBInstanceIdentifier": "orderflow-temporal-1", "MasterUsername": "temporal"}, "it is of orderflow-temporal-1"),
            ({"DBInstanceIdentifier": "orderflow-dev-1"}, "it is of orderflow-dev-1"),
            ({"MasterUsername": "admin"}, "its master user is admin"),
            ({"Engine": "mysql"}, "it is of mysql"),
            ({"EngineVersion": "16.4"}, "it is of Postgres 16.4"),
            ({"Encrypted": False}, "it is not encrypted"),
            ({"Status": "creating"}, "its status is creating"),
            ({"AllocatedStorage": 190}, "it has 190 GiB; DatabaseMaxStorageGiB (200) must be a tenth more"),
        ):
            with self.subTest(problem):
                self.answer("^aws rds describe-db-snapshots", snapshot(**changed))
                result = self.restore(SNAPSHOT, "--yes")
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"cannot be restored: {problem}", result.stderr)
                self.assertEqual(self.changes(), [])
        self.answer("^aws rds describe-db-snapshots", error="DBSnapshotNotFound: not found")
        self.assertIn("DBSnapshotNotFound", self.restore(SNAPSHOT, "--yes").stderr)

    def test_a_copy_of_a_point_in_time(self):
        self.answer("^aws rds describe-db-snapshots", snapshot(DBInstanceIdentifier="orderflow-copy-1"))
        self.stack(("UPDATE_COMPLETE", 1, ""), ("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.assertEqual(self.restore(SNAPSHOT, "--yes").returncode, 0)

    def test_without_confirmation(self):
        result = self.restore(SNAPSHOT, text="yes\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("nothing was changed", result.stderr)
        self.assertIn("has the state of 2026-11-30T03:00:00Z", result.stdout)
        self.assertEqual(self.changes(), [])

    def test_a_snapshot_that_was_restored_before(self):
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT))
        result = self.restore(SNAPSHOT, "--yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("add --again", result.stderr)
        self.assertEqual(self.changes(), [])
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT), ("UPDATE_COMPLETE", 3, SNAPSHOT))
        self.instance(False, others=["orderflow-2"])
        result = self.restore(SNAPSHOT, "--yes", "--again")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn({"ParameterKey": "DatabaseGeneration", "ParameterValue": "3"}, json.loads(self.option("update-stack", "--parameters")[0]))

    def test_another_restore_is_not_finished(self):
        self.tag("2/2026-11-30T10:00:00Z/other")
        result = self.restore(SNAPSHOT, "--yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a restore of other is not finished", result.stderr)
        self.assertEqual(self.changes(), [])

    def test_a_migration_that_fails(self):
        self.stack(("UPDATE_COMPLETE", 2, SNAPSHOT))
        self.tag(MARKED)
        self.answer("^aws ecs describe-tasks", {"tasks": [{"lastStatus": "STOPPED", "containers": [{"name": "migrate", "exitCode": 1}, {"name": "worker"}]}]})
        result = self.restore("--finish")
        self.assertEqual(result.returncode, 1)
        self.assertIn("look into the log group /orderflow/worker", result.stderr)
        self.assertEqual(self.changes(), ["ecs run-task"])

    def test_no_stack_and_no_workers(self):
        self.answer("^aws ecs describe-services", {"services": []})
        self.assertIn("orderflow-worker does not run", self.restore(SNAPSHOT).stderr)
        self.answer(DESCRIBE_STACK, error="ValidationError: Stack with id orderflow does not exist")
        self.assertIn("there is no stack orderflow", self.restore(SNAPSHOT).stderr)


if __name__ == "__main__":
    unittest.main()
