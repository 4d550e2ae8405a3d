"""OrderFlow's own rules for its templates, which cfn-lint and checkov do not check.

The rules read the templates as they are written, before the SAM transform. A reference is followed
through the parameters and outputs with which the two roots, infra/foundation.yaml and template.yaml,
connect the templates.
"""

import fnmatch
import json
import pathlib
import re
import sys
from dataclasses import dataclass, field

import cfnlint.decode
import images

RUNTIMES = {"provided.al2023"}
# With one of these, a resource of IAM has a name that its template chooses.
IAM_NAMES = {"GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName"}
FUNCTIONS = {"AWS::Serverless::Function", "AWS::Lambda::Function"}
# If a statement allows something on every resource, the comment above it begins with this text and
# gives the reason.
REASON = "# `*`:"
# Resources whose names are unique in an account, not in a region, with the property that names them.
GLOBAL_NAMES = {
    "AWS::CloudFront::CachePolicy": "CachePolicyConfig.Name",
    "AWS::CloudFront::Function": "Name",
    "AWS::CloudFront::KeyValueStore": "Name",
    "AWS::CloudFront::OriginAccessControl": "OriginAccessControlConfig.Name",
    "AWS::CloudFront::OriginRequestPolicy": "OriginRequestPolicyConfig.Name",
    "AWS::CloudFront::ResponseHeadersPolicy": "ResponseHeadersPolicyConfig.Name",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::S3::Bucket": "BucketName",
}
# The metric of the workers that says that a version was withdrawn, and the seconds in which its alarm
# must have ended the deployment: the metric is published each minute, and the alarm looks each minute.
WITHDRAWN, WITHDRAWAL_S = ("OrderFlow", "WithdrawnReleases"), 300
# The page that says what to do about each alarm.
MANUAL = "docs/operating.md"
# The settings that the worker and the functions read but do not get in AWS, grouped by reason.
SECRETS = ("a secret in Secrets Manager replaces it", {"TEMPORAL_API_KEY", "TEMPORAL_TLS_CLIENT_CERT", "TEMPORAL_TLS_CLIENT_KEY"})
NOT_GIVEN_TO_WORKERS = [
    SECRETS,
    ("a secret in Secrets Manager replaces it", {"POSTGRES_USER", "POSTGRES_PASSWORD", "STRIPE_SECRET_KEY"}),
    ("its readers run in the same task and use the default", {"WORKER_HOST", "WORKER_PORT"}),
    ("only the functions start new orders", {"TEMPORAL_CUSTOMER_KEY", "TEMPORAL_CUSTOMER_SECRET_ARN"}),
    ("the alarms and the scaling need a value each minute", {"METRICS_PERIOD_S"}),
    ("MaxWorkers and the alarms of the database are fitted to it", {"POSTGRES_POOL_SIZE"}),
    ("it suits each size of a worker that the parameters allow", {"WORKER_ACTIVITIES", "WORKER_LOCAL_ACTIVITIES"}),
    ("as above", {"WORKER_CACHED_WORKFLOWS", "WORKER_MAX_POLLERS"}),
    ("the timeouts of steps are fitted to each other", {"STEP_ATTEMPT_LIMIT_MS", "STEP_HEARTBEAT_LIMIT_MS", "STEP_LOCAL_LIMIT_MS"}),
    ("as above", {"RETRY_BACKOFF", "RETRY_INITIAL_INTERVAL_MS", "RETRY_MAXIMUM_ATTEMPTS", "RETRY_MAXIMUM_INTERVAL_MS"}),
    ("it names a folder, and a task has none to mount", {"NOTICE_TEMPLATES"}),
    ("it is for tests", {"CARRIER_SANDBOX_DELAY_MS", "STRIPE_URL"}),
]
NOT_IN_AWS = {
    "worker": [
        *NOT_GIVEN_TO_WORKERS,
        ("only a worker on demand reads it", {"POSTGRES_ADMIN_SECRET_ARN", "WORKER_IDLE_S", "WORKER_WAKEUP_QUEUE_URL"}),
    ],
    "worker on demand": [
        *NOT_GIVEN_TO_WORKERS,
        ("the function of the migrations reads the secret itself", {"POSTGRES_ADMIN_SECRET"}),
        ("one worker on demand runs at a time, so no former one could judge its release", {"WORKER_VERSION", "WORKER_TRIAL_PERCENT", "WORKER_TRIAL_S"}),
    ],
    "functions": [
        SECRETS,
        ("a secret in Secrets Manager replaces it", {"CARRIER_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET", "TEMPORAL_CUSTOMER_KEY"}),
        ("X-Ray shows the traces", {"TRACES_QUERY_URL"}),
        ("API Gateway takes the place of `api`", {"API_HOST", "API_MAX_CONNECTIONS", "API_METRICS_HOST", "API_METRICS_PORT", "API_PORT"}),
        ("API Gateway reads the issuer's configuration", {"AUTH_DISCOVERY_URL"}),
        ("infra/deploy configures the page", {"AUTH_CLIENT_ID", "AUTH_CLIENT_ORIGINS", "AUTH_CLIENT_SCOPE", "TEMPORAL_WEB_PORT", "TRACES_LINK", "WEB_DIR"}),
        ("as above", {"CARRIER", "PAYMENT_GATEWAY", "PAYMENT_METHODS"}),
        ("it suits DynamoDB", {"CATALOGUE_TIMEOUT_MS"}),
    ],
}

