"""A stage (dev, staging or prod): its entry in samconfig.toml, its parameters and its two stacks.

The foundation holds all data; the application runs on it (docs/decisions/0024-two-stacks.md). Here
are also the protection of the foundation, and how it is lifted.

The scripts in this folder import this module. They run in SAM CLI's Python environment, because it
has the libraries that read samconfig.toml and the templates. `local/install aws` makes it.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".local/venv/aws"


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
    if not ENVIRONMENT.exists():
        subprocess.run([ROOT / "local/install", "aws"], check=True)
    # Started twice, this would go on for ever.
    if os.environ.get("ORDERFLOW_PYTHON"):
        fail(f"{ENVIRONMENT} cannot be used: remove it, and run `local/install aws`")
    os.environ["ORDERFLOW_PYTHON"] = "started"
    python = str(ENVIRONMENT / "bin/python")
    os.execv(python, [python, "-Bu", *sys.argv])

import click  # noqa: E402
import tomlkit  # noqa: E402
import yaml  # noqa: E402
from samcli.cli.types import CfnParameterOverridesType  # noqa: E402

# The programs of `local/install`, unless others are in PATH. The AWS CLI must not open a pager.
os.environ["PATH"] += f":{ROOT}/.local/bin"
os.environ["AWS_PAGER"] = ""
os.environ["SAM_CLI_TELEMETRY"] = "0"


# Seconds between two looks at something that is waited for.
PAUSE_S = float(os.environ.get("PAUSE_S") or 15)
# `test` is for infra/account-test.
STAGES = ("dev", "staging", "prod", "test")


class AwsError(Exception):
    """A call of the AWS CLI failed. `code` is the code of AWS's answer, such as `AccessDenied`."""

    def __init__(self, command, stderr):
        self.message = stderr.strip()
        self.code = next(iter(re.findall(r"An error occurred \(([\w.]+)\)", stderr)), None)
        super().__init__(f"{' '.join(command[:3])}: {self.message}")


def aws(*arguments):
    """Calls the AWS CLI. Returns its answer, or None if the answer is empty."""
    command = ["aws", *arguments, "--output", "json"]
    try:
        called = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        fail("the AWS CLI is missing: install version 2 (https://aws.amazon.com/cli)")
    if called.returncode != 0:
        raise AwsError(command, called.stderr)
    return json.loads(called.stdout) if called.stdout.strip() else None


def run(*command, text=None):
    """Runs a program, which must succeed. `text` is its standard input."""
    subprocess.run(command, input=text, text=True, check=True)


def script(main):
    """Calls `main`. If a command fails, prints its error and ends with its status."""
    try:
        main()
    except AwsError as error:
        fail(error)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd[:2])} failed with status {error.returncode}", file=sys.stderr)
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)


