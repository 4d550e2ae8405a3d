"""Tests of infra/preflight with a stand-in for aws."""

import re
import unittest

from script_test import ScriptTest

STACK = "^aws cloudformation describe-stacks"
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/1"
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:orderflow-dev/stripe-abcdef"


def zones(*states):
    return {"AvailabilityZones": [{"ZoneName": f"us-east-1{index}", "State": state} for index, state in enumerate(states)]}


def quota(value):
    return {"Quota": {"Value": value}}


def updated(**parameters):
    """A stack that can be updated."""
    kept = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": kept}]}


class Preflight(ScriptTest):
    def setUp(self):
        super().setUp()
        self.answer("^aws sts get-caller-identity", {"Account": "111122223333", "Arn": "arn:aws:iam::111122223333:user/me"})
        self.answer(STACK, error="ValidationError: Stack with id orderflow-dev does not exist")
        self.answer("^aws ec2 describe-availability-zones", zones("available", "available"))
        self.concurrency(1000, 1000)
        self.answer("^aws service-quotas get-service-quota .*L-3032A538", quota(100.0))
        self.answer("^aws service-quotas get-service-quota .*L-0263D0A3", quota(5.0))
        self.answer("^aws service-quotas get-service-quota .*L-F678F1CE", quota(5.0))
        self.answer("^aws ec2 describe-addresses", {"Addresses": [{"AllocationId": "eipalloc-1"}]})
        self.answer("^aws ec2 describe-vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        self.answer("^aws rds describe-orderable-db-instance-options", {"OrderableDBInstanceOptions": [{"Engine": "postgres"}]})
        self.answer("^aws (cloudfront|cloudwatch|dynamodb|ecr|ecs|logs|sesv2|sns|sqs|lambda|s3api|rds) (list|describe)-(?!orderable)", "{}")
        for major in ("15", "16", "17"):
            self.answer(f"^aws rds describe-db-engine-versions .*--engine-version {major} ", {"DBEngineVersions": [{"EngineVersion": f"{major}.9"}]})
        self.answer("^aws cognito-idp describe-user-pool-domain", {"DomainDescription": {}})
        self.answer("^aws sesv2 get-account", {"ProductionAccessEnabled": True, "SendingEnabled": True})
        self.answer("^aws sesv2 get-email-identity .*orders@shop.example", error="NotFoundException: Email identity does not exist")
        self.answer("^aws sesv2 get-email-identity .* shop.example", {"VerifiedForSendingStatus": True})
        self.answer("^aws sns get-sms-sandbox-account-status", {"IsInSandbox": False})
        self.answer("^aws sns get-sms-attributes", {"attributes": {"MonthlySpendLimit": "50"}})
        self.certificate("ISSUED", "*.shop.example")
        self.answer("^aws secretsmanager describe-secret", {"Name": "orderflow-dev/stripe"})

    def concurrency(self, limit, unreserved):
        limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
        self.answer("^aws lambda get-account-settings", {"AccountLimit": limits})

    def certificate(self, status, name):
        self.answer("^aws acm describe-certificate", {"Certificate": {"Status": status, "DomainName": name, "SubjectAlternativeNames": [name]}})

    def preflight(self, parameters=""):
        result = self.run_script("infra/preflight", "dev", PARAMETERS=f"EmailFrom=orders@shop.example {parameters}")
        self.lines = result.stdout.splitlines()
        return result

    def finds(self, *lines, parameters=""):
        """Checks that each line is printed, and that the status is 1 if and only if there is a FAIL."""
        result = self.preflight(parameters)
        for line in lines:
            self.assertTrue(any(re.match(line, found) for found in self.lines), f"{line}\n{result.stdout}{result.stderr}")
        self.assertEqual(result.returncode, 1 if any(found.startswith("FAIL") for found in self.lines) else 0, result.stderr)
        # Each problem names its remedy.
        for found in self.lines:
            if found.startswith(("FAIL", "warn")):
                self.assertIn(": ", found)

    def test_nothing_is_wrong(self):
        result = self.preflight()
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        others = [line for line in self.lines if not line.startswith("ok")]
        self.assertEqual(len(others), 1, others)
        self.assertIn("note  CloudFront refuses distributions of accounts that AWS has not verified", others[0])

    def test_it_only_reads(self):
        self.preflight(f"DomainName=www.shop.example CertificateArn={CERTIFICATE} StripeSecretArn={SECRET}")
        self.assertNotIn(None, {re.match(r"get|describe|list", call["call"][2]) for call in self.calls})

    def test_credentials(self):
        self.answer("^aws sts get-caller-identity", error="ExpiredToken: The security token is expired")
        self.finds("FAIL  AWS does not accept the credentials .*ExpiredToken.*: sign in")
        self.assertEqual(len(self.calls), 1)

    def test_something_that_cannot_be_read(self):
        self.answer("^aws ec2 describe-vpcs", error="UnauthorizedOperation: You are not authorized")
        self.finds("warn  network: cannot be checked .*UnauthorizedOperation", "ok    SES has verified")

    def test_the_stack(self):
        for status, line in (
            ("ROLLBACK_COMPLETE", "ok    the stack orderflow-dev will be created"),
            ("ROLLBACK_FAILED", "FAIL  the stack orderflow-dev is in ROLLBACK_FAILED"),
            ("UPDATE_IN_PROGRESS", "FAIL  the stack orderflow-dev is in UPDATE_IN_PROGRESS"),
        ):
            with self.subTest(status):
                self.answer(STACK, {"Stacks": [{"StackStatus": status, "Parameters": []}]})
                self.finds(line)
        self.answer(STACK, updated())
        # An existing stack has its names already, and its distribution.
        self.answer("^aws dynamodb list-tables", {"TableNames": ["orderflow-dev-orders"]})
        self.finds("ok    the stack orderflow-dev will be updated")
        self.assertFalse(any("exists already" in line or "CloudFront" in line for line in self.lines))

    def test_a_foundation_without_an_application(self):
        self.answer(STACK + " --stack-name orderflow-dev-foundation ", updated())
        self.answer("^aws dynamodb list-tables", {"TableNames": ["orderflow-dev-orders"]})
        self.answer("^aws ecr describe-repositories", {"repositories": [{"repositoryName": "orderflow-dev/worker"}]})
        self.finds(
            "ok    the stack orderflow-dev-foundation will be updated",
            "ok    the stack orderflow-dev will be created",
            "FAIL  AWS::ECR::Repository orderflow-dev/worker exists already",
        )
        self.assertFalse(any("orderflow-dev-orders" in line for line in self.lines))

    def test_an_application_without_a_foundation(self):
        self.answer(STACK + " --stack-name orderflow-dev ", updated())
        self.finds("FAIL  orderflow-dev has no foundation")

    def test_values(self):
        self.finds(
            "FAIL  Egress=wifi is none of nat, nat-per-zone, endpoints",
            "FAIL  WebAclArn=x does not match",
            "FAIL  MinWorkers=many is no number",
            "FAIL  TemporalHistoryShards=20000 is not between 1 and 16384",
            parameters="Egress=wifi WebAclArn=x MinWorkers=many TemporalHistoryShards=20000",
        )
        self.finds(
            "FAIL  MinWorkers is above MaxWorkers",
            "FAIL  WorkerCpu=256 and WorkerMemoryMiB=4096 do not fit",
            "FAIL  DatabaseMaxStorageGiB must be at least a tenth above DatabaseStorageGiB",
            "warn  Name is shop, and the stack is orderflow-dev",
            "warn  Egress=endpoints cannot reach Docker Hub",
            parameters="MinWorkers=9 WorkerCpu=256 WorkerMemoryMiB=4096 DatabaseStorageGiB=190 Name=shop Egress=endpoints",
        )

    def test_rules_between_parameters(self):
        cloud = "TemporalMode=cloud TemporalCloudAddress=a.tmprl.cloud:7233 TemporalCloudNamespace=a"
        for parameters, *lines in (
            ("TemporalMode=cloud", *(f"FAIL  TemporalMode=cloud needs {what}" for what in ("TemporalCloudAddress", "TemporalCloudNamespace", "TemporalSecretArn"))),
            (f"{cloud} TemporalSecretArn={SECRET} Egress=endpoints", "FAIL  .* needs TemporalCloudEndpointService"),
            (
                "PaymentGateway=stripe AuthIssuer=https://issuer DomainName=www.shop.example",
                "FAIL  PaymentGateway=stripe needs StripeSecretArn",
                "FAIL  AuthIssuer needs AuthAudience",
                "FAIL  DomainName needs CertificateArn",
            ),
            (f"PaymentGateway=stripe StripeSecretArn={SECRET} Egress=endpoints", "FAIL  PaymentGateway=stripe needs a way to the internet"),
        ):
            with self.subTest(parameters):
                self.finds(*lines, parameters=parameters)

    def test_parameters_of_the_stack_count(self):
        self.answer(STACK, updated(DomainName="www.shop.example"))
        self.finds("FAIL  DomainName needs CertificateArn")

    def test_zones(self):
        self.answer("^aws ec2 describe-availability-zones", zones("available", "impaired"))
        self.finds("FAIL  only 1 availability zones")

    def test_lambda(self):
        self.concurrency(10, 10)
        self.finds("warn  Lambda runs only 10 functions at once")
        line = "FAIL  LimitConcurrency=true needs 210 concurrent executions that are not reserved; there are 10 of 10"
        self.finds(line, parameters="LimitConcurrency=true")
        self.concurrency(210, 210)
        self.finds("ok    Lambda runs 210", parameters="LimitConcurrency=true")
        # The stack has reserved its 110 already.
        self.concurrency(210, 100)
        self.answer(STACK, updated(LimitConcurrency="true"))
        self.finds("ok    Lambda runs 210")

    def test_fargate(self):
        self.answer("^aws service-quotas get-service-quota .*L-3032A538", quota(6.0))
        # Temporal 1, its UI 0.25, eight workers of a half; twice in a deployment.
        self.finds("warn  Fargate's quota is 6 vCPU; with MaxWorkers, a deployment needs 10.5")
        self.finds("FAIL  Fargate's quota is 6 vCPU, and the stack needs 8.75", parameters="TemporalServers=8")
        self.answer("^aws service-quotas get-service-quota .*L-3032A538", error="NoSuchResourceException: The quota was never changed")
        self.answer("^aws service-quotas get-aws-default-service-quota .*L-3032A538", quota(1.0))
        self.finds("FAIL  Fargate's quota is 1 vCPU, and the stack needs 1.75")

    def test_elastic_ips(self):
        others = [{"AllocationId": f"eipalloc-{index}"} for index in range(3)]
        own = {"AllocationId": "eipalloc-9", "Tags": [{"Key": "Name", "Value": "orderflow-dev-nat-a"}]}
        self.answer("^aws ec2 describe-addresses", {"Addresses": [*others, own]})
        self.finds("ok    2 of 5 Elastic IPs; 3 are used by others", parameters="Egress=nat-per-zone")
        self.finds("FAIL  3 Elastic IPs are needed; 3 of 5 are used by others", parameters="Egress=nat-per-zone AvailabilityZones=3")

    def test_vpcs(self):
        self.answer("^aws ec2 describe-vpcs", {"Vpcs": [{"VpcId": f"vpc-{index}"} for index in range(5)]})
        self.finds("FAIL  all of 5 VPCs are used")

    def test_databases(self):
        self.answer("^aws rds describe-orderable.*db.m9g.huge", {"OrderableDBInstanceOptions": []})
        self.finds(r"FAIL  RDS has no Postgres 17\.9 on db.m9g.huge", r"ok    RDS has Postgres 16\.9 on db.t4g.medium", parameters="DatabaseInstanceClass=db.m9g.huge")

    def test_names_that_exist(self):
        policy = {"CachePolicyConfig": {"Name": "orderflow-dev-us-east-1-files"}}
        headers = {"ResponseHeadersPolicyConfig": {"Name": "orderflow-dev-us-east-1-page"}}
        groups = ["/orderflow-dev/worker", "/aws/rds/instance/orderflow-dev-temporal-1/postgresql", "/other"]
        for command, answer in (
            ("cloudfront list-cache-policies", {"CachePolicyList": {"Items": [{"CachePolicy": policy}]}}),
            ("cloudfront list-functions", {"FunctionList": {"Items": [{"Name": "orderflow-dev-us-east-1-views"}]}}),
            ("cloudfront list-origin-access-controls", {"OriginAccessControlList": {"Items": [{"Name": "orderflow-dev-us-east-1-web"}]}}),
            ("cloudfront list-response-headers-policies", {"ResponseHeadersPolicyList": {"Items": [{"ResponseHeadersPolicy": headers}]}}),
            ("cloudwatch describe-alarms", {"MetricAlarms": [{"AlarmName": "orderflow-dev-api-errors"}]}),
            ("cloudwatch list-dashboards", {"DashboardEntries": [{"DashboardName": "orderflow-dev-us-east-1"}]}),
            ("cognito-idp describe-user-pool-domain", {"DomainDescription": {"UserPoolId": "us-east-1_x"}}),
            ("dynamodb list-tables", {"TableNames": ["orderflow-dev-orders", "other"]}),
            ("ecr describe-repositories", {"repositories": [{"repositoryName": "orderflow-dev/worker"}]}),
            ("ecs list-clusters", {"clusterArns": ["arn:aws:ecs:us-east-1:1:cluster/orderflow-dev-worker"]}),
            ("lambda list-functions", {"Functions": [{"FunctionName": "orderflow-dev-create-order"}]}),
            ("logs describe-log-groups", {"logGroups": [{"logGroupName": name} for name in groups]}),
            ("rds describe-db-instances", {"DBInstances": [{"DBInstanceIdentifier": "orderflow-dev-1"}]}),
            ("sesv2 list-configuration-sets", {"ConfigurationSets": ["orderflow-dev-notices"]}),
            ("sns list-topics", {"Topics": [{"TopicArn": "arn:aws:sns:us-east-1:1:orderflow-dev-events.fifo"}]}),
            ("sqs list-queues", {"QueueUrls": ["https://sqs.us-east-1.amazonaws.com/1/orderflow-dev-intake"]}),
        ):
            self.answer(f"^aws {command}", answer)
        self.preflight()
        taken = sorted(line.split()[2] for line in self.lines if "exists already" in line)
        expected = [
            "/aws/rds/instance/orderflow-dev-temporal-1/postgresql",
            "/orderflow-dev/worker",
            "orderflow-dev-1",
            "orderflow-dev-111122223333",
            "orderflow-dev-api-errors",
            "orderflow-dev-create-order",
            "orderflow-dev-events.fifo",
            "orderflow-dev-intake",
            "orderflow-dev-notices",
            "orderflow-dev-orders",
            "orderflow-dev-us-east-1",
            "orderflow-dev-us-east-1-files",
            "orderflow-dev-us-east-1-page",
            "orderflow-dev-us-east-1-views",
            "orderflow-dev-us-east-1-web",
            "orderflow-dev-worker",
            "orderflow-dev/worker",
        ]
        self.assertEqual(taken, expected)

    def test_a_name_that_this_deployment_does_not_make(self):
        # Temporal Cloud: the stack makes no database for Temporal.
        self.answer("^aws rds describe-db-instances", {"DBInstances": [{"DBInstanceIdentifier": "orderflow-dev-temporal-1"}]})
        cloud = f"TemporalMode=cloud TemporalCloudAddress=a:7233 TemporalCloudNamespace=a TemporalSecretArn={SECRET}"
        self.finds("ok    no resource has a name", parameters=cloud)
        self.finds("FAIL  AWS::RDS::DBInstance orderflow-dev-temporal-1 exists already")

    def test_messages(self):
        self.answer("^aws sesv2 get-account", {"ProductionAccessEnabled": False, "SendingEnabled": False})
        self.answer("^aws sesv2 get-email-identity .* shop.example", {"VerifiedForSendingStatus": False})
        self.answer("^aws sns get-sms-sandbox-account-status", {"IsInSandbox": True})
        self.answer("^aws sns get-sms-attributes", {"attributes": {}})
        self.finds(
            "warn  SES is in its sandbox",
            "warn  SES sends nothing",
            r"FAIL  SES has not verified orders@shop.example \(EmailFrom\) in this region: `aws ses verify-email-identity",
            "warn  SNS is in its SMS sandbox",
            "warn  text messages end after 1 dollars a month",
        )
        self.finds("ok    no text messages", parameters="SmsPrefixes=none")
        # Only the stack's own user pool needs a verified sender.
        self.answer("^aws sesv2 get-email-identity .*orderflow.example", error="NotFoundException: Email identity does not exist")
        self.finds("warn  SES has not verified orders@orderflow.example", parameters="EmailFrom=orders@orderflow.example")
        self.finds("warn  SES has not verified orders@shop.example", parameters="AuthIssuer=https://issuer.example AuthAudience=shop")

    def test_certificates(self):
        parameters = f"DomainName=www.shop.example CertificateArn={CERTIFICATE}"
        self.finds("ok    CertificateArn is issued", parameters=parameters)
        self.assertEqual({call[call.index("--region") + 1] for call in self.called("acm")}, {"us-east-1"})
        self.certificate("PENDING_VALIDATION", "other.example")
        self.finds(
            "FAIL  CertificateArn is in status PENDING_VALIDATION",
            "FAIL  CertificateArn is for other.example and not for www.shop.example",
            parameters=parameters,
        )
        self.answer("^aws acm", error="ResourceNotFoundException: Could not find certificate")
        self.finds("FAIL  CertificateArn does not exist in us-east-1", parameters=parameters)

    def test_a_closed_api(self):
        acl = "WebAclArn=arn:aws:wafv2:us-east-1:111122223333:global/webacl/acl/1"
        self.finds("FAIL  WebAclArn needs ApiDomainName", parameters=acl)
        self.finds("FAIL  ApiDomainName needs OriginCertificateArn", parameters="ApiDomainName=api.shop.example")
        closed = f"{acl} ApiDomainName=api.shop.example ApiCertificateArn={CERTIFICATE} OriginCertificateArn={CERTIFICATE} ApiTruststoreUri=s3://a/ca.pem"
        self.finds("ok    ApiCertificateArn is issued", "ok    OriginCertificateArn is issued", parameters=closed)
        self.finds("FAIL  ApiCertificateArn is for .* and not for api.other.example", parameters=f"{closed} ApiDomainName=api.other.example")

    def test_secrets(self):
        self.answer("^aws secretsmanager describe-secret", error="ResourceNotFoundException: can't find the secret")
        self.finds("warn  StripeSecretArn does not exist", parameters=f"PaymentGateway=stripe StripeSecretArn={SECRET}")


if __name__ == "__main__":
    unittest.main()