# The actions with which CloudFormation makes a resource of each type.
CREATING = {
    "AWS::ApiGatewayV2::ApiMapping": ["apigateway:POST"],
    "AWS::ApiGatewayV2::DomainName": ["apigateway:POST", "apigateway:AddCertificateToDomain", "s3:GetObject"],
    "AWS::ApplicationAutoScaling::ScalableTarget": ["application-autoscaling:RegisterScalableTarget"],
    "AWS::ApplicationAutoScaling::ScalingPolicy": ["application-autoscaling:PutScalingPolicy"],
    "AWS::CloudFront::CachePolicy": ["cloudfront:CreateCachePolicy"],
    "AWS::CloudFront::Distribution": ["cloudfront:CreateDistribution"],
    "AWS::CloudFront::Function": ["cloudfront:CreateFunction", "cloudfront:PublishFunction"],
    "AWS::CloudFront::OriginAccessControl": ["cloudfront:CreateOriginAccessControl"],
    "AWS::CloudFront::ResponseHeadersPolicy": ["cloudfront:CreateResponseHeadersPolicy"],
    "AWS::CloudWatch::Alarm": ["cloudwatch:PutMetricAlarm"],
    "AWS::CloudWatch::Dashboard": ["cloudwatch:PutDashboard"],
    "AWS::Cognito::UserPool": ["cognito-idp:CreateUserPool"],
    "AWS::Cognito::UserPoolClient": ["cognito-idp:CreateUserPoolClient"],
    "AWS::Cognito::UserPoolDomain": ["cognito-idp:CreateUserPoolDomain"],
    "AWS::Cognito::UserPoolGroup": ["cognito-idp:CreateGroup"],
    "AWS::Cognito::UserPoolResourceServer": ["cognito-idp:CreateResourceServer"],
    "AWS::DynamoDB::Table": ["dynamodb:CreateTable", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTimeToLive"],
    "AWS::EC2::EIP": ["ec2:AllocateAddress"],
    "AWS::EC2::FlowLog": ["ec2:CreateFlowLogs", "iam:PassRole"],
    "AWS::EC2::InternetGateway": ["ec2:CreateInternetGateway"],
    "AWS::EC2::NatGateway": ["ec2:CreateNatGateway"],
    "AWS::EC2::Route": ["ec2:CreateRoute"],
    "AWS::EC2::RouteTable": ["ec2:CreateRouteTable"],
    "AWS::EC2::SecurityGroup": ["ec2:CreateSecurityGroup"],
    "AWS::EC2::SecurityGroupEgress": ["ec2:AuthorizeSecurityGroupEgress"],
    "AWS::EC2::SecurityGroupIngress": ["ec2:AuthorizeSecurityGroupIngress"],
    "AWS::EC2::Subnet": ["ec2:CreateSubnet"],
    "AWS::EC2::SubnetRouteTableAssociation": ["ec2:AssociateRouteTable"],
    "AWS::EC2::VPC": ["ec2:CreateVpc", "ec2:ModifyVpcAttribute"],
    "AWS::EC2::VPCEndpoint": ["ec2:CreateVpcEndpoint"],
    "AWS::EC2::VPCGatewayAttachment": ["ec2:AttachInternetGateway"],
    "AWS::ECR::Repository": ["ecr:CreateRepository", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy"],
    "AWS::ECS::Cluster": ["ecs:CreateCluster"],
    "AWS::ECS::Service": ["ecs:CreateService"],
    "AWS::ECS::TaskDefinition": ["ecs:RegisterTaskDefinition", "iam:PassRole"],
    "AWS::ElasticLoadBalancingV2::Listener": ["elasticloadbalancing:CreateListener"],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ["elasticloadbalancing:CreateLoadBalancer"],
    "AWS::ElasticLoadBalancingV2::TargetGroup": ["elasticloadbalancing:CreateTargetGroup"],
    "AWS::Events::Rule": ["events:PutRule", "events:PutTargets"],
    "AWS::IAM::ManagedPolicy": ["iam:CreatePolicy", "iam:CreatePolicyVersion"],
    "AWS::IAM::Role": ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"],
    "AWS::Lambda::EventSourceMapping": ["lambda:CreateEventSourceMapping"],
    "AWS::Lambda::Function": ["lambda:CreateFunction", "lambda:PutFunctionRecursionConfig", "iam:PassRole"],
    "AWS::Logs::LogGroup": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
    "AWS::Logs::MetricFilter": ["logs:PutMetricFilter"],
    "AWS::RDS::DBInstance": ["rds:CreateDBInstance", "rds:RestoreDBInstanceFromDBSnapshot", "rds:ModifyDBInstance", "iam:PassRole"],
    "AWS::RDS::DBParameterGroup": ["rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup"],
    "AWS::RDS::DBSubnetGroup": ["rds:CreateDBSubnetGroup"],
    "AWS::Route53::HostedZone": ["route53:CreateHostedZone"],
    "AWS::Route53::RecordSet": ["route53:ChangeResourceRecordSets"],
    "AWS::S3::Bucket": ["s3:CreateBucket", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration"],
    "AWS::S3::BucketPolicy": ["s3:PutBucketPolicy"],
    "AWS::SES::ConfigurationSet": ["ses:CreateConfigurationSet"],
    "AWS::SES::ConfigurationSetEventDestination": ["ses:CreateConfigurationSetEventDestination"],
    "AWS::SNS::Subscription": ["sns:Subscribe"],
    "AWS::SNS::Topic": ["sns:CreateTopic"],
    "AWS::SNS::TopicPolicy": ["sns:SetTopicAttributes"],
    "AWS::SQS::Queue": ["sqs:CreateQueue"],
    "AWS::SQS::QueuePolicy": ["sqs:SetQueueAttributes"],
    "AWS::SecretsManager::RotationSchedule": ["secretsmanager:RotateSecret"],
    "AWS::SecretsManager::Secret": ["secretsmanager:CreateSecret", "secretsmanager:GetRandomPassword"],
    "AWS::SecretsManager::SecretTargetAttachment": ["secretsmanager:PutSecretValue"],
    "AWS::Serverless::Application": ["cloudformation:CreateStack", "cloudformation:CreateChangeSet"],
    "AWS::Serverless::Function": [
        "lambda:CreateFunction",
        "lambda:PublishVersion",
        "lambda:CreateAlias",
        "lambda:AddPermission",
        "lambda:CreateEventSourceMapping",
        "codedeploy:CreateApplication",
        "codedeploy:CreateDeploymentGroup",
        "codedeploy:CreateDeployment",
        "iam:PassRole",
    ],
    "AWS::Serverless::HttpApi": ["apigateway:POST", "logs:CreateLogDelivery"],
    "AWS::ServiceDiscovery::PrivateDnsNamespace": ["servicediscovery:CreatePrivateDnsNamespace", "route53:CreateHostedZone"],
    "AWS::ServiceDiscovery::Service": ["servicediscovery:CreateService"],
    "Custom::Migration": ["lambda:InvokeFunction"],
}
# The types that hold data, with the deletion policies that keep it.
KEEPS_DATA = {
    "AWS::Cognito::UserPool": {"Retain", "RetainExceptOnCreate"},
    "AWS::DynamoDB::Table": {"Retain", "RetainExceptOnCreate"},
    "AWS::RDS::DBInstance": {"Retain", "RetainExceptOnCreate", "Snapshot"},
    "AWS::SQS::Queue": {"Retain", "RetainExceptOnCreate"},
}
# What AWS's own policies allow that the templates attach to roles.
AWS_POLICIES = {
    "AWSLambdaENIManagementAccess": [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:UnassignPrivateIpAddresses",
    ],
    "AWSXRayDaemonWriteAccess": [
        "xray:GetSamplingRules",
        "xray:GetSamplingStatisticSummaries",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ],
    "AmazonRDSEnhancedMonitoringRole": [
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:GetLogEvents",
        "logs:PutLogEvents",
        "logs:PutRetentionPolicy",
    ],
}


@dataclass
class Template:
    path: pathlib.Path
    content: dict
    lines: list[str]
    # The nested templates, by the names of their resources.
    nested: dict[str, "Template"] = field(default_factory=dict)
    # The template in which this one is nested, and the parameters that it passes to this one.
    parent: "Template | None" = None
    given: dict = field(default_factory=dict)
    # Of the application: the foundation, whose outputs are its parameters.
    foundation: "Template | None" = None

    def resources(self, *types):
        for name, resource in self.content.get("Resources", {}).items():
            if resource.get("Type") in types:
                yield name, resource

    def properties(self, name):
        """A resource's properties. For a function, they include those of Globals."""
        resource = self.content["Resources"][name]
        own = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            return {**self.content.get("Globals", {}).get("Function", {}), **own}
        return own

    def resource(self, value):
        """The resource to which a Ref or GetAtt leads through parameters and outputs.

        Returns (template, name), or None if it does not lead to a resource.
        """
        if not isinstance(value, dict) or len(value) != 1:
            return None
        ((function, target),) = value.items()
        if function not in ("Ref", "Fn::GetAtt"):
            return None
        name, _, attribute = (target if isinstance(target, str) else ".".join(target)).partition(".")
        if name in self.nested:
            below = self.nested[name]
            return below.resource(below.content["Outputs"][attribute.removeprefix("Outputs.")]["Value"])
        if name in self.content.get("Resources", {}):
            return self, name
        if name in self.given:
            return self.parent.resource(self.given[name])
        if self.foundation and name in self.foundation.content["Outputs"]:
            return self.foundation.resource(self.foundation.content["Outputs"][name]["Value"])
        return None

    def root(self):
        return self.parent.root() if self.parent else self

    def fault(self, name, text):
        return f"{self.path}: {name} {text}"


def read(path):
    """The template at `path` and all templates that are nested in it, directly or not."""
    content, faults = cfnlint.decode.decode(str(path))
    if faults:
        sys.exit(f"{path}: {faults[0].message}")
    template = Template(path, content, path.read_text().splitlines())
    templates = [template]
    for name, resource in template.resources("AWS::Serverless::Application"):
        below = read(path.parent / resource["Properties"]["Location"])
        below[0].parent, below[0].given = template, resource["Properties"].get("Parameters", {})
        template.nested[name] = below[0]
        templates += below
    return templates


def read_roots(folder):
    """The templates of the application, and those of the foundation. The root is the first of each."""
    application, foundation = read(folder / "template.yaml"), read(folder / "infra/foundation.yaml")
    application[0].foundation = foundation[0]
    return application, foundation


def walk(value):
    """Every mapping in a value, at any depth."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def as_list(value):
    return value if isinstance(value, list) else [value]


def queues_have_a_dead_letter_queue_and_an_alarm(templates):
    alarmed, dead = set(), set()
    for template in templates:
        for _, alarm in template.resources("AWS::CloudWatch::Alarm"):
            for dimension in walk(alarm):
                if dimension.get("Name") == "QueueName" and (found := template.resource(dimension.get("Value"))):
                    alarmed.add((found[0].path, found[1]))
        for _, queue in template.resources("AWS::SQS::Queue"):
            target = template.resource(queue["Properties"].get("RedrivePolicy", {}).get("deadLetterTargetArn"))
            if target:
                dead.add((target[0].path, target[1]))
    for template in templates:
        for name, queue in template.resources("AWS::SQS::Queue"):
            if (template.path, name) not in alarmed:
                yield template.fault(name, "is a queue without an alarm")
            if (template.path, name) not in dead and "RedrivePolicy" not in queue["Properties"]:
                yield template.fault(name, "is a queue without a dead-letter queue")


def functions_have_a_role_and_a_log_group_of_their_own(templates):
    for template in templates:
        users = {}
        for name, _ in template.resources(*FUNCTIONS):
            properties = template.properties(name)
            for what, value in (("role", properties.get("Role")), ("log group", properties.get("LoggingConfig", {}).get("LogGroup"))):
                if found := template.resource(value):
                    users.setdefault((what, found[1]), []).append(name)
                else:
                    yield template.fault(name, f"is a function without a {what} in its template")
        for (what, shared), names in users.items():
            if len(names) > 1:
                yield template.fault(shared, f"is the {what} of more than one function: {', '.join(names)}")
        for name, group in template.resources("AWS::Logs::LogGroup"):
            if "RetentionInDays" not in group.get("Properties", {}):
                yield template.fault(name, "is a log group that keeps everything for ever")


def is_worker(properties):
    """Whether a function has the workers' image, whose ENTRYPOINT is `worker`."""
    return properties.get("PackageType") == "Image"


def functions_run_on_an_allowed_runtime(templates):
    for template in templates:
        for name, _ in template.resources(*FUNCTIONS):
            properties = template.properties(name)
            runtime = properties.get("Runtime")
            if runtime not in RUNTIMES and not is_worker(properties):
                yield template.fault(name, f"runs on {runtime}; allowed: {', '.join(sorted(RUNTIMES))}")


def functions_end_before_their_message_comes_again(templates):
    for template in templates:
        for name, _ in template.resources(*FUNCTIONS):
            properties = template.properties(name)
            for event in properties.get("Events", {}).values():
                if event.get("Type") != "SQS":
                    continue
                found = template.resource(event["Properties"].get("Queue"))
                if not found:
                    yield template.fault(name, "reads a queue that no template makes")
                    continue
                visibility = found[0].properties(found[1]).get("VisibilityTimeout", 30)
                if properties.get("Timeout", 3) >= visibility:
                    yield template.fault(name, f"may run {properties.get('Timeout', 3)} s, but {found[1]} shows its message again after {visibility} s")
                if "ReportBatchItemFailures" not in event["Properties"].get("FunctionResponseTypes", []):
                    yield template.fault(name, "fails a whole batch for one message: ReportBatchItemFailures is missing")
        for _, mapping in template.resources("AWS::Lambda::EventSourceMapping"):
            (user, name), found = template.resource(mapping["Properties"]["FunctionName"]), template.resource(mapping["Properties"]["EventSourceArn"])
            timeout, visibility = user.properties(name).get("Timeout", 3), found[0].properties(found[1]).get("VisibilityTimeout", 30)
            if timeout >= visibility:
                yield template.fault(name, f"may run {timeout} s, but {found[1]} shows its message again after {visibility} s")


def dependencies(template, name):
    """All resources of the template that must be updated before one of them."""
    found, open_names = set(), [name]
    while open_names:
        resource = template.content["Resources"][open_names.pop()]
        named = set(as_list(resource.get("DependsOn", [])))
        for value in walk(resource.get("Properties", {})):
            named |= {target if isinstance(target, str) else ".".join(target) for key in ("Ref", "Fn::GetAtt") if (target := value.get(key))}
            named |= set(re.findall(r"\$\{([\w.]+)\}", json.dumps(value.get("Fn::Sub", ""))))
        new = {target.split(".")[0] for target in named} & template.content["Resources"].keys() - found
        found |= new
        open_names += new
    return found


def has_workers(template):
    return any(
        container["Name"] == "worker" for _, task in template.resources("AWS::ECS::TaskDefinition") for container in task["Properties"]["ContainerDefinitions"]
    ) or any(is_worker(template.properties(name)) for name, _ in template.resources(*FUNCTIONS))


def functions_are_updated_after_the_workers(templates):
    """Otherwise workers would get inputs and signals that only the next release knows."""
    for template in templates:
        workers = {name for name, below in template.nested.items() if has_workers(below)}
        for name, below in template.nested.items():
            if any(below.resources(*FUNCTIONS)):
                for missing in sorted(workers - dependencies(template, name) - {name}):
                    yield template.fault(name, f"has functions and may be updated before {missing}")


def workers_on_demand_are_updated_after_the_migrations(templates):
    """A container of their task migrates before workers that run all the time."""
    for template in templates:
        migrations = {name for name, _ in template.resources("Custom::Migration")}
        for _, mapping in template.resources("AWS::Lambda::EventSourceMapping"):
            user, name = template.resource(mapping["Properties"]["FunctionName"])
            if is_worker(user.properties(name)) and not migrations & dependencies(user, name):
                yield template.fault(name, "may be updated before the migrations")
        for name in sorted(migrations):
            resource = template.content["Resources"][name]
            if any(resource.get(policy) != "Retain" for policy in ("DeletionPolicy", "UpdateReplacePolicy")):
                yield template.fault(name, "asks its function when it is deleted, and a deletion waits for a function that cannot start")
            function = template.resource(resource["Properties"]["ServiceToken"])
            if resource["Properties"].get("ServiceTimeout", 3600) <= function[0].properties(function[1]).get("Timeout", 3):
                yield template.fault(name, "gives its function up before the function has answered")
            if {"Ref": "ImageTag"} not in resource["Properties"].values():
                yield template.fault(name, "does not run again for another image")


def one_worker_on_demand_runs_at_a_time(templates):
    """Each wake-up has the same group. Lambda runs a function once for each group of a FIFO queue."""
    group = re.search(r'^const GROUP: &str = "(.+)";$', (templates[0].path.parent / "platform/src/wakeup.rs").read_text(), re.MULTILINE)[1]
    for template in templates:
        for _, mapping in template.resources("AWS::Lambda::EventSourceMapping"):
            queue = template.resource(mapping["Properties"]["EventSourceArn"])
            if queue[0].properties(queue[1]).get("FifoQueue") is not True:
                yield queue[0].fault(queue[1], "is no FIFO queue, so several workers would run at once")
        for name, rule in template.resources("AWS::Events::Rule"):
            for target in rule["Properties"]["Targets"]:
                if target.get("SqsParameters", {}).get("MessageGroupId") != group:
                    yield template.fault(name, f"sends messages of another group than {group!r}, the functions' (platform/src/wakeup.rs)")


def a_bad_release_of_the_workers_is_rolled_back(templates):
    """An alarm of the workers' own faults rolls a deployment back; an outage of a dependency does not."""
    newer = (templates[0].path.parent / "orders/src/workflow/step.rs").read_text()
    for template in templates:
        if not has_workers(template):
            continue
        filters = [resource["Properties"] for _, resource in template.resources("AWS::Logs::MetricFilter")]
        made = [(made["MetricNamespace"], made["MetricName"]) for found in filters for made in found["MetricTransformations"]]
        for found in filters:
            for text in re.findall(r'!= "\*([^*"]+)\*"', found["FilterPattern"]):
                if text not in newer:
                    yield f"{template.path}: a filter leaves out {text!r}, which orders/src/workflow/step.rs does not write"
        for name, service in template.resources("AWS::ECS::Service"):
            deployment = service["Properties"].get("DeploymentConfiguration", {})
            for key in ("DeploymentCircuitBreaker", "Alarms"):
                if not all(deployment.get(key, {}).get(flag) is True for flag in ("Enable", "Rollback")):
                    yield template.fault(name, f"is not rolled back by {key}")
            for value in deployment.get("Alarms", {}).get("AlarmNames", []):
                # The alarm of another template may not exist when ECS makes the service.
                target = template.resource(value)
                if not target or target[0] is not template or template.content["Resources"][target[1]]["Type"] != "AWS::CloudWatch::Alarm":
                    yield template.fault(name, f"names the alarm {value}, which its own template does not make")
                    continue
                alarm = template.properties(target[1])
                if (alarm.get("Namespace"), alarm.get("MetricName")) not in [*made, WITHDRAWN]:
                    yield template.fault(target[1], "rolls the workers back, but not because of a line in their log or a withdrawal")
                if alarm.get("TreatMissingData") != "notBreaching":
                    yield template.fault(target[1], "rolls the workers back when there is no data")


def a_release_of_the_workers_has_its_trial(templates):
    """Both versions run until the trial has ended, and a withdrawal ends the new one."""
    for template in templates:
        # A worker on demand runs alone, so it has no trial.
        if not has_workers(template) or not list(template.resources("AWS::ECS::Service")):
            continue
        (given,) = [variables for _, user, variables in environments([template]) if "WORKER_TRIAL_S" in variables] or [{}]
        if not given.get("WORKER_VERSION"):
            yield f"{template.path}: the workers have no version, so a new one has no trial"
        parameter = template.content["Parameters"].get((given.get("WORKER_TRIAL_S") or {}).get("Ref"), {})
        for name, service in template.resources("AWS::ECS::Service"):
            deployment = service["Properties"].get("DeploymentConfiguration", {})
            if deployment.get("Strategy") != "BLUE_GREEN":
                yield template.fault(name, "ends the former workers as soon as the new ones are healthy")
            minutes = next((value["Fn::FindInMap"] for value in walk(deployment.get("BakeTimeInMinutes")) if "Fn::FindInMap" in value), None)
            if not minutes or minutes[1] != given.get("WORKER_TRIAL_S"):
                yield template.fault(name, "keeps the former workers for a time that does not depend on WORKER_TRIAL_S")
                continue
            for trial in parameter.get("AllowedValues") or [None]:
                kept = template.content["Mappings"][minutes[0]].get(str(trial), {}).get(minutes[2])
                if not trial or not kept or kept * 60 < trial + WITHDRAWAL_S:
                    yield template.fault(name, f"keeps the former workers for {kept} minutes, which is too short for a trial of {trial} s")
            alarms = [template.properties(value["Ref"]) for value in deployment.get("Alarms", {}).get("AlarmNames", []) if template.resource(value)]
            if WITHDRAWN not in [(alarm.get("Namespace"), alarm.get("MetricName")) for alarm in alarms]:
                yield template.fault(name, "keeps a release that was withdrawn")
    if f'"{WITHDRAWN[1]}"' not in (templates[0].path.parent / "worker/src/ops/cloudwatch.rs").read_text():
        yield f"worker/src/ops/cloudwatch.rs: does not publish {WITHDRAWN[1]}"


def nothing_is_allowed_on_every_resource_without_a_reason(templates):
    for template in templates:
        for name, resource in template.content.get("Resources", {}).items():
            for statement in walk(resource):
                if statement.get("Effect") != "Allow" or "*" not in as_list(statement.get("Resource")):
                    continue
                first = next(iter(statement)).start_mark.line
                above = [line.strip() for line in template.lines[max(0, first - 4) : first] if line.strip().startswith("#")]
                if not any(line.startswith(REASON) for line in above):
                    yield template.fault(name, f'allows {statement.get("Action")} on "*" without a reason ("{REASON} ..." above the statement)')


def the_routes_are_those_of_the_openapi_document(templates):
    """Also compares which routes need no token: their operations have no `security` there."""
    document = json.loads((templates[0].path.parent / "functions/openapi.json").read_text())
    described = {
        (method.upper(), path): not operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict)
    }
    made = {}
    for template in templates:
        for name, _ in template.resources(*FUNCTIONS):
            for event in template.properties(name).get("Events", {}).values():
                if event.get("Type") == "HttpApi":
                    properties = event["Properties"]
                    made[properties["Method"], properties["Path"]] = (template, name, properties.get("Auth", {}).get("Authorizer") == "NONE")
    for method, path in sorted(described.keys() - made.keys()):
        yield f"{templates[0].path}: no function has the route {method} {path} of functions/openapi.json"
    for (method, path), (template, name, is_open) in made.items():
        if (method, path) not in described:
            yield template.fault(name, f"has the route {method} {path}, which functions/openapi.json does not know")
        elif is_open != described[method, path]:
            yield template.fault(name, f"has {method} {path} {'open' if is_open else 'closed'}, and functions/openapi.json says otherwise")


def nobody_makes_an_account_unless_the_operator_says_so(templates):
    for template in templates:
        for name, pool in template.resources("AWS::Cognito::UserPool"):
            only_admins = pool.get("Properties", {}).get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly")
            if only_admins is True:
                continue
            # A condition on the parameter SelfSignUp is allowed, too. The parameter's default must
            # be "false" in every template that passes it on.
            if not (isinstance(only_admins, dict) and as_list(only_admins.get("Fn::If"))[1:] == [True, False]):
                yield template.fault(name, "lets anybody make an account: AllowAdminCreateUserOnly is missing")
                continue
            if template.content["Conditions"][only_admins["Fn::If"][0]] != {"Fn::Equals": [{"Ref": "SelfSignUp"}, "false"]}:
                yield template.fault(name, "is closed by another condition than SelfSignUp=false")
            above = template
            while above:
                if above.content["Parameters"].get("SelfSignUp", {}).get("Default") != "false":
                    yield above.fault("SelfSignUp", "is not off by default")
                above = above.parent


def sign_in_mails_come_from_the_sender(templates):
    """The user pool sends through SES, unless EmailFrom has its default, which nobody owns."""
    for template in templates:
        for name, pool in template.resources("AWS::Cognito::UserPool"):
            value = pool["Properties"].get("EmailConfiguration", {})
            condition, sender, _ = value.get("Fn::If", (None, value, None))
            if sender.get("EmailSendingAccount") != "DEVELOPER" or "${EmailFrom}" not in json.dumps(sender.get("SourceArn")):
                yield template.fault(name, "does not send its e-mails through SES as EmailFrom")
                continue
            default = template.content["Parameters"]["EmailFrom"].get("Default")
            if condition and template.content["Conditions"][condition] != {"Fn::Not": [{"Fn::Equals": [{"Ref": "EmailFrom"}, default]}]}:
                yield template.fault(name, f"sends through SES on another condition than that EmailFrom is not {default}")
            if template.parent and (
                template.given.get("EmailFrom") != {"Ref": "EmailFrom"} or template.parent.content["Parameters"]["EmailFrom"].get("Default") != default
            ):
                yield template.parent.fault("EmailFrom", f"is not passed to the user pool, or has another default than {default}")


def nobody_goes_past_the_web_acl(templates):
    """With a web ACL, the API takes only connections in which CloudFront shows its certificate."""
    root = templates[0]

    def is_set(parameter):
        return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}

    demanded, grows = {"WebAclArn"}, True
    while grows:
        assertions = [
            assertion["Assert"]
            for rule in root.content.get("Rules", {}).values()
            if rule.get("RuleCondition") in map(is_set, demanded)
            for assertion in rule["Assertions"]
        ]
        more = {name for name in root.content["Parameters"] if is_set(name) in assertions} - demanded
        demanded, grows = demanded | more, bool(more)
    for name in ("ApiDomainName", "ApiCertificateArn", "ApiTruststoreUri", "OriginCertificateArn"):
        if name not in demanded:
            yield root.fault("WebAclArn", f"does not demand {name}")
    for template in templates:
        for name, api in template.resources("AWS::Serverless::HttpApi"):
            if not api["Properties"].get("DisableExecuteApiEndpoint"):
                yield template.fault(name, "is an API that always has an address of AWS's")
        for name, domain in template.resources("AWS::ApiGatewayV2::DomainName"):
            if "MutualTlsAuthentication" not in domain["Properties"]:
                yield template.fault(name, "is a domain of the API that demands no client certificate")
        for name, distribution in template.resources("AWS::CloudFront::Distribution"):
            for origin in distribution["Properties"]["DistributionConfig"]["Origins"]:
                if "OriginMtlsConfig" not in origin.get("CustomOriginConfig", {"OriginMtlsConfig": None}):
                    yield template.fault(name, f"shows no client certificate to its origin {origin['Id']}")


def environments(templates):
    """The environments of the worker's containers, of the worker on demand and of the functions: program, template, variables by name."""
    for template in templates:
        for _, task in template.resources("AWS::ECS::TaskDefinition"):
            for container in task["Properties"]["ContainerDefinitions"]:
                if container["Name"] in ("worker", "migrate"):
                    entries = [entry for entry in walk([container["Environment"], container.get("Secrets", [])]) if "Name" in entry]
                    yield "worker", template, {entry["Name"]: entry.get("Value") for entry in entries}
        everywhere = template.content.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
        for name, _ in template.resources(*FUNCTIONS):
            program = "worker on demand" if is_worker(template.properties(name)) else "functions"
            yield program, template, {**everywhere, **template.properties(name).get("Environment", {}).get("Variables", {})}


def every_setting_is_given_or_has_a_reason(templates):
    root = templates[0].path.parent
    for program, reasons in NOT_IN_AWS.items():
        sources = [path for folder in (program.split()[0], "platform") for path in (root / folder / "src").rglob("*.rs")]
        read = {key for path in sources for key in re.findall(r'env = "([A-Z0-9_]+)"', path.read_text())}
        given = {key for user, _, variables in environments(templates) if user == program for key in variables}
        excepted = set().union(*(keys for _, keys in reasons))
        for key in sorted(read - given - excepted):
            yield f"{templates[0].path}: {key} of env.example is not given to the {program}, and NOT_IN_AWS has no reason"
        for key in sorted(excepted & given | excepted - read):
            yield f"{templates[0].path}: {key} of the {program} is in NOT_IN_AWS without need"


def a_setting_has_the_same_default_everywhere(templates):
    """Compares the parameters with env.example. Its keys that are commented out have no default."""
    example = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (templates[0].path.parent / "env.example").read_text(), re.MULTILINE))
    found = set()
    for _, user, variables in environments(templates):
        for key, value in variables.items():
            template = user
            while template and key in example and isinstance(value, dict) and value.get("Ref") in template.content["Parameters"]:
                name = value["Ref"]
                default = template.content["Parameters"][name].get("Default")
                if default is not None and str(default) != example[key]:
                    found.add(template.fault(name, f"has the default {default}, and {key} of env.example is {example[key]}"))
                template, value = template.parent, template.given.get(name)
    yield from sorted(found)