class WithoutFunctions(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads a template, but not the functions in it, such as !Ref."""


WithoutFunctions.add_multi_constructor("!", lambda loader, function, node: None)


class Root:
    """A template that is deployed as a stack of its own: the foundation or the application."""

    def __init__(self, stack_name, path, built):
        self.stack_name, self.path, self.built = stack_name, path, ROOT / built
        content = yaml.load((ROOT / path).read_text(), WithoutFunctions)
        self.declared, self.outputs = content["Parameters"], content["Outputs"]

    def stack(self):
        return find_stack(self.stack_name)


class Stage:
    """One entry of samconfig.toml, in the region of the environment or of samconfig.toml."""

    def __init__(self, name):
        config = {"dev": "default"}.get(name, name)
        if name not in STAGES:
            fail(f"{name} is none of {', '.join(STAGES)}")
        self.name, self.config = name, config
        entry = tomlkit.loads((ROOT / "samconfig.toml").read_text()).unwrap().get(config, {})
        shared, deploy = (entry.get(command, {}).get("parameters", {}) for command in ("global", "deploy"))
        self.stack_name = deploy.get("stack_name") or fail(f"samconfig.toml has no stack_name in [{config}.deploy.parameters]")
        self.region = (
            os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or deploy.get("region")
            or shared.get("region")
            or fail("no region: set AWS_REGION")
        )
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = self.region
        # SAM CLI writes the parameters as a text with quotes or as a list. Its own parser reads both.
        try:
            self.parameters = CfnParameterOverridesType().convert(deploy.get("parameter_overrides", ""), None, None)
        except click.ClickException as error:
            fail(f"samconfig.toml: parameter_overrides of {config}: {error.message}")
        self.parameters |= given_parameters()
        self.foundation = Root(f"{self.stack_name}-foundation", "infra/foundation.yaml", ".aws-sam/foundation/template.yaml")
        self.application = Root(self.stack_name, "template.yaml", ".aws-sam/build/template.yaml")
        # The application's other parameters come from the foundation.
        own = {key: value for key, value in self.application.declared.items() if key not in self.foundation.outputs}
        self.declared = own | self.foundation.declared
        for unknown in self.parameters.keys() - self.declared.keys():
            fail(f"no template has a parameter {unknown} that can be set")

    def value(self, parameter, *stacks):
        """The value that a parameter has in the next deployment. A stack may be None."""
        if parameter in self.parameters:
            return self.parameters[parameter]
        for stack in filter(None, stacks):
            if parameter in (values := parameters(stack)):
                return values[parameter]
        return str(self.declared[parameter]["Default"])

    def given_to(self, root):
        """The parameters of one root that samconfig.toml and PARAMETERS name."""
        return {key: value for key, value in self.parameters.items() if key in root.declared}

    def from_foundation(self):
        """The parameters that the application gets from the foundation.

        These are its outputs, and the present values of the parameters that both roots have. If the
        foundation was changed, such as by a restore of its database, the application must get them.
        """
        stack = self.foundation.stack()
        found = parameters(stack) | outputs(stack)
        return {key: value for key, value in found.items() if key in self.application.declared}

    def bootstrap(self):
        """The outputs of the stack that infra/bootstrap.yaml makes for this stage, if there is one."""
        return outputs(find_stack(f"bootstrap-{self.stack_name}"))


def find_stack(name):
    """The stack as CloudFormation describes it, or None if there is none."""
    try:
        return aws("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
    except AwsError as error:
        if error.code == "ValidationError" and "does not exist" in error.message:
            return None
        raise


# --- The protection of the foundation ---

UNPROTECTED = {"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}


def protect(stage):
    """Protects the foundation from deletion, and what holds data from updates.

    The stack policy refuses updates that would replace or delete it (infra/stack-policy.json).
    Changes only what is not protected yet. GitHub's role may look at the protection, and not change
    it (infra/bootstrap.yaml).
    """
    name = stage.foundation.stack_name
    try:
        if not stage.foundation.stack().get("EnableTerminationProtection"):
            aws("cloudformation", "update-termination-protection", "--enable-termination-protection", "--stack-name", name)
        set_policy(name, json.loads((ROOT / "infra/stack-policy.json").read_text()))
    except AwsError as error:
        if error.code != "AccessDenied":
            raise
        fail(f"{name} is not protected, and you may not change that: deploy from a shell, as an administrator ({error.message})")


@contextmanager
def unprotected(stage):
    """Lets updates of the foundation replace or delete what holds data, until the block ends.

    For infra/restore. Update the foundation and wait for the end of the update inside of the block.
    If the block is killed, the next infra/deploy protects the foundation again.
    """
    try:
        set_policy(stage.foundation.stack_name, UNPROTECTED)
        yield
    finally:
        protect(stage)


def set_policy(stack_name, policy):
    """Sets the stack policy of a stack and of all stacks in it, to which it would not apply."""
    present = (aws("cloudformation", "get-stack-policy", "--stack-name", stack_name) or {}).get("StackPolicyBody")
    if not present or json.loads(present) != policy:
        aws("cloudformation", "set-stack-policy", "--stack-name", stack_name, "--stack-policy-body", json.dumps(policy))
    for resource in resources(stack_name):
        if resource["ResourceType"] == "AWS::CloudFormation::Stack":
            set_policy(resource["PhysicalResourceId"], policy)


# --- Stacks ---

def resources(stack_name):
    """The resources that a stack has."""
    found = aws("cloudformation", "list-stack-resources", "--stack-name", stack_name)["StackResourceSummaries"]
    return [resource for resource in found if resource["ResourceStatus"] != "DELETE_COMPLETE"]


def list_left(stack_name):
    """The resources that a stack has, one a line."""
    return "\n".join(
        f"  {resource['LogicalResourceId']} {resource.get('PhysicalResourceId', '')} {resource['ResourceStatus']}"
        f" {resource.get('ResourceStatusReason', '')}".rstrip()
        for resource in resources(stack_name)
    )


def wait_until(what, limit_s, condition):
    """Waits until a condition is true, and says what is waited for."""
    said, begun = False, time.monotonic()
    while not condition():
        if time.monotonic() - begun > limit_s:
            fail(f"{what}: not within {limit_s / 60:g} minutes")
        if not said:
            print(f"waiting: {what}", flush=True)
            said = True
        time.sleep(PAUSE_S)


def given_parameters():
    """The parameters in PARAMETERS: NAME=VALUE, separated by white space, quoted as in a shell."""
    try:
        words = shlex.split(os.environ.get("PARAMETERS", ""))
    except ValueError as error:
        fail(f"PARAMETERS cannot be read: {error}")
    for word in words:
        if not re.match(r"[A-Za-z0-9]+=", word):
            fail(f"PARAMETERS has {word!r}, which is not NAME=VALUE; quote a value that contains spaces")
    return dict(word.split("=", 1) for word in words)


def local_image(tag):
    """The name of the workers' image on this machine."""
    return f"orderflow-worker:{tag}"


def quoted(parameters):
    """The parameters as arguments for SAM CLI, which parses each argument again."""
    return [name + '="' + value.replace('"', r"\"") + '"' for name, value in parameters.items()]


def parameters(stack):
    """The parameters of a stack, with their values."""
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in (stack or {}).get("Parameters", [])}


def outputs(stack):
    """The outputs of a stack that have a value."""
    found = {output["OutputKey"]: output.get("OutputValue") for output in (stack or {}).get("Outputs") or []}
    return {key: value for key, value in found.items() if value not in (None, "", "None")}
