"""Tests of infra/costs."""

import unittest

from script_test import ScriptTest


class Costs(ScriptTest):
    FILES = [*ScriptTest.FILES, "docs", "worker"]

    def change(self, path, old, new):
        text = (self.folder / path).read_text()
        self.assertIn(old, text)
        self.write(path, text.replace(old, new, 1))

    def cells(self, row):
        lines = (self.folder / "docs/deploy.md").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(f"| {row} |")]
        return [cell.strip() for cell in line.split("|")[2:-1]]

    def costs(self, *arguments, **environment):
        (self.folder / "infra/costs").chmod(0o755)
        result = self.run_script("infra/costs", *arguments, **environment)
        return result.returncode, result.stderr

    def test_the_tables_are_not_stale(self):
        self.assertEqual(self.costs("--check", PARAMETERS="MinWorkers=5", AWS_REGION="eu-west-1"), (0, ""))

    def test_a_change_of_a_price_a_template_or_a_stage_makes_them_stale(self):
        for path, old, new in (
            ("infra/prices.toml", "nat = { usd = 0.045", "nat = { usd = 0.055"),
            ("infra/prices.toml", "events = { amount = 6", "events = { amount = 60"),
            ("infra/temporal-ui.yaml", "Cpu: 256", "Cpu: 4096"),
            ("samconfig.toml", '"TemporalServers=2"', '"TemporalServers=3"'),
            ("worker/src/ops/cloudwatch.rs", '"EventsLag",\n', '"EventsLag",\n"NewA",\n"NewB",\n"NewC",\n"NewD",\n'),
        ):
            with self.subTest(new):
                before = (self.folder / path).read_text()
                self.change(path, old, new)
                self.assertEqual(self.costs("--check"), (1, "error: the tables of costs in docs/deploy.md are stale: run infra/costs\n"))
                self.write(path, before)

    def test_counts_come_from_the_templates(self):
        before = self.cells("secrets")
        text = (self.folder / "infra/data.yaml").read_text()
        secrets = "".join(f"  Secret{n}:\n    Type: AWS::SecretsManager::Secret\n    Properties: {{ Description: x }}\n" for n in range(10))
        self.write("infra/data.yaml", text.replace("\nResources:\n", f"\nResources:\n{secrets}", 1))
        self.assertEqual(self.costs(), (0, ""))
        self.assertEqual([int(cell) for cell in self.cells("secrets")], [int(cell) + 4 for cell in before])
        self.assertEqual(self.costs("--check"), (0, ""))

    def test_a_price_that_is_missing(self):
        self.change("infra/prices.toml", 'DatabaseInstanceClass = "db.m7g.2xlarge"', 'DatabaseInstanceClass = "db.m7g.48xlarge"')
        self.assertEqual(self.costs(), (1, "error: infra/prices.toml has no price of db.m7g.48xlarge\n"))


if __name__ == "__main__":
    unittest.main()