def alarms_for_people(templates):
    """The alarms that publish to a topic. The others scale the workers or roll back a deployment."""
    for template in templates:
        for name, alarm in template.resources("AWS::CloudWatch::Alarm"):
            found = [template.resource(action) for action in alarm["Properties"].get("AlarmActions", [])]
            if any(target and target[0].content["Resources"][target[1]]["Type"] == "AWS::SNS::Topic" for target in found):
                yield template, name, alarm


def watched(templates):
    """The metrics of the alarms for people: name of the metric, and its dimensions.

    A dimension is the resource to which it leads, or its text.
    """
    for template, _, alarm in alarms_for_people(templates):
        for metric in walk(alarm):
            if "MetricName" in metric:
                yield metric["MetricName"], {
                    dimension["Name"]: template.resource(dimension["Value"]) or json.dumps(dimension["Value"])
                    for dimension in metric.get("Dimensions", [])
                }


def each_function_has_its_alarms(templates):
    """The alarms name the functions as their templates do, so the names are compared as text."""
    found = {(metric, dimensions.get("FunctionName")) for metric, dimensions in watched(templates) if "FunctionName" in dimensions}
    for template in templates:
        for name, _ in template.resources(*FUNCTIONS):
            for metric in ("Errors", "Throttles"):
                if (metric, json.dumps(template.properties(name).get("FunctionName"))) not in found:
                    yield template.fault(name, f"is a function without an alarm for {metric}")
        for name, schedule in template.resources("AWS::SecretsManager::RotationSchedule"):
            function = schedule["Properties"].get("HostedRotationLambda", {}).get("RotationLambdaName")
            if ("Errors", json.dumps(function)) not in found:
                yield template.fault(name, "is a rotation without an alarm for the Errors of its function")


