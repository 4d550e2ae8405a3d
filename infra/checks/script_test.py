"""Runs a script of infra/ with stand-ins for aws, sam, docker and npm.

Calls of the AWS CLI and the answers of the tests must have the names that AWS's own description of
its API (botocore) has.
"""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("aws", "sam", "docker", "npm")
# Commands and options of the AWS CLI itself.
CLI_COMMANDS = {"s3 sync", "s3 cp", "s3 rm", "ecr get-login-password", "cloudfront create-invalidation"}
CLI_OPTIONS = {"output", "region", "query", "max-items"}


class ScriptTest(unittest.TestCase):
    """Runs a script of infra/ on a copy of the files that it needs, with stand-ins for programs."""

    # Files that are copied from the repository.
    FILES = ["samconfig.toml", "template.yaml", "infra"]

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        subprocess.run(["cp", "-R", *self.FILES, self.folder], cwd=ROOT, check=True)
        (self.folder / ".local").symlink_to(ROOT / ".local")
        (self.folder / "bin").mkdir()
        for program in PROGRAMS:
            (self.folder / "bin" / program).symlink_to(Path(__file__).resolve().with_name("standin"))
        # A version manager's python3 would put its own folder, which may have an aws, before this one.
        (self.folder / "bin/python3").symlink_to(Path(sys.executable).resolve())
        self.answers = []

    def write(self, path, text, mode=0o644):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def answer(self, call, stdout="", *, error=None, status=0, times=None):
        """Answers calls that match `call`, a regular expression. Later answers are asked first.

        `error` is what the AWS CLI prints for a code and a message, such as
        "AccessDenied: You must not". `times` is how often the answer is given; None: always.
        """
        stderr = ""
        if error:
            stderr, status = "An error occurred ({}) when calling the operation: {}".format(*error.split(": ", 1)), 254
        stdout = stdout if isinstance(stdout, str) else json.dumps(stdout)
        self.answers.insert(0, {"call": call, "stdout": stdout, "stderr": stderr, "status": status, "times": times})

    def run_script(self, *arguments, text="", **environment):
        """Runs a script. Returns its result; `self.calls` are the calls that it made."""
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        (self.folder / "calls").write_text("")
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "STANDIN": str(self.folder),
            "PAUSE_S": "0.01",
            **environment,
        }
        result = subprocess.run([self.folder / arguments[0], *arguments[1:]], env=environment, input=text, capture_output=True, text=True, check=False)
        self.answers = json.loads((self.folder / "answers.json").read_text())
        self.calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        unexpected = [" ".join(call["call"]) for call in self.calls if call["unexpected"]]
        self.assertEqual(unexpected, [], result.stderr)
        self.assertEqual([fault for call in self.calls for fault in faults_of_call(call["call"], call["stdout"])], [])
        return result

    def called(self, pattern):
        """The calls that match, each as its words."""
        return [call["call"] for call in self.calls if re.search(pattern, " ".join(call["call"]))]


@functools.cache
def service(name):
    return Session().get_service_model(name)


def faults_of_call(words, stdout):
    """What AWS does not know in a call of its CLI, and in the answer to it."""
    if words[0] != "aws" or " ".join(words[1:3]) in CLI_COMMANDS:
        return
    model, command, options = service(words[1]), words[2], [word for word in words[3:] if word.startswith("--")]
    if command == "wait":
        return
    operation = next((name for name in model.operation_names if xform_name(name, "-") == command), None)
    if not operation:
        yield f"{words[1]} has no command {command}"
        return
    shape = model.operation_model(operation).input_shape
    members = shape.members if shape else {}
    known = {xform_name(name, "-"): member for name, member in members.items()}
    for option in options:
        name = option[2:]
        negated = known.get(name.removeprefix("no-"))
        if name not in known and name not in CLI_OPTIONS and not (negated and negated.type_name == "boolean"):
            yield f"{words[1]} {command} has no option {option}"
    for name in shape.required_members if shape else []:
        option = xform_name(name, "-")
        if f"--{option}" not in options and f"--no-{option}" not in options:
            yield f"{words[1]} {command} needs the option --{option}"
    if stdout.startswith("{"):
        yield from faults_of_answer(json.loads(stdout), model.operation_model(operation).output_shape, f"{words[1]} {command}")


def faults_of_answer(value, shape, path):
    if shape.type_name == "structure" and isinstance(value, dict):
        for key, inner in value.items():
            if key in shape.members:
                yield from faults_of_answer(inner, shape.members[key], f"{path}.{key}")
            else:
                yield f"{path} has no {key}"
    elif shape.type_name == "list" and isinstance(value, list):
        for inner in value:
            yield from faults_of_answer(inner, shape.member, path)
