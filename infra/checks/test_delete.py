"""Tests of infra/delete with a stand-in for aws."""

import unittest

from script_test import ScriptTest

APPLICATION = "^aws cloudformation describe-stacks --stack-name orderflow-dev "
FOUNDATION = "^aws cloudformation describe-stacks --stack-name orderflow-dev-foundation "
OTHERS = ["orderflow-dev-2-1", "orderflow-1", "orderflow-dev-x-1", "my-orderflow-dev-1"]
OWN = ["orderflow-dev-1", "orderflow-dev-temporal-1", "orderflow-dev-copy-1"]


def stack(status="UPDATE_COMPLETE", **outputs):
    kept = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {"Stacks": [{"StackStatus": status, "Parameters": [{"ParameterKey": "Name", "ParameterValue": "orderflow-dev"}], "Outputs": kept}]}


class Delete(ScriptTest):
    def setUp(self):
        super().setUp()
        self.answer(APPLICATION, stack(WebBucket="bucket"))
        self.answer(FOUNDATION, stack())
        self.answer("^aws (s3 rm|ecr delete-repository) ")
        self.answer("^aws cloudformation (delete-stack|wait stack-delete-complete|update-termination-protection) ")
        self.answer("^aws rds describe-db-instances", {"DBInstances": [{"DBInstanceIdentifier": name, "DeletionProtection": True} for name in OWN + OTHERS]})
        self.answer("^aws rds modify-db-instance ")
        self.answer("^aws dynamodb describe-table ", {"Table": {"DeletionProtectionEnabled": True}})
        self.answer("^aws sqs get-queue-url ", {"QueueUrl": "https://queue"})
        self.answer("^aws cognito-idp list-user-pools ", {"UserPools": [{"Id": "2", "Name": "orderflow-dev"}]})
        self.answer("^aws cognito-idp list-user-pools ", {"UserPools": [{"Id": "1", "Name": "orderflow"}], "NextToken": "more"}, times=1)
        snapshots = [{"DBSnapshotIdentifier": f"of-{name}", "DBInstanceIdentifier": name} for name in OWN + OTHERS]
        self.answer("^aws rds describe-db-snapshots ", {"DBSnapshots": snapshots})
        for call in ("dynamodb (update|delete)-table", "sqs delete-queue", "cognito-idp (update|delete)-user-pool", "rds delete-db-snapshot", "logs delete-log-group"):
            self.answer(f"^aws {call} ")

    def option(self, pattern, name):
        return [words[words.index(f"--{name}") + 1] for words in self.called(pattern)]

    def test_the_application_goes_first_and_data_stays(self):
        result = self.run_script("infra/delete", "dev", text="orderflow-dev\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.option("delete-stack", "stack-name"), ["orderflow-dev", "orderflow-dev-foundation"])
        order = [" ".join(call["call"][:3]) for call in self.calls]
        self.assertLess(order.index("aws s3 rm"), order.index("aws cloudformation delete-stack"))
        self.assertEqual(self.option("update-termination-protection", "stack-name"), ["orderflow-dev-foundation"])
        self.assertEqual(self.option("modify-db-instance", "db-instance-identifier"), OWN)
        self.assertEqual(self.called("delete-table|delete-queue|delete-user-pool|delete-db-snapshot"), [])
        self.assertIn("infra/delete dev --data", result.stdout)

    def test_with_its_data(self):
        result = self.run_script("infra/delete", "dev", "--data", "--yes")
        self.assertEqual(result.returncode, 0, result.stderr)
        tables = ["orderflow-dev-orders", "orderflow-dev-idempotency", "orderflow-dev-products"]
        self.assertEqual(self.option("delete-table", "table-name"), tables)
        # Those of infra/data.yaml, FIFO queues included.
        queues = {f"orderflow-dev-{name}{end}" for name in ("intake", "notice-feedback") for end in ("", "-dlq")}
        queues |= {f"orderflow-dev-worker-wakeup{end}.fifo" for end in ("", "-dlq")}
        self.assertEqual(set(self.option("get-queue-url", "queue-name")), queues)
        self.assertEqual(self.option("delete-user-pool", "user-pool-id"), ["2"])
        # The names of other stages begin or end in the same way.
        self.assertEqual(self.option("delete-db-snapshot", "db-snapshot-identifier"), [f"of-{name}" for name in OWN])

    def test_a_stage_that_is_deleted_already(self):
        for described in (APPLICATION, FOUNDATION):
            self.answer(described, error="ValidationError: Stack does not exist")
        self.answer("^aws ecr delete-repository ", error="RepositoryNotFoundException: no")
        self.answer("^aws dynamodb describe-table ", error="ResourceNotFoundException: no")
        self.answer("^aws sqs get-queue-url ", error="AWS.SimpleQueueService.NonExistentQueue: no")
        self.answer("^aws cognito-idp list-user-pools ", {"UserPools": []})
        self.answer("^aws rds describe-db-snapshots ", {"DBSnapshots": []})
        self.answer("^aws logs delete-log-group ", error="ResourceNotFoundException: no")
        result = self.run_script("infra/delete", "dev", "--data", "--yes")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.called("delete-stack|delete-table|delete-queue|delete-user-pool"), [])

    def test_another_answer(self):
        result = self.run_script("infra/delete", "dev", text="yes\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("nothing was deleted", result.stderr)
        self.assertEqual(self.calls, [])

    def test_a_deletion_that_fails_at_first(self):
        self.answer("^aws cloudformation wait", error="Waiter: DELETE_FAILED", times=2)
        self.assertEqual(self.run_script("infra/delete", "dev", "--yes").returncode, 0)
        self.assertEqual(len(self.called("delete-stack")), 4)

    def test_a_deletion_that_fails(self):
        self.answer("^aws cloudformation wait", error="Waiter: DELETE_FAILED")
        left = {"LogicalResourceId": "Vpc", "PhysicalResourceId": "vpc-1", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "has dependencies"}
        self.answer("^aws cloudformation list-stack-resources ", {"StackResourceSummaries": [left]})
        result = self.run_script("infra/delete", "dev", "--yes")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Vpc vpc-1 DELETE_FAILED has dependencies", result.stderr)
        self.assertEqual(set(self.option("delete-stack", "stack-name")), {"orderflow-dev"})

    def test_a_stack_that_is_being_changed(self):
        self.answer(APPLICATION, stack("UPDATE_IN_PROGRESS"), times=4)
        result = self.run_script("infra/delete", "dev", "--yes")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("waiting: orderflow-dev is being changed", result.stdout)


if __name__ == "__main__":
    unittest.main()