def each_table_has_an_alarm_for_throttles(templates):
    """A table's metrics do not include those of its indexes."""
    found = [(metric, dimensions) for metric, dimensions in watched(templates) if dimensions.get("TableName")]
    for template in templates:
        for name, table in template.resources("AWS::DynamoDB::Table"):
            for index in [None, *(index["IndexName"] for index in table["Properties"].get("GlobalSecondaryIndexes", []))]:
                wanted = {"TableName": (template, name), **({"GlobalSecondaryIndexName": json.dumps(index)} if index else {})}
                for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
                    if (metric, wanted) not in found:
                        yield template.fault(name, f"has no alarm for {metric}{f' of {index}' if index else ''}")


def each_alarm_says_what_missing_values_mean(templates):
    for template in templates:
        for name, alarm in template.resources("AWS::CloudWatch::Alarm"):
            lines = [template.lines[key.start_mark.line] for key in alarm["Properties"] if key == "TreatMissingData"]
            if not any(" # " in line for line in lines):
                yield template.fault(name, "is an alarm without TreatMissingData and a reason (`# ...` beside it)")


def each_alarm_has_its_line_in_the_manual(templates):
    manual = (templates[0].path.parent / MANUAL).read_text()
    section = re.search(r"^## An alarm goes off$.*?(?=^## )", manual, re.MULTILINE | re.DOTALL)
    described = {name for cell in re.findall(r"^\| (`[^|]+) \|", section[0], re.MULTILINE) for name in re.findall(r"`([^`]+)`", cell)} if section else set()
    made = {alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Name}-"): (template, name) for template, name, alarm in alarms_for_people(templates)}
    for alarm in sorted(made.keys() - described):
        template, name = made[alarm]
        yield template.fault(name, f"is the alarm {alarm}, which has no line in {MANUAL}")
    for alarm in sorted(described - made.keys()):
        yield f"{MANUAL}: no template has the alarm {alarm}"


