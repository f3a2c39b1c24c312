#!/usr/bin/env python3
"""Plants the faults of faults.py, one at a time, in a copy of the tree and says which the tests catch.

    tools/plant_faults.py                   all of them; about an hour on two cores
    tools/plant_faults.py --only rope-base  some of them, by name
    tools/plant_faults.py --list            their names; checks that each still has its text in the sources
    tools/plant_faults.py --rooms golden    with other tests than the table names: here, the committed fixtures alone

The tests run without the fixture folder ../shared, and without the pinned pictures (tests/engine/pinned_test.cc),
which hold on some machines only and do not say what is wrong. Exits with 1 where a fault is not caught or does not compile.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = "golden"  # the room that is check-golden on tests/data/golden
TEST_SECONDS = 600  # a test that takes longer hangs: the fault is noticed


def fail(message: str) -> None:
    print(f"plant_faults.py: {message}", file=sys.stderr)
    sys.exit(2)


def run(command: list, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **options)


def choose(names: list[str]) -> list[Fault]:
    known = {fault.name: fault for fault in FAULTS}
    if len(known) != len(FAULTS):
        fail("two faults of the table have the same name")
    for name in names:
        if name not in known:
            fail(f"there is no fault '{name}'; --list names them")
    return [known[name] for name in names] if names else FAULTS


def check_texts(faults: list[Fault]) -> None:
    for fault in faults:
        count = (ROOT / "src" / fault.file).read_text().count(fault.old)
        if count != 1:
            fail(f"{fault.name}: its text is {count} times in src/{fault.file}, expected once; "
                 "bring tools/faults.py up to date")


def copy_tree(tree: Path) -> None:
    """The files that git knows or would add, as they are now; those that did not change keep their time."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, tree / name
        if not source.is_file() or (target.is_file() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


class Copy:
    """A copy of the tree with a build of its own, quick to compile."""

    def __init__(self, folder: Path, jobs: int):
        self.tree, self.build, self.jobs = folder / "tree", folder / "build", jobs
        copy_tree(self.tree)
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        # -O1 without a build type: with Release, the kernels would be compiled with -O3 for every instruction set.
        self.must("configure", ["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=",
                                "-DCMAKE_CXX_FLAGS=-O1 -DNDEBUG", "-DSCALEKV_BENCH=OFF", *launcher])

    def must(self, what: str, command: list) -> None:
        result = run(command)
        if result.returncode != 0:
            fail(f"the tree as it is does not {what}:\n{result.stdout[-4000:]}")

    def build_command(self, rooms: list[str]) -> list:
        targets = ["check-golden" if room == GOLDEN else f"test_{room}" for room in rooms]
        return ["cmake", "--build", self.build, f"-j{self.jobs}", "--target", *targets]

    def test_command(self, room: str) -> list:
        if room == GOLDEN:
            fixtures = sorted((self.tree / "tests/data/golden").iterdir())
            return [self.build / "tests/golden/check-golden", *fixtures]
        return [self.build / "tests" / f"test_{room}", "--gtest_brief=1", "--gtest_fail_fast",
                "--gtest_filter=-PinnedPictures.*"]

    def failing_test(self, rooms: list[str]) -> str | None:
        """The first test of these rooms that fails, or None."""
        environment = {k: v for k, v in os.environ.items() if k != "SCALEKV_SHARED"}
        for room in rooms:
            try:
                result = run(self.test_command(room), timeout=TEST_SECONDS, env=environment)
            except subprocess.TimeoutExpired:
                return f"{room}: hangs"
            if result.returncode != 0:
                failed = re.search(r"\[  FAILED  \] ([^\s,]+)|^(\S+) .* MISS$", result.stdout, re.MULTILINE)
                return f"{room}.{failed.group(1) or failed.group(2)}" if failed else f"{room}: stops with {result.returncode}"
        return None

    def plant(self, fault: Fault) -> str:
        path = self.tree / "src" / fault.file
        sound = path.read_text()
        path.write_text(sound.replace(fault.old, fault.new))
        try:
            rooms = fault.rooms.split()
            built = run(self.build_command(rooms))
            if built.returncode != 0:
                error = re.search(r"error: .*", built.stdout)
                return f"does not compile  {error.group(0) if error else built.stdout[-500:]}"
            test = self.failing_test(rooms)
            return f"caught            {test}" if test else "NOT CAUGHT"
        finally:
            path.write_text(sound)


def run_all(faults: list[Fault], folder: Path, jobs: int) -> int:
    copy = Copy(folder, jobs)
    rooms = sorted({room for fault in faults for room in fault.rooms.split()})
    print(f"building the tests of {', '.join(rooms)} in {folder}", flush=True)
    copy.must("compile", copy.build_command(rooms))
    if test := copy.failing_test(rooms):
        fail(f"the tree as it is does not pass its tests: {test}")
    caught = 0
    for fault in faults:
        start = time.monotonic()
        outcome = copy.plant(fault)
        caught += outcome.startswith("caught")
        print(f"{fault.name:<40}{outcome}  ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"{caught} of {len(faults)} faults are caught")
    return 0 if caught == len(faults) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="plant these alone")
    parser.add_argument("--list", action="store_true", help="name the faults and plant none")
    parser.add_argument("--rooms", nargs="+", default=[], metavar="ROOM", help="whose tests judge, if not the table's")
    parser.add_argument("--folder", type=Path, help="keep the copy and its build here, for the next time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time")
    options = parser.parse_args()
    faults = choose(options.only)
    if options.rooms:
        faults = [fault._replace(rooms=" ".join(options.rooms)) for fault in faults]
    check_texts(faults)
    if options.list:
        for fault in faults:
            print(f"{fault.name:<40}{fault.file:<36}{fault.rooms}")
        return 0
    if options.folder:
        return run_all(faults, options.folder.resolve(), options.jobs)
    with tempfile.TemporaryDirectory(prefix="scalekv-faults-") as folder:
        return run_all(faults, Path(folder), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
