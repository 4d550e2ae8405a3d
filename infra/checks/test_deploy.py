"""Tests of infra/build and infra/deploy with stand-ins for aws, sam, docker and npm."""

import json
import platform
import unittest
from unittest import mock

from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse
from script_test import ROOT, ScriptTest

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
# The outputs of the foundation, with a value that the application already had, and a new one.
GIVEN = {"PostgresHost": "host", "OrdersTable": "orderflow-dev-orders", "UserPoolId": "us-east-1_abc"}
FOUNDATION = "^aws cloudformation describe-stacks --stack-name orderflow-dev-foundation "
POLICY = (ROOT / "infra/stack-policy.json").read_text()
DESCRIBE = "^aws cloudformation describe-stacks --stack-name orderflow-dev "
BOOTSTRAP = "^aws cloudformation describe-stacks --stack-name bootstrap-orderflow-dev "
NO_STACK = "ValidationError: Stack with id orderflow-dev does not exist"
NO_FOUNDATION = "ValidationError: Stack with id orderflow-dev-foundation does not exist"
NO_IMAGE = "ImageNotFoundException: The image with imageId {imageTag:'abc'} does not exist"


# A foundation of an older release has no such parameters, and keeps its versions.
VERSIONS = {"DatabaseVersion": "15", "TemporalDatabaseVersion": "15"}


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


def foundation(status="UPDATE_COMPLETE", protected=True, **parameters):
    described = stack(status, GIVEN, **{"Name": "orderflow-dev", "Egress": "nat", "VpcCidr": "10.20.0.0/16", "DatabaseGeneration": "1"} | parameters)
    described["Stacks"][0] |= {"StackName": "orderflow-dev-foundation", "EnableTerminationProtection": protected}
    return described