def an_alarm_reads_at_most_ten_metrics(templates):
    """The limit of CloudWatch, which only a deployment would report."""
    for template in templates:
        for name, alarm in template.resources("AWS::CloudWatch::Alarm"):
            metrics = [metric for metric in alarm["Properties"].get("Metrics", []) if "MetricStat" in metric]
            if len(metrics) > 10:
                yield template.fault(name, f"is an alarm that reads {len(metrics)} metrics; 10 are allowed")


def the_dashboard_shows_each_alarm(templates):
    for template, name, _ in alarms_for_people(templates):
        dashboards = json.dumps([dashboard for _, dashboard in template.resources("AWS::CloudWatch::Dashboard")])
        if f"${{{name}.Arn}}" not in dashboards:
            yield template.fault(name, "is an alarm that the dashboard does not show")


def global_names_contain_the_region(templates):
    """So a stack of the same name can be in another region. CloudFormation chooses missing names."""
    for template in templates:
        for name, resource in template.resources(*GLOBAL_NAMES):
            value = resource.get("Properties", {})
            for key in GLOBAL_NAMES[resource["Type"]].split("."):
                value = value.get(key) if value else None
            if value and "${AWS::Region}" not in json.dumps(value):
                yield template.fault(name, "has a name that is unique in the account, and that does not contain ${AWS::Region}")


