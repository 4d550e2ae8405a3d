"""Tests of infra/account-test: its scripts, AWS and the API are replaced by stand-ins."""

import http.server
import json
import re
import threading
import unittest

from script_test import ROOT, ScriptTest

ACCOUNT = "111122223333"
APPLICATION = "^aws cloudformation describe-stacks --stack-name orderflow-test "
FOUNDATION = "^aws cloudformation describe-stacks --stack-name orderflow-test-foundation "
NO_STACK = "ValidationError: Stack does not exist"
TASK = "arn:aws:ecs:us-east-1:111122223333:task-definition/orderflow-test-worker:1"
STEPS = [
    "create",
    "place an order",
    "upgrade with a migration",
    "release that does not start",
    "release that fails orders",
    "rollback",
    "restore",
    "delete",
]


SNAPSHOT = "orderflow-test-account-test"
# The line of the workflow's code that infra/account-test changes.
STEP = "    let settings = ctx.state(|s| s.settings().clone());\n"


def task_definition(tag):
    container = {"name": "worker", "image": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/orderflow-test/worker:{tag}"}
    return {"taskDefinition": {"containerDefinitions": [container]}}


class Api(http.server.BaseHTTPRequestHandler):
    """The API: its catalogue has one product, and each order is complete at once."""

    def do_GET(self):
        product = {"productID": "MUG-1", "name": "Mug", "unitPrice": 12.5, "currency": "USD", "inStock": True}
        answers = {"/": {}, "/api/health": {"status": "ok"}, "/api/products": {"items": [product]}}
        self.send(200, answers.get(self.path, {"id": self.path.split("/")[-1], "status": "COMPLETED"}))

    def do_POST(self):
        self.server.orders.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        accepted = self.headers["Authorization"] == "Bearer token" and self.headers["Idempotency-Key"]
        self.send(202 if accepted else 401, {"id": f"ord_{len(self.server.orders)}"})

    def send(self, status, answer):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


# Stands in for a script of infra/: records its call, and changes later answers as `after` says.
SCRIPT = """#!/usr/bin/env python3
import json, os, pathlib, subprocess, sys
folder, call = pathlib.Path(os.environ["STANDIN"]), [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]
status = subprocess.run(["npm", *call]).returncode
effects = json.loads((folder / "effects.json").read_text()).get(" ".join(call), [])
answers = json.loads((folder / "answers.json").read_text())
(folder / "answers.json").write_text(json.dumps(effects + answers))
sys.exit(status)
"""


class AccountTest(ScriptTest):
    FILES = [*ScriptTest.FILES, "migrations", "orders"]

    def setUp(self):
        super().setUp()
        self.effects = {}
        for script in ("build", "deploy", "delete", "preflight", "restore"):
            self.write(f"infra/{script}", SCRIPT, 0o755)
        self.answer("^npm ")
        self.answer("^npm deploy test account-test-[34]", status=1)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.orders = []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.answer("^aws sts get-caller-identity", {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me"})
        self.answer("^docker (image inspect|build) ")
        for stack in (APPLICATION, FOUNDATION):
            self.answer(stack, error=NO_STACK)
            self.after("delete test --data --yes", stack, error=NO_STACK)
        self.after("deploy test account-test-1", FOUNDATION, {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "EnableTerminationProtection": True}]})
        self.application("deploy test account-test-1", "UPDATE_COMPLETE", "orderflow-test-1")
        for tag in ("account-test-3", "account-test-4"):
            self.application(f"deploy test {tag}", "UPDATE_ROLLBACK_COMPLETE", "orderflow-test-1")
        self.application(f"restore test {SNAPSHOT} --yes", "UPDATE_COMPLETE", "orderflow-test-2")
        for tag in ("account-test-1", "account-test-2"):
            self.after(f"deploy test {tag}", "^aws ecs describe-task-definition ", task_definition(tag))
        self.answer("^aws cloudformation get-stack-policy", {"StackPolicyBody": (ROOT / "infra/stack-policy.json").read_text()})
        service = {"deployments": [{"status": "PRIMARY"}], "runningCount": 1, "taskDefinition": TASK, "networkConfiguration": {"awsvpcConfiguration": {}}}
        self.answer("^aws ecs describe-services ", {"services": [service]})
        self.answer("^aws ecs run-task ", {"tasks": []})
        events = [{"message": "applied V9__account_test"}, {"message": "the schema belongs to a newer release; changed nothing"}]
        self.answer("^aws logs filter-log-events .* migrate/ ", {"events": events})
        events = [{"message": "version account-test-2-1 is promoted"}, {"message": "version account-test-4-1 is withdrawn: its workflow tasks fail"}]
        self.answer("^aws logs filter-log-events .* worker/ ", {"events": events})
        self.answer("^aws cognito-idp admin-(create-user|set-user-password) ")
        self.answer("^aws cognito-idp admin-get-user ", {"UserAttributes": [{"Name": "sub", "Value": "customer"}]})
        self.answer("^aws cognito-idp admin-initiate-auth ", {"AuthenticationResult": {"AccessToken": "token"}})
        self.answer("^aws dynamodb get-item ", {"Item": {"status": {"S": "COMPLETED"}}})
        self.answer("^aws rds (create-db-snapshot|wait) ")
        self.answer("^aws rds describe-db-instances", {"DBInstances": [{"DBInstanceIdentifier": "orderflow-test-2", "DBInstanceStatus": "available"}]})

    def after(self, script, call, stdout="", **answer):
        """Answers a call from the end of a script on."""
        self.answer(call, stdout, **answer)
        self.effects.setdefault(script, []).insert(0, self.answers.pop(0))

    def application(self, script, status, instance):
        url = f"http://127.0.0.1:{self.server.server_port}"
        outputs = {"ApiUrl": url, "WebUrl": f"{url}/", "UserPoolId": "pool", "UserPoolClientId": "client"}
        described = {
            "StackStatus": status,
            "Parameters": [{"ParameterKey": "DatabaseInstanceId", "ParameterValue": instance}],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        self.after(script, APPLICATION, {"Stacks": [described]})

    def run_test(self, account=ACCOUNT):
        self.write("effects.json", json.dumps(self.effects))
        return self.run_script("infra/account-test", account)

    def scripts(self):
        return [" ".join(words[1:]) for words in self.called("^npm ")]

    def test_all_steps(self):
        result = self.run_test()
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(re.findall("^== (.*)$", result.stdout, re.MULTILINE), STEPS)
        self.assertEqual(
            self.scripts(),
            [
                "preflight test",
                "deploy test account-test-1",
                "deploy test account-test-2",
                "deploy test account-test-3",
                "deploy test account-test-4",
                "deploy test account-test-1",
                f"restore test {SNAPSHOT} --yes",
                "delete test --data --yes",
                "preflight test",
            ],
        )
        self.assertGreaterEqual(len(self.server.orders), 6)
        self.assertEqual(self.server.orders[0]["items"], [{"productID": "MUG-1", "quantity": 1, "unitPrice": 12.5}])
        for step in [*STEPS, "sum"]:
            self.assertRegex(result.stdout, rf"(?m)^{step} +\d+\.\d +\d+\.\d\d$")

    def test_another_account(self):
        result = self.run_test("444455556666")
        self.assertEqual(result.returncode, 1)
        self.assertIn("are of account 111122223333, not of 444455556666; nothing was created", result.stderr)
        self.assertEqual(len(self.calls), 1)

    def test_no_account(self):
        for account in ("", "mine", "1111222233334"):
            self.assertEqual(self.run_test(account).returncode, 2)
            self.assertEqual(self.calls, [])

    def test_a_stage_that_exists(self):
        self.answer(FOUNDATION, {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]})
        result = self.run_test()
        self.assertEqual(result.returncode, 1)
        self.assertIn("infra/delete test --data", result.stderr)
        self.assertEqual(self.scripts(), [])

    def test_images_that_are_missing(self):
        self.answer("^docker image inspect orderflow-worker:account-test-2", status=1)
        result = self.run_test()
        self.assertEqual(result.returncode, 1)
        self.assertIn("run `infra/account-test --build` first", result.stderr)
        self.assertEqual(self.scripts(), [])

    def failing(self, step):
        """Runs the test, in which a step must fail. It is deleted in any case."""
        result = self.run_test()
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(f"error: {step}: ", result.stderr)
        self.assertIn("the test failed", result.stderr)
        self.assertIn("delete test --data --yes", self.scripts())
        self.assertEqual(re.findall("^== (.*)$", result.stdout, re.MULTILINE), [*STEPS[: STEPS.index(step) + 1], "delete"])

    def test_each_step_may_fail_and_all_is_deleted(self):
        for step, call in (
            ("create", "^npm preflight test"),
            ("create", "^npm deploy test account-test-1"),
            ("place an order", "^aws dynamodb get-item "),
            ("upgrade with a migration", "^npm deploy test account-test-2"),
            ("restore", "^npm restore test"),
        ):
            with self.subTest(call):
                self.answer(call, status=1, times=1)
                self.failing(step)

    def test_what_is_not_as_it_must_be(self):
        for step, answer in (
            ("create", lambda: self.answer("^aws cloudformation get-stack-policy", "{}", times=1)),
            ("release that does not start", lambda: self.answer("^npm deploy test account-test-3", times=1)),
            ("release that fails orders", lambda: self.answer("^npm deploy test account-test-4", times=1)),
            ("upgrade with a migration", lambda: self.after("deploy test account-test-2", "^aws ecs describe-task-definition ", task_definition("account-test-1"))),
        ):
            with self.subTest(step):
                answer()
                self.failing(step)

    def test_a_deletion_that_fails(self):
        self.answer("^npm delete", status=1)
        result = self.run_test()
        self.assertEqual(result.returncode, 1)
        self.assertIn("Resources may be left that cost money: run `infra/delete test --data`", result.stderr)

    def test_the_releases(self):
        self.answer("^docker build --tag orderflow-worker:account-test-3 ")
        self.write("effects.json", "{}")
        result = self.run_script("infra/account-test", "--build")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.scripts(), ["build test account-test-1"])
        for tag in ("account-test-2", "account-test-4"):
            self.assertEqual(len(self.called(f"^docker build --target worker --tag orderflow-worker:{tag} /")), 1)
        # The last one differs from the others.
        self.assertEqual((ROOT / "orders/src/workflow/step.rs").read_text().count(STEP), 1)
        self.assertEqual(self.called("^aws"), [])

    def test_the_price_is_that_of_the_documentation(self):
        section = (ROOT / "docs/deploy.md").read_text().split("## What it costs")[1].split("**sum**")[0]
        monthly = re.findall(r"^\| [^|]+ \| (\d+)[^|]*\|", section, re.MULTILINE)
        self.assertIn(f"USD_PER_MONTH = {sum(map(int, monthly))}\n", (ROOT / "infra/account-test").read_text())


if __name__ == "__main__":
    unittest.main()