class Deploy(ScriptTest):
    def setUp(self):
        super().setUp()
        self.write(".aws-sam/build/template.yaml", "")
        self.write(".aws-sam/foundation/template.yaml", "")
        self.write("web/dist/index.html", "")
        self.answer("^docker image inspect", "arm64\n")
        for call in ("docker (info|login|tag|push)", "sam deploy", "aws s3 ", "aws cloudfront create-invalidation"):
            self.answer(f"^{call}")
        self.answer("^aws ecr get-login-password", "secret")
        self.answer(FOUNDATION, foundation())
        self.answer("^aws cloudformation get-stack-policy", {"StackPolicyBody": POLICY})
        self.answer("^aws cloudformation list-stack-resources", {"StackResourceSummaries": []})
        nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": "arn:data", "ResourceStatus": "CREATE_COMPLETE"}
        self.answer("^aws cloudformation list-stack-resources --stack-name orderflow-dev-foundation ", {"StackResourceSummaries": [nested]})
        self.answer(BOOTSTRAP, error="ValidationError: Stack with id bootstrap-orderflow-dev does not exist")
        self.answer("^aws ecr describe-images", error=NO_IMAGE)

    def deploy(self, **environment):
        return self.run_script("infra/deploy", "dev", "abc", **environment)

    def deployed(self, root="(application|foundation)"):
        """The calls of `sam deploy` for one root."""
        built = root.replace("application", "build")
        return self.called(f"^sam deploy .*--template-file {self.folder}/.aws-sam/{built}/template.yaml ")

    def parameters(self, call=-1, root="application"):
        """The parameters that SAM CLI understands from its arguments."""
        words = self.deployed(root)[call]
        return CfnParameterOverridesType().convert(tuple(words[words.index("--parameter-overrides") + 1 :]), None, None)

    def test_a_first_creation(self):
        self.answer(FOUNDATION, foundation("CREATE_COMPLETE", protected=False))
        self.answer(FOUNDATION, error=NO_FOUNDATION, times=1)
        self.answer("^aws cloudformation get-stack-policy", "{}")
        self.answer("^aws cloudformation (set-stack-policy|update-termination-protection)")
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(DESCRIBE, error=NO_STACK, times=1)
        result = self.deploy(PARAMETERS="DatabaseStorageGiB=30 VpcCidr=10.1.0.0/16")
        self.assertEqual(result.returncode, 0, result.stderr)
        foundations = {"Stage": "dev", "Name": "orderflow-dev", "SelfSignUp": "true", "DatabaseStorageGiB": "30", "VpcCidr": "10.1.0.0/16"}
        self.assertEqual(self.parameters(root="foundation"), foundations)
        self.assertEqual((len(self.deployed("foundation")), len(self.deployed("application"))), (1, 2))
        # What both have is what the foundation has.
        given = {"Stage": "dev", "Name": "orderflow-dev", "Egress": "nat", "VpcCidr": "10.20.0.0/16", **GIVEN}
        self.assertEqual(self.parameters(0), given)
        workers = {"WorkerImageTag": "abc", "WorkerReleaseTime": mock.ANY, "KeepFormerWorkers": "false"}
        self.assertEqual(self.parameters(1), given | workers | {"WebUrl": OUTPUTS["WebUrl"]})
        order = [" ".join(call["call"]) for call in self.calls]
        steps = ["docker info", "sam deploy", "aws cloudformation update-termination", "docker push", "aws s3 sync web/dist/assets/", "aws s3 sync web/dist/ "]
        found = [next(index for index, call in enumerate(order) if call.startswith(step)) for step in steps]
        self.assertEqual(found, sorted(found))
        protected = self.called("set-stack-policy")
        self.assertEqual([words[words.index("--stack-name") + 1] for words in protected], ["orderflow-dev-foundation", "arn:data"])
        for words in protected:
            self.assertEqual(json.loads(words[words.index("--stack-policy-body") + 1]), json.loads(POLICY))
        self.assertEqual(result.stdout.splitlines()[-1], OUTPUTS["WebUrl"])

    def test_a_foundation_that_is_protected_already(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.assertEqual(self.deploy().returncode, 0)
        self.assertEqual(self.called("set-stack-policy|update-termination-protection|delete-stack"), [])

    def test_a_foundation_whose_protection_the_caller_may_not_change(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer("^aws cloudformation set-stack-policy --stack-name arn:data ", error="AccessDenied: not authorized")
        self.answer("^aws cloudformation get-stack-policy --stack-name arn:data ", "{}")
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertIn("orderflow-dev-foundation is not protected", result.stderr)
        self.assertEqual(self.called("^sam"), [])

    def test_an_application_without_a_foundation(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(FOUNDATION, error=NO_FOUNDATION)
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertIn("would delete its data", result.stderr)
        self.assertEqual(self.called("^sam"), [])

    def test_a_foundation_that_cannot_be_updated(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        for status, remedy in (("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("UPDATE_IN_PROGRESS", "wait for its end")):
            with self.subTest(status):
                self.answer(FOUNDATION, foundation(status))
                result = self.deploy()
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"orderflow-dev-foundation is in {status}", result.stderr)
                self.assertIn(remedy, result.stderr)
                self.assertEqual(self.called("^sam"), [])

    def test_a_failing_foundation_leaves_the_application(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer("^sam deploy .*/foundation/", status=1)
        result = self.deploy()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(self.deployed("application"), [])

    def test_an_update(self):
        self.answer(DESCRIBE, stack("UPDATE_ROLLBACK_COMPLETE"))
        self.answer("^aws ecr describe-images", {"imageDetails": [{}]})
        result = self.deploy(PARAMETERS="AlarmEmail=a@b.example")
        self.assertEqual(result.returncode, 0, result.stderr)
        # Every parameter that is not named keeps its value: SAM CLI tells CloudFormation so.
        self.assertEqual(self.parameters(root="foundation"), {"Stage": "dev", "Name": "orderflow-dev", "SelfSignUp": "true"} | VERSIONS)
        self.assertEqual(
            self.parameters(),
            {
                "Stage": "dev",
                "Name": "orderflow-dev",
                "Egress": "nat",
                "VpcCidr": "10.20.0.0/16",
                **GIVEN,
                "AlarmEmail": "a@b.example",
                "WorkerImageTag": "abc",
                "WorkerReleaseTime": mock.ANY,
                "KeepFormerWorkers": "false",
                "WebUrl": OUTPUTS["WebUrl"],
            },
        )
        self.assertEqual((len(self.deployed("foundation")), len(self.deployed("application"))), (1, 1))
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

    def test_the_version_of_the_workers(self):
        def release(**present):
            self.answer(DESCRIBE, stack("UPDATE_COMPLETE", **present))
            self.assertEqual(self.deploy().returncode, 0)
            given = self.parameters()
            return given["WorkerReleaseTime"], given["KeepFormerWorkers"]

        # Another image, also one that was deployed before: its version is new, and has a trial.
        time, keeps = release(WorkerImageTag="old", WorkerReleaseTime="20261130101010")
        self.assertRegex(time, r"^20\d{12}$")
        self.assertEqual(keeps, "true")
        # The same image: no trial, and nothing to wait for.
        self.assertEqual(release(WorkerImageTag="abc", WorkerReleaseTime="20261130101010"), ("20261130101010", "false"))
        self.assertEqual(release(WorkerImageTag="abc"), ("", "false"))

    def test_an_account_with_a_bootstrap_stack(self):
        boundary = "arn:aws:iam::111122223333:policy/deploy/boundary"
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(BOOTSTRAP, stack("CREATE_COMPLETE", {"BoundaryArn": boundary}))
        nested = (("foundation/Database", "infra/database.yaml", "MonitoringRole"), ("build/Temporal", "infra/temporal.yaml", "TaskRole"))
        for built, source, _ in nested:
            self.write(f".aws-sam/{built}/template.yaml", (self.folder / source).read_text())
        result = self.deploy(CLOUDFORMATION_ROLE_ARN="arn:aws:iam::111122223333:role/deploy/cloudformation")
        self.assertEqual(result.returncode, 0, result.stderr)
        for words in self.called("^sam deploy"):
            self.assertEqual(words[words.index("--role-arn") + 1], "arn:aws:iam::111122223333:role/deploy/cloudformation")
        for built, _, role in nested:
            template = yaml_parse((self.folder / f".aws-sam/{built}/template.yaml").read_text())
            self.assertEqual(template["Resources"][role]["Properties"]["PermissionsBoundary"], boundary)

    def test_an_issuer_of_your_own(self):
        own = {key: value for key, value in OUTPUTS.items() if key not in ("UserPoolId", "UserPoolClientId", "SignInUrl")}
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE", own | {"Carrier": "none", "PaymentGateway": "stripe", "TracesLink": "https://x/{xrayTraceID}"}))
        result = self.deploy(PAGE_ISSUER="https://issuer", PAGE_CLIENT_ID="page", PAYMENT_METHODS="pm_1=Card, pm_2 = Invoice")
        self.assertEqual(result.returncode, 0, result.stderr)
        config = json.loads([call["text"] for call in self.calls if call["text"]][-1])
        self.assertEqual(config["signIn"], {"issuer": "https://issuer", "clientId": "page", "scope": "openid email"})
        self.assertEqual((config["sandbox"], config["ships"]), (False, False))
        self.assertEqual((config["traces"], config["links"]["trace"]), (True, "https://x/{xrayTraceID}"))
        self.assertEqual(config["paymentMethods"], [{"id": "pm_1", "label": "Card"}, {"id": "pm_2", "label": "Invoice"}])

    def test_outputs_without_a_value(self):
        # The CLI prints `None` for a null. A stack whose first step failed has such outputs.
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        for outputs in (None, {}, {"RepositoryUri": None}, {"RepositoryUri": "None"}):
            with self.subTest(outputs):
                self.answer(DESCRIBE, stack("UPDATE_ROLLBACK_COMPLETE", outputs), times=1)
                self.assertEqual(self.deploy().returncode, 0)
                self.assertEqual(len(self.deployed("application")), 2)
                self.assertNotIn("None", self.parameters().values())

    def test_a_failed_creation_that_left_nothing(self):
        self.answer(DESCRIBE, stack("CREATE_COMPLETE"))
        self.answer(DESCRIBE, stack("ROLLBACK_COMPLETE", None), times=1)
        resources = [{"LogicalResourceId": "Network", "ResourceStatus": "DELETE_COMPLETE"}]
        self.answer("^aws cloudformation list-stack-resources --stack-name orderflow-dev ", {"StackResourceSummaries": resources})
        self.answer("^aws cloudformation (delete-stack|wait stack-delete-complete) --stack-name orderflow-dev ")
        result = self.deploy()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("deleting it", result.stdout)
        self.assertEqual(len(self.called("cloudformation (delete-stack|wait)")), 2)
        self.assertEqual(len(self.deployed("application")), 2)

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
        self.answer("^sam deploy .*/build/", status=3)
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
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(FOUNDATION, foundation(DatabaseGeneration="2", DatabaseRestoreFrom="snapshot", TemporalDatabaseGeneration="1"))
        for parameters in ("DatabaseRestoreFrom=", "DatabaseGeneration=3", "TemporalDatabaseGeneration=2"):
            result = self.deploy(PARAMETERS=parameters)
            self.assertEqual(result.returncode, 1)
            self.assertIn("would replace a database", result.stderr)
            self.assertEqual(self.called("^sam"), [])
        self.assertEqual(self.deploy(PARAMETERS="DatabaseGeneration=2 DatabaseRestoreFrom=snapshot").returncode, 0)

    def test_an_upgrade_of_postgres_is_asked_for(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        # The foundation is of a release that had no such parameters.
        for present, given, versions in (
            ({}, "", ("15", "15")),
            ({}, "DatabaseVersion=17", ("17", "15")),
            ({"DatabaseVersion": "17", "TemporalDatabaseVersion": "15"}, "", ("17", "15")),
            ({"DatabaseVersion": "17", "TemporalDatabaseVersion": "15"}, "TemporalDatabaseVersion=16", ("17", "16")),
        ):
            with self.subTest(present=present, given=given):
                self.answer(FOUNDATION, foundation(**present))
                result = self.deploy(PARAMETERS=given)
                self.assertEqual(result.returncode, 0, result.stderr)
                parameters = self.parameters(root="foundation")
                self.assertEqual((parameters["DatabaseVersion"], parameters["TemporalDatabaseVersion"]), versions)
                self.assertEqual("will be upgraded" in result.stdout, bool(given))

    def test_postgres_does_not_go_back(self):
        self.answer(DESCRIBE, stack("UPDATE_COMPLETE"))
        self.answer(FOUNDATION, foundation(DatabaseVersion="17", TemporalDatabaseVersion="16"))
        result = self.deploy(PARAMETERS="DatabaseVersion=15")
        self.assertEqual(result.returncode, 1)
        self.assertIn("DatabaseVersion=15: the foundation has 17, and RDS cannot go back", result.stderr)
        self.assertEqual(self.called("^sam"), [])

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
            ("EMailFrom=a@b.example", "no template has a parameter EMailFrom"),
            ("PostgresHost=a", "no template has a parameter PostgresHost that can be set"),
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
                for words in self.called("^sam deploy"):
                    self.assertEqual(words[words.index("--region") + 1], region)

    def test_an_unknown_stage(self):
        result = self.run_script("infra/deploy", "production", "abc")
        self.assertEqual(result.returncode, 1)
        self.assertIn("production is none of dev, staging, prod, test", result.stderr)


class Protection(ScriptTest):
    """What infra/restore uses of infra/stage.py."""

    def setUp(self):
        super().setUp()
        self.write("infra/lift", "#!/usr/bin/env -S python3 -B\nfrom stage import *\nwith unprotected(Stage('dev')):\n    run('npm', 'update')\n", 0o755)
        self.answer(FOUNDATION, foundation(protected=True))
        self.answer("^aws cloudformation (set-stack-policy|update-termination-protection)")
        # The policy is set, then lifted.
        self.answer("^aws cloudformation get-stack-policy", {"StackPolicyBody": '{"Statement":[]}'})
        nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": "arn:data", "ResourceStatus": "CREATE_COMPLETE"}
        self.answer("^aws cloudformation list-stack-resources", {"StackResourceSummaries": []})
        self.answer("^aws cloudformation list-stack-resources --stack-name orderflow-dev-foundation ", {"StackResourceSummaries": [nested]})

    def policies(self, words):
        return words[words.index("--stack-name") + 1], any(statement["Effect"] == "Deny" for statement in json.loads(words[words.index("--stack-policy-body") + 1])["Statement"])

    def test_it_is_lifted_for_a_block_and_set_again(self):
        for status in (0, 1):
            with self.subTest(status):
                self.answer("^npm update", status=status)
                self.assertEqual(self.run_script("infra/lift").returncode, status)
                calls = [call["call"] for call in self.calls]
                block = calls.index(["npm", "update"])
                lifted = [self.policies(words) for words in calls[:block] if "set-stack-policy" in words]
                protected = [self.policies(words) for words in calls[block:] if "set-stack-policy" in words]
                self.assertEqual(lifted, [("orderflow-dev-foundation", False), ("arn:data", False)])
                self.assertEqual(protected, [("orderflow-dev-foundation", True), ("arn:data", True)])


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
        foundation = ["--template-file", "infra/foundation.yaml", "--build-dir", ".aws-sam/foundation"]
        self.assertEqual(self.called("^sam"), [["sam", "build", *foundation], ["sam", "build", "--parameter-overrides", f"Architecture={self.machine}"]])
        self.assertEqual(self.called("^docker"), [["docker", "build", "--target", "worker", "--tag", "orderflow-worker:abc", "."]])
        self.assertEqual(self.called("^aws"), [])

    def test_another_architecture(self):
        result = self.run_script("infra/build", "dev", "abc", PARAMETERS=f"Architecture={self.other}")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"Architecture is {self.other}, and this machine is {self.machine}", result.stderr)
        self.assertEqual(self.calls, [])


if __name__ == "__main__":
    unittest.main()