def a_permission_by_tag_is_for_one_stack(templates):
    """The tag's value contains the stack's name and region, and a resource has the tag."""
    tags = [(tag.get("Key"), tag.get("Value")) for template in templates for tag in walk(template.content["Resources"]) if "Key" in tag]
    for template in templates:
        for name, resource in template.content["Resources"].items():
            for condition in walk(resource):
                for key, value in condition.items():
                    if not key.startswith("aws:ResourceTag/"):
                        continue
                    if not all(part in json.dumps(value) for part in ("${Name}", "${AWS::Region}")):
                        yield template.fault(name, f"has a condition on {key} that holds for other stacks, too")
                    if (key.removeprefix("aws:ResourceTag/"), value) not in tags:
                        yield template.fault(name, f"has a condition on {key} with a value that no resource has")


def the_code_of_a_function_cannot_change_its_network(templates):
    """The role of a function in a VPC may manage network interfaces, which is meant for Lambda itself."""
    for template in templates:
        for name, _ in template.resources(*FUNCTIONS):
            properties = template.properties(name)
            found = template.resource(properties.get("Role"))
            if "VpcConfig" not in properties or not found:
                continue
            role = found[0].properties(found[1])
            policies = [found[0].resource(value) for value in walk(role.get("ManagedPolicyArns", []))]
            statements = walk([role, *(policy[0].properties(policy[1]) for policy in policies if policy)])
            if not any(
                statement.get("Effect") == "Deny"
                and "ec2:*" in as_list(statement.get("Action"))
                and "lambda:SourceFunctionArn" in json.dumps(statement.get("Condition"))
                for statement in statements
            ):
                yield template.fault(name, "is a function in a VPC whose code may call EC2")


