"""A stage (dev, staging or prod): its entry in samconfig.toml, its parameters and its stack.

The scripts in this folder import this module. They run in SAM CLI's Python environment, because it
has the libraries that read samconfig.toml and the templates. `local/install aws` makes it.
"""

import json
import os
import re
import shlex
import subprocess
import sys
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


class AwsError(Exception):
    """A call of the AWS CLI failed. `code` is the code of AWS's answer, such as `AccessDenied`."""

    def __init__(self, command, stderr):
        self.message = stderr.strip()
        self.code = next(iter(re.findall(r"An error occurred \((\w+)\)", stderr)), None)
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


class Stage:
    """One entry of samconfig.toml, in the region of the environment or of samconfig.toml."""

    def __init__(self, name):
        config = {"dev": "default", "staging": "staging", "prod": "prod"}.get(name)
        if not config:
            fail(f"{name} is none of dev, staging, prod")
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
        self.declared = yaml.load((ROOT / "template.yaml").read_text(), WithoutFunctions)["Parameters"]
        for unknown in self.parameters.keys() - self.declared.keys():
            fail(f"template.yaml has no parameter {unknown}")

    def value(self, parameter, stack=None):
        """The value that a parameter has in the next deployment."""
        if parameter in self.parameters:
            return self.parameters[parameter]
        values = {entry["ParameterKey"]: entry["ParameterValue"] for entry in (stack or {}).get("Parameters", [])}
        return values.get(parameter, str(self.declared[parameter]["Default"]))

    def stack(self):
        return find_stack(self.stack_name)

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


def outputs(stack):
    """The outputs of a stack that have a value."""
    found = {output["OutputKey"]: output.get("OutputValue") for output in (stack or {}).get("Outputs") or []}
    return {key: value for key, value in found.items() if value not in (None, "", "None")}
