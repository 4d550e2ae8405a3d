"""Tests of infra/build and infra/deploy with stand-ins for aws, sam, docker and npm."""

import json
import platform
import unittest

from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse
from script_test import ScriptTest

OUTPUTS = {
    "RepositoryUri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/orderflow-dev/worker",
    "WebUrl": "https://d111.cloudfront.net/",
    "WebBucket": "orderflow-dev-bucket",
    "DistributionId": "E1",
    "UserPoolId": "us-east-1_abc",
    "UserPoolClientId": "client",
    "SignInUrl": "https://sign.in",
    "Carrier": "sandbox",
    "PaymentGateway": "sandbox",
    "DashboardUrl": "https://dashboard",
}
DESCRIBE = "^aws cloudformation describe-stacks --stack-name orderflow-dev "
BOOTSTRAP = "^aws cloudformation describe-stacks --stack-name bootstrap-orderflow-dev "
NO_STACK = "ValidationError: Stack with id orderflow-dev does not exist"
NO_IMAGE = "ImageNotFoundException: The image with imageId {imageTag:'abc'} does not exist"


def stack(status, outputs=OUTPUTS, **parameters):
    return {
        "Stacks": [
            {
                "StackName": "orderflow-dev",
                "StackStatus": status,
                "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                "Outputs": None if outputs is None else [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


class Deploy(ScriptTest):
    def setUp(self):
        super().setUp()
        self.write(".aws-sam/build/template.yaml", "")
        self.write("web/dist/index.html", "")
        self.answer("^docker image inspect", "arm64\n")
        for call in ("docker (info|login|tag|push)", "sam deploy", "aws s3 ", "aws cloudfront create-invalidation"):
            self.answer(f"^{call}")
        self.answer("^aws ecr get-login-password", "secret")
        self.answer(BOOTSTRAP, error="ValidationError: Stack with id bootstrap-orderflow-dev does not exist")
        self.answer("^aws ecr describe-images", error=NO_IMAGE)

    def deploy(self, **environment):
        return self.run_script("infra/deploy", "dev", "abc", **environment)

    def parameters(self, call=-1):
        """The parameters that SAM CLI understands from its arguments."""
        words = self.called("^sam deploy")[call]
        return CfnParameterOverridesType().convert(tuple(words[words.index("--parameter-overrides") + 1 :]), None, None)

    def test_a_first_creation(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(DESCRIBE, error=NO_STACK, times=1)
        result = self.deploy()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.called("^sam deploy")), 2)
        self.assertEqual(self.parameters(0), {"Stage": "dev", "Name": "orderflow-dev", "SelfSignUp": "true"})
        self.assertEqual(self.parameters(1), self.parameters(0) | {"WorkerImageTag": "abc", "WebUrl": OUTPUTS["WebUrl"]})
        order = [" ".join(call["call"]) for call in self.calls]
        steps = ["docker info", "sam deploy", "docker push", "sam deploy", "aws s3 sync web/dist/assets/", "aws s3 sync web/dist/ "]
        found = [next(index for index, call in enumerate(order) if call.startswith(step)) for step in steps if step != "sam deploy"]
        self.assertEqual(found, sorted(found))
        self.assertEqual(result.stdout.splitlines()[-1], OUTPUTS["WebUrl"])

    def test_an_update(self):
        self.answer(DESCRIBE, stack("UPDATE_ROLLBACK_COMPLETE"))
        self.answer("^aws ecr describe-images", {"imageDetails": [{}]})
        result = self.deploy(PARAMETERS="AlarmEmail=a@b.example")
        self.assertEqual(result.returncode, 0, result.stderr)
        # Every parameter that is not named keeps its value: SAM CLI tells CloudFormation so.
        self.assertEqual(
            self.parameters(),
            {
                "Stage": "dev",
                "Name": "orderflow-dev",
                "SelfSignUp": "true",
                "AlarmEmail": "a@b.example",
                "WorkerImageTag": "abc",
                "WebUrl": OUTPUTS["WebUrl"],
            },
        )
        self.assertEqual(len(self.called("^sam deploy")), 1)
        self.assertEqual(self.called("^docker (tag|push|login)"), [])
        config = json.loads(next(call["text"] for call in self.calls if call["text"]))
        self.assertEqual(
            config,
            {
                "signIn": {
                    "issuer": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc",
                    "clientId": "client",
                    "scope": "openid email",
                    "signOutUrl": f"https://sign.in/logout?client_id=client&logout_uri={OUTPUTS['WebUrl']}",
                },
                "sandbox": True,
                "ships": True,
                "links": {"dashboard": "https://dashboard"},
            },
        )

    def test_an_account_with_a_bootstrap_stack(self):
        boundary = "arn:aws:iam::111122223333:policy/deploy/boundary"
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(BOOTSTRAP, stack("CREATE_COMPLETE", {"BoundaryArn": boundary}))
        for nested in ("Network", "Temporal/Database"):
            source = f"infra/{nested.lower().split('/')[-1]}.yaml"
            self.write(f".aws-sam/build/{nested}/template.yaml", (self.folder / source).read_text())
        result = self.deploy(CLOUDFORMATION_ROLE_ARN="arn:aws:iam::111122223333:role/deploy/cloudformation")
        self.assertEqual(result.returncode, 0, result.stderr)
        words = self.called("^sam deploy")[0]
        self.assertEqual(words[words.index("--role-arn") + 1], "arn:aws:iam::111122223333:role/deploy/cloudformation")
        for nested, role in (("Network", "FlowLogRole"), ("Temporal/Database", "MonitoringRole")):
            source = yaml_parse((self.folder / f"infra/{nested.lower().split('/')[-1]}.yaml").read_text())
            source["Resources"][role]["Properties"]["PermissionsBoundary"] = boundary
            self.assertEqual(yaml_parse((self.folder / f".aws-sam/build/{nested}/template.yaml").read_text()), source)

    def test_an_issuer_of_your_own(self):
        own = {key: value for key, value in OUTPUTS.items() if key not in ("UserPoolId", "UserPoolClientId", "SignInUrl")}
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE", own | {"Carrier": "none", "PaymentGateway": "stripe"}))
        result = self.deploy(PAGE_ISSUER="https://issuer", PAGE_CLIENT_ID="page", PAYMENT_METHODS="pm_1=Card, pm_2 = Invoice")
        self.assertEqual(result.returncode, 0, result.stderr)
        config = json.loads([call["text"] for call in self.calls if call["text"]][-1])
        self.assertEqual(config["signIn"], {"issuer": "https://issuer", "clientId": "page", "scope": "openid email"})
        self.assertEqual((config["sandbox"], config["ships"]), (False, False))
        self.assertEqual(config["paymentMethods"], [{"id": "pm_1", "label": "Card"}, {"id": "pm_2", "label": "Invoice"}])

    def test_outputs_without_a_value(self):
        # The CLI prints `None` for a null. A stack whose first step failed has such outputs.
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        for outputs in (None, {}, {"RepositoryUri": None}, {"RepositoryUri": "None"}):
            with self.subTest(outputs):
                self.answer(DESCRIBE, stack("UPDATE_ROLLBACK_COMPLETE", outputs), times=1)
                self.assertEqual(self.deploy().returncode, 0)
                self.assertEqual(len(self.called("^sam deploy")), 2)
                self.assertNotIn("None", self.parameters().values())

    def test_a_failed_creation_that_left_nothing(self):
        self.answer(DESCRIBE, stack("CREATE_COMPLETE"))
        self.answer(DESCRIBE, stack("ROLLBACK_COMPLETE", None), times=1)
        resources = [{"LogicalResourceId": "Network", "ResourceStatus": "DELETE_COMPLETE"}]
        self.answer("^aws cloudformation list-stack-resources", {"StackResourceSummaries": resources})
        self.answer("^aws cloudformation (delete-stack|wait stack-delete-complete) --stack-name orderflow-dev ")
        result = self.deploy()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("deleting it", result.stdout)
        self.assertEqual(len(self.called("cloudformation (delete-stack|wait)")), 2)
        self.assertEqual(len(self.called("^sam deploy")), 2)

    def test_a_failed_creation_that_left_something(self):
        left = {"LogicalResourceId": "Data", "PhysicalResourceId": "orderflow-dev-Data", "ResourceStatus": "DELETE_SKIPPED"}
        self.answer("^aws cloudformation list-stack-resources", {"StackResourceSummaries": [left]})
        for status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
            with self.subTest(status):
                self.answer(DESCRIBE, stack(status, None))
                result = self.deploy()
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"orderflow-dev is in {status}", result.stderr)
                self.assertIn("Data orderflow-dev-Data DELETE_SKIPPED", result.stderr)
                self.assertIn("aws cloudformation delete-stack --stack-name orderflow-dev", result.stderr)
                self.assertEqual(self.called("^sam|delete-stack"), [])

    def test_a_stack_that_cannot_be_updated_now(self):
        for status, remedy in (("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("UPDATE_IN_PROGRESS", "wait for its end")):
            with self.subTest(status):
                self.answer(DESCRIBE, stack(status))
                result = self.deploy()
                self.assertEqual(result.returncode, 1)
                self.assertIn(remedy, result.stderr)
                self.assertEqual(self.called("^sam"), [])

    def test_credentials_that_have_expired(self):
        self.answer(DESCRIBE, error="ExpiredToken: The security token included in the request is expired")
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertIn("ExpiredToken", result.stderr)
        self.assertEqual(self.called("^sam"), [])

    def test_a_failing_creation(self):
        self.answer(DESCRIBE, stack("ROLLBACK_COMPLETE", None))
        self.answer(DESCRIBE, error=NO_STACK, times=1)
        self.answer("^sam deploy", status=3)
        result = self.deploy()
        self.assertEqual(result.returncode, 3)
        self.assertIn("error: sam deploy failed with status 3", result.stderr)
        self.assertIn("could not be created, and was rolled back", result.stderr)
        self.assertEqual(self.called("^docker (tag|push)"), [])
        self.assertEqual(self.called("^aws s3"), [])

    def test_a_failing_update(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer("^sam deploy", status=1)
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("rolled back", result.stderr)
        self.assertEqual(self.called("^aws s3"), [])

    def test_a_registry_that_does_not_answer(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer("^aws ecr describe-images", error="AccessDeniedException: not authorized")
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertIn("AccessDeniedException", result.stderr)
        self.assertEqual(self.called("^docker push"), [])

    def test_what_is_missing_on_this_machine(self):
        self.answer(DESCRIBE, stack("ROLLBACK_COMPLETE", None))
        for broken, problem in (
            (lambda: self.answer("^docker info", status=1), "docker's engine does not answer"),
            (lambda: self.answer("^docker info"), None),
            (lambda: self.answer("^docker image inspect", "amd64\n"), "built for x86_64, and Architecture is arm64"),
            (lambda: self.answer("^docker image inspect", status=1), "run `infra/build dev abc` first. Nothing was created"),
            (lambda: self.answer("^docker image inspect", "arm64\n"), None),
            ((self.folder / "web/dist/index.html").unlink, "run `infra/build dev abc` first"),
        ):
            broken()
            if problem:
                with self.subTest(problem):
                    result = self.deploy()
                    self.assertEqual(result.returncode, 1)
                    self.assertIn(problem, result.stderr)
                    self.assertEqual([call for call in self.called("^(aws|sam)") if "describe-stacks" not in call], [])

    def test_the_architecture_of_the_stack(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE", Architecture="x86_64"))
        self.assertIn("built for arm64, and Architecture is x86_64", self.deploy().stderr)
        self.assertEqual(self.deploy(PARAMETERS="Architecture=arm64").returncode, 0)

    def test_parameters_that_would_replace_a_database(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE", DatabaseGeneration="2", DatabaseRestoreFrom="snapshot", TemporalDatabaseGeneration="1"))
        for parameters in ("DatabaseRestoreFrom=", "DatabaseGeneration=3", "TemporalDatabaseGeneration=2"):
            result = self.deploy(PARAMETERS=parameters)
            self.assertEqual(result.returncode, 1)
            self.assertIn("would replace a database", result.stderr)
            self.assertEqual(self.called("^sam"), [])
        self.assertEqual(self.deploy(PARAMETERS="DatabaseGeneration=2 DatabaseRestoreFrom=snapshot").returncode, 0)

    def test_values_with_spaces_and_quotes(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        result = self.deploy(PARAMETERS="""SignInOrigins='https://a.example https://b.example'\n  EmailFrom="Shop \\"O'Neil\\" <a@b.example>" AuthScope=""")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.parameters()["SignInOrigins"], "https://a.example https://b.example")
        self.assertEqual(self.parameters()["EmailFrom"], """Shop "O'Neil" <a@b.example>""")
        self.assertEqual(self.parameters()["AuthScope"], "")

    def test_parameters_that_cannot_be_meant(self):
        for parameters, problem in (
            ("EmailFrom=a@b.example c", "'c', which is not NAME=VALUE"),
            ("EmailFrom='a", "PARAMETERS cannot be read"),
            ("EMailFrom=a@b.example", "template.yaml has no parameter EMailFrom"),
        ):
            with self.subTest(parameters):
                result = self.deploy(PARAMETERS=parameters)
                self.assertEqual(result.returncode, 1)
                self.assertIn(problem, result.stderr)
                self.assertEqual(self.calls, [])

    def test_samconfig_as_sam_writes_it(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        config = (self.folder / "samconfig.toml").read_text()
        line = 'parameter_overrides = ["Stage=dev", "Name=orderflow-dev", "SelfSignUp=true"]'
        self.assertIn(line, config)
        for written in (
            r'parameter_overrides = "Stage=\"dev\" Name=\"orderflow-dev\" SignInOrigins=\"https://a.example https://b.example\""',
            r'''parameter_overrides = ["Stage=dev", "Name=orderflow-dev", 'SignInOrigins="https://a.example https://b.example"']''',
        ):
            with self.subTest(written):
                self.write("samconfig.toml", config.replace(line, written))
                result = self.deploy(PARAMETERS="Stage=staging")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.parameters()["SignInOrigins"], "https://a.example https://b.example")
                # What the caller names has priority.
                self.assertEqual(self.parameters()["Stage"], "staging")

    def test_the_region(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        for environment, region in (
            ({}, "us-east-1"),
            ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
            ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
        ):
            with self.subTest(environment):
                self.assertEqual(self.deploy(**environment).returncode, 0)
                words = self.called("^sam deploy")[0]
                self.assertEqual(words[words.index("--region") + 1], region)

    def test_an_unknown_stage(self):
        result = self.run_script("infra/deploy", "production", "abc")
        self.assertEqual(result.returncode, 1)
        self.assertIn("production is none of dev, staging, prod", result.stderr)


class Build(ScriptTest):
    def setUp(self):
        super().setUp()
        for script in ("local/install", "web/build-page"):
            self.write(script, "#!/bin/sh\nexec npm run build\n", 0o755)
        self.answer("^(docker build|npm run build|sam build)")
        self.machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        self.other = {"arm64": "x86_64", "x86_64": "arm64"}[self.machine]

    def test_only_the_architecture_reaches_the_build(self):
        parameters = f"AlarmEmail='a b@c.example' Architecture={self.machine}"
        result = self.run_script("infra/build", "dev", "abc", PARAMETERS=parameters)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.called("^sam"), [["sam", "build", "--parameter-overrides", f"Architecture={self.machine}"]])
        self.assertEqual(self.called("^docker"), [["docker", "build", "--target", "worker", "--tag", "orderflow-worker:abc", "."]])
        self.assertEqual(self.called("^aws"), [])

    def test_another_architecture(self):
        result = self.run_script("infra/build", "dev", "abc", PARAMETERS=f"Architecture={self.other}")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"Architecture is {self.other}, and this machine is {self.machine}", result.stderr)
        self.assertEqual(self.calls, [])


if __name__ == "__main__":
    unittest.main()