def images_are_pinned(templates):
    """By their digests, because a tag may get another image at any time. Also what Docker fetches."""
    root = templates[0].path.parent
    found = {image.reference: image for image in images.named(root) if not image.digest}
    for reference in sorted(found.keys() - images.UNPINNED):
        yield f"{found[reference].path}: {reference} is not pinned: run infra/pin-images"
    for reference in sorted(images.UNPINNED - found.keys()):
        yield f"{root / 'infra/checks/images.py'}: {reference} is in UNPINNED without need"
    stages = set()
    for line in (root / "Dockerfile").read_text().splitlines():
        if match := re.match(r"FROM (\S+)(?: AS (\w+))?", line):
            if not re.search("[:@]", match[1]) and match[1] not in stages or "$" in match[1]:
                yield f"{root / 'Dockerfile'}: {match[1]} is an image without a tag"
            stages.add(match[2])
        elif re.match(r"ADD (?!--checksum=sha256:)", line):
            yield f"{root / 'Dockerfile'}: fetches something without a checksum: {line}"


def allowed_actions(value):
    """The actions that the statements in a value allow, at any depth."""
    return {action for statement in walk(value) if statement.get("Effect") == "Allow" for action in as_list(statement["Action"])}


def the_deployment_may_make_what_the_templates_contain(templates):
    *templates, bootstrap = templates
    policies = [policy["Ref"] for policy in bootstrap.properties("CloudFormationRole")["ManagedPolicyArns"]]
    allowed = allowed_actions([bootstrap.properties(policy) for policy in policies])
    for template in templates:
        for name, resource in template.content.get("Resources", {}).items():
            for action in CREATING.get(resource["Type"], [None]):
                if not action:
                    yield template.fault(name, f"is a {resource['Type']}; CREATING in infra/checks/rules.py does not say which actions make one")
                elif not any(fnmatch.fnmatchcase(action, pattern) for pattern in allowed):
                    yield template.fault(name, f"needs {action}, which CloudFormationRole in infra/bootstrap.yaml may not do")


def the_deployment_may_make_the_secrets(templates):
    """CloudFormation names a secret after its resource. Its role may make only secrets of certain names."""
    *templates, bootstrap = templates
    policies = [policy["Ref"] for policy in bootstrap.properties("CloudFormationRole")["ManagedPolicyArns"]]
    statements = [statement for statement in walk([bootstrap.properties(policy) for policy in policies]) if statement.get("Effect") == "Allow"]
    allowed = json.dumps([statement["Resource"] for statement in statements if "secretsmanager:CreateSecret" in as_list(statement["Action"])])
    for template in templates:
        for name, _ in template.resources("AWS::SecretsManager::Secret"):
            if f":secret:{name}-*" not in allowed:
                yield template.fault(name, "is a secret of a name that CloudFormationRole in infra/bootstrap.yaml may not use")


def no_environment_contains_a_secret(templates):
    """Who may see a function's settings or a task definition would see the secret. Programs read it themselves."""
    for template in templates:
        for name, resource in template.content.get("Resources", {}).items():
            if any("{{resolve:" in json.dumps(value["Environment"]) for value in walk(resource) if "Environment" in value):
                yield template.fault(name, "has a secret in its environment, in clear text")


def roles_stay_within_their_boundary(templates):
    *templates, bootstrap = templates
    boundary = allowed_actions(bootstrap.properties("Boundary"))
    for template in templates:
        for name, role in template.resources("AWS::IAM::Role"):
            actions = allowed_actions(role["Properties"].get("Policies", []))
            for policy in walk(role["Properties"].get("ManagedPolicyArns", [])):
                if arn := policy.get("Fn::Sub"):
                    attached = arn.split("/")[-1]
                    actions |= set(AWS_POLICIES.get(attached, [f"the unknown policy {attached}"]))
            for action in sorted(actions - boundary):
                yield template.fault(name, f"may do {action}, which Boundary in infra/bootstrap.yaml does not include")


