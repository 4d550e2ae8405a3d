#!/usr/bin/env python3
"""Stands in for aws, sam, docker and npm: records each call, and answers as a test says.

A test links the names of these programs to this file, in a folder that is first in PATH.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("aws", "sam", "docker", "npm")


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
            (self.folder / "bin" / program).symlink_to(Path(__file__).resolve())
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
            **environment,
        }
        result = subprocess.run([self.folder / arguments[0], *arguments[1:]], env=environment, input=text, capture_output=True, text=True, check=False)
        self.answers = json.loads((self.folder / "answers.json").read_text())
        self.calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        unexpected = [" ".join(call["call"]) for call in self.calls if call["unexpected"]]
        self.assertEqual(unexpected, [], result.stderr)
        return result

    def called(self, pattern):
        """The calls that match, each as its words."""
        return [call["call"] for call in self.calls if re.search(pattern, " ".join(call["call"]))]


def answer():
    folder = Path(os.environ["STANDIN"])
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    # Only these two read standard input.
    text = sys.stdin.read() if words[:2] == ["docker", "login"] or words[:4] == ["aws", "s3", "cp", "-"] else None
    answers = json.loads((folder / "answers.json").read_text())
    found = next((entry for entry in answers if entry["times"] != 0 and re.search(entry["call"], " ".join(words))), None)
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps({"call": words, "text": text, "unexpected": found is None}) + "\n")
    if not found:
        sys.exit(f"no answer for: {' '.join(words)}")
    if found["times"]:
        found["times"] -= 1
        (folder / "answers.json").write_text(json.dumps(answers))
    sys.stdout.write(found["stdout"])
    sys.stderr.write(found["stderr"])
    sys.exit(found["status"])


if __name__ == "__main__":
    answer()
