"""Prints the size of each built function: of its zip, which Lambda loads, and of its binary."""

import pathlib
import sys
import zlib

print(f"{'function':22}{'zip MB':>10}{'binary MB':>10}")
for bootstrap in sorted(pathlib.Path(sys.argv[1]).glob("*/bootstrap")):
    binary = bootstrap.read_bytes()
    print(f"{bootstrap.parent.name:22}{len(zlib.compress(binary)) / 1e6:10.1f}{len(binary) / 1e6:10.1f}")