def iam_resources_with_names_are_acknowledged(templates):
    """Otherwise CloudFormation refuses the template, and no check without an account would tell."""
    samconfig = templates[0].path.parent / "samconfig.toml"
    lines = re.findall(r"^capabilities = .*$", samconfig.read_text(), re.MULTILINE)
    # The last template is infra/bootstrap.yaml, which SAM does not deploy.
    for template in templates[:-1]:
        for name, resource in template.content.get("Resources", {}).items():
            if resource["Type"].startswith("AWS::IAM::") and IAM_NAMES & resource.get("Properties", {}).keys():
                for line in lines:
                    if "CAPABILITY_NAMED_IAM" not in line:
                        yield template.fault(name, f"has a name, and {samconfig.name} has {line}: CAPABILITY_NAMED_IAM is missing")


def only_the_foundation_holds_data_and_keeps_it(templates):
    foundation = templates[0].foundation
    for template in templates:
        for name, resource in template.resources(*KEEPS_DATA):
            if template.root() is not foundation:
                yield template.fault(name, f"is a {resource['Type']} outside of infra/foundation.yaml, which alone is protected")
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) not in KEEPS_DATA[resource["Type"]]:
                    yield template.fault(name, f"holds data that its {policy} does not keep")


def the_stack_policy_protects_what_holds_data(templates):
    """And the nested stacks, because an update that deletes one deletes what is in it."""
    path = templates[0].foundation.path.parent / "stack-policy.json"
    denied = set()
    for statement in json.loads(path.read_text())["Statement"]:
        if statement["Effect"] == "Deny" and {"Update:Replace", "Update:Delete"} <= set(statement["Action"]):
            denied |= set(statement["Condition"]["StringEquals"]["ResourceType"])
    for kind in sorted({"AWS::CloudFormation::Stack", *KEEPS_DATA} - denied):
        yield f"{path}: lets an update replace or delete a {kind}"


def the_application_gets_what_the_foundation_gives(templates):
    """By parameters of the same names. An export would keep the foundation from changing."""
    application, foundation = templates[0], templates[0].foundation
    given, taken = foundation.content["Outputs"], application.content["Parameters"]
    for name in given.keys() - taken.keys():
        yield foundation.fault(name, "is an output that template.yaml has no parameter for")
    for name, parameter in taken.items():
        if name not in given and "Default" not in parameter:
            yield application.fault(name, f"is a parameter without a default that infra/foundation.yaml does not give")
        if name in given and "Default" in parameter:
            yield application.fault(name, "is given by the foundation, and must not have a default")
        own = foundation.content["Parameters"].get(name)
        if own and name not in given and own != parameter:
            yield application.fault(name, "is declared otherwise in infra/foundation.yaml")
    for template in templates:
        if any("Fn::ImportValue" in value for value in walk(template.content)) or any("Export" in output for output in template.content.get("Outputs", {}).values()):
            yield f"{template.path}: exports or imports a value; pass it as a parameter"


def postgres_has_one_version(templates):
    """The parameter group's family follows the instance's version. AWS, containers and local mode have the same one."""
    for template in templates:
        for name, _ in template.resources("AWS::RDS::DBInstance"):
            instance = template.properties(name)
            version, group = instance.get("EngineVersion"), template.resource(instance.get("DBParameterGroupName"))
            parameter = version.get("Ref") if isinstance(version, dict) else None
            if parameter not in template.content["Parameters"]:
                yield template.fault(name, "does not have the version of a parameter, so it cannot be upgraded once it was restored")
                continue
            if not group or group[0].properties(group[1]).get("Family") != {"Fn::Sub": f"postgres${{{parameter}}}"}:
                yield template.fault(name, f"has a parameter group whose family does not follow {parameter}; RDS would refuse an upgrade")
            elif "DBParameterGroupName" in group[0].properties(group[1]):
                yield template.fault(name, "has a parameter group with a name, which no group of another family could have")
            if instance.get("AllowMajorVersionUpgrade") is not True:
                yield template.fault(name, "does not allow a new major version")
    foundation = templates[0].foundation
    folder, expected = foundation.path.parents[1], foundation.content["Parameters"]["DatabaseVersion"]["Default"]
    packages = json.loads((folder / "local/postgres/package.json").read_text())["optionalDependencies"]
    found = {("docker-compose.yml", images.tag(folder, "postgres")), *(("local/postgres/package.json", version) for version in packages.values())}
    for file, version in sorted(found):
        if version.split(".")[0] != expected:
            yield f"{file}: has Postgres {version}, and DatabaseVersion is {expected} in infra/foundation.yaml"


RULES = [
    queues_have_a_dead_letter_queue_and_an_alarm,
    functions_have_a_role_and_a_log_group_of_their_own,
    functions_run_on_an_allowed_runtime,
    functions_end_before_their_message_comes_again,
    functions_are_updated_after_the_workers,
    workers_on_demand_are_updated_after_the_migrations,
    one_worker_on_demand_runs_at_a_time,
    a_bad_release_of_the_workers_is_rolled_back,
    a_release_of_the_workers_has_its_trial,
    nothing_is_allowed_on_every_resource_without_a_reason,
    the_routes_are_those_of_the_openapi_document,
    nobody_makes_an_account_unless_the_operator_says_so,
    sign_in_mails_come_from_the_sender,
    nobody_goes_past_the_web_acl,
    every_setting_is_given_or_has_a_reason,
    a_setting_has_the_same_default_everywhere,
    each_function_has_its_alarms,
    each_table_has_an_alarm_for_throttles,
    each_alarm_says_what_missing_values_mean,
    each_alarm_has_its_line_in_the_manual,
    an_alarm_reads_at_most_ten_metrics,
    the_dashboard_shows_each_alarm,
    global_names_contain_the_region,
    a_permission_by_tag_is_for_one_stack,
    the_code_of_a_function_cannot_change_its_network,
    images_are_pinned,
    the_deployment_may_make_what_the_templates_contain,
    the_deployment_may_make_the_secrets,
    no_environment_contains_a_secret,
    roles_stay_within_their_boundary,
    iam_resources_with_names_are_acknowledged,
    only_the_foundation_holds_data_and_keeps_it,
    the_stack_policy_protects_what_holds_data,
    the_application_gets_what_the_foundation_gives,
    postgres_has_one_version,
]


def faults(root):
    folder = pathlib.Path(root).parent
    application, foundation = read_roots(folder)
    # The last one is infra/bootstrap.yaml, which no other template nests.
    templates = application + foundation + read(folder / "infra/bootstrap.yaml")
    # A template that is nested twice has each fault once.
    return list(dict.fromkeys(fault for rule in RULES for fault in rule(templates)))


if __name__ == "__main__":
    found = faults(sys.argv[1])
    print("\n".join(found), file=sys.stderr)
    sys.exit(1 if found else 0)
