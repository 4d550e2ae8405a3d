"""Tests of the workflows in .github/workflows: what they may do, and that their actions are pinned."""

import re
import unittest
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github/workflows"
# Steps that run code of others, such as packages of npm and crates.
BUILDS = re.compile(r"infra/build|cargo|npm|make |sam build|docker build")


class Workflows(unittest.TestCase):
    def setUp(self):
        self.workflows = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
        self.deploy = self.workflows["deploy.yml"]["jobs"]
        self.account_test = self.workflows["account-test.yml"]["jobs"]
        self.release = self.workflows["release.yml"]["jobs"]

    def steps(self):
        for name, workflow in self.workflows.items():
            for job in workflow["jobs"].values():
                for step in job["steps"]:
                    yield name, step

    def test_actions_are_pinned_by_commit(self):
        for name, step in self.steps():
            if "uses" in step:
                self.assertRegex(step["uses"], r"^[\w./-]+@[0-9a-f]{40}$", name)
        for path in FOLDER.glob("*.yml"):
            for line in re.findall(r"uses: .*", path.read_text()):
                self.assertRegex(line, r"# v\d+\.\d+\.\d+$")

    def test_no_expression_is_part_of_a_script(self):
        for name, step in self.steps():
            self.assertNotIn("${{", step.get("run", ""), name)

    def test_only_the_deployment_can_take_the_role_and_it_builds_nothing(self):
        self.assertEqual(self.workflows["deploy.yml"]["permissions"], {})
        with_token = [name for name, job in self.deploy.items() if "id-token" in job["permissions"]]
        self.assertEqual(with_token, ["deploy"])
        for step in self.deploy["deploy"]["steps"]:
            self.assertIsNone(BUILDS.search(step.get("run", "")), step)
            self.assertNotIn("actions/cache", step.get("uses", ""))

    def test_only_the_account_test_can_take_its_role_and_it_builds_nothing(self):
        self.assertEqual(self.workflows["account-test.yml"]["permissions"], {})
        self.assertEqual([name for name, job in self.account_test.items() if "id-token" in job["permissions"]], ["test"])
        for step in self.account_test["test"]["steps"]:
            self.assertIsNone(BUILDS.search(step.get("run", "")), step)
            self.assertNotIn("actions/cache", step.get("uses", ""))

    def test_the_account_test_runs_only_where_a_role_is_configured(self):
        self.assertIn("vars.ACCOUNT_TEST_ROLE_ARN != ''", self.account_test["build"]["if"])
        self.assertEqual(self.account_test["test"]["needs"], "build")
        # YAML reads the key `on` as true.
        self.assertEqual(set(self.workflows["account-test.yml"][True]), {"schedule", "workflow_dispatch"})

    def test_the_account_test_deletes_what_it_made_in_any_case(self):
        last = self.account_test["test"]["steps"][-1]
        self.assertEqual((last["run"], last["if"]), ("infra/delete test --data --yes", "failure() || cancelled()"))

    def test_credentials_come_last(self):
        steps = self.deploy["deploy"]["steps"]
        first = next(index for index, step in enumerate(steps) if "configure-aws-credentials" in step.get("uses", ""))
        self.assertTrue(all("infra/" in step["run"] for step in steps[first + 1 :]))
        self.assertFalse(any("infra/" in step.get("run", "") for step in steps[:first]))

    def test_the_credentials_last_as_long_as_the_deployment(self):
        """Otherwise the longest trial (WorkerTrialS) may outlast them, and the page is not uploaded."""
        job = self.deploy["deploy"]
        seconds = next(step["with"]["role-duration-seconds"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", ""))
        self.assertEqual(seconds, job["timeout-minutes"] * 60)
        bootstrap = (FOLDER.parents[1] / "infra/bootstrap.yaml").read_text()
        self.assertEqual(re.findall(r"MaxSessionDuration: (\d+)", bootstrap), [str(seconds)])

    def test_the_deployment_waits_for_ci_and_the_build(self):
        self.assertEqual(self.deploy["deploy"]["needs"], ["ci", "build"])
        self.assertIn("head_sha=$GITHUB_SHA", self.deploy["ci"]["steps"][0]["run"])

    def test_only_the_publication_can_sign_and_it_builds_nothing(self):
        self.assertEqual(self.workflows["release.yml"]["permissions"], {})
        writers = {name for name, job in self.release.items() if "write" in job["permissions"].values()}
        self.assertEqual(writers, {"publish"})
        self.assertEqual(self.release["publish"]["needs"], ["ci", "build"])
        for step in self.release["publish"]["steps"]:
            self.assertIsNone(BUILDS.search(step.get("run", "")), step)
            self.assertNotIn("actions/checkout", step.get("uses", ""))

    def test_a_release_has_pinned_images_and_no_cache(self):
        steps = self.release["build"]["steps"]
        self.assertEqual(steps[1]["run"], "infra/pin-images --check")
        self.assertFalse(any("actions/cache" in step.get("uses", "") for job in self.release.values() for step in job["steps"]))

    def test_what_is_published_is_signed_with_its_provenance_and_contents(self):
        signed = [step["with"] for step in self.release["publish"]["steps"] if "actions/attest@" in step.get("uses", "")]
        made = {step["with"]["output-file"] for step in self.release["build"]["steps"] if "sbom-action" in step.get("uses", "")}
        images = {step.get("sbom-path", "provenance") for step in signed if "subject-digest" in step}
        files = {step.get("sbom-path", "provenance") for step in signed if "subject-path" in step}
        self.assertEqual((images, files), ({"provenance", *made}, {"provenance", "source.spdx.json"}))

    def test_the_parameters_reach_the_deployment_only(self):
        users = [job for job, content in self.deploy.items() if "vars.PARAMETERS" in str(content)]
        self.assertEqual(users, ["deploy"])


if __name__ == "__main__":
    unittest.main()
