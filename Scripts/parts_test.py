#!/usr/bin/env python3
"""Starts the parts of one `sdlens collect` together, again and again, and compares every byte of the store.

    parts_test.py [--rounds 200] [--parts 8] [--without-locks] [--program .build/release/sdlens]

On the model `shapes`. The store is made once by one process; then, in every round, by as many processes as there are
parts, all started before any can have begun. Each must succeed, and the folder must have the same files with the same
bytes. With --without-locks, flock, lockf and fcntl's locks say that they hold and do nothing, as on some shared disks.
The exit status is 1 if a part fails or a store differs.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["collect", "--limit", "16", "--shard-size", "1", "--block", "mid.0", "--sample-places", "1", "--threads", "1"]

NO_LOCKS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
int flock(int descriptor, int operation) { return 0; }
int lockf(int descriptor, int command, off_t length) { return 0; }
static int pass(const char *name, int descriptor, int command, void *argument) {
  if (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW) return 0;
  return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(descriptor, command, argument);
}
#define WRAP(name) \
  int name(int descriptor, int command, ...) { \
    va_list list; \
    va_start(list, command); \
    void *argument = va_arg(list, void *); \
    va_end(list); \
    return pass(#name, descriptor, command, argument); \
  }
WRAP(fcntl)
WRAP(fcntl64)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="how many stores are made (default 200)")
    parser.add_argument("--parts", type=int, default=8, help="processes of each (default 8)")
    parser.add_argument("--without-locks", action="store_true", help="make locks do nothing")
    parser.add_argument("--program", type=Path, default=ROOT / ".build/release/sdlens", help="what is started")
    options = parser.parse_args()
    program = options.program.resolve()
    if not program.is_file():
        parser.error(f"'{program}' is not there; build it with Scripts/sdlens, or name another with --program")

    with tempfile.TemporaryDirectory(prefix="sdlens-parts-") as folder:
        folder = Path(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SDLENS_")}
        if options.without_locks:
            environment["LD_PRELOAD"] = str(without_locks(folder))
        command = [program, *COMMAND, "--quiet", "--name", "s", "--workspace"]
        subprocess.run([*command, folder / "whole"], check=True, env=environment, stdout=subprocess.DEVNULL)
        bad = sum(not goes_well(command, folder, options.parts, environment) for _ in range(options.rounds))
    print(f"{options.rounds} rounds of {options.parts} parts, {bad} of them bad")
    return 1 if bad else 0


def without_locks(folder: Path) -> Path:
    """A library to load before all others, in which locks do nothing."""
    source, library = folder / "locks.c", folder / "locks.so"
    source.write_text(NO_LOCKS)
    compiler = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
    if compiler is None:
        sys.exit("a C compiler is needed to make locks do nothing")
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, source, "-ldl"], check=True)
    return library


def goes_well(command: list, folder: Path, parts: int, environment: dict[str, str]) -> bool:
    """Makes the store with all parts at once, and says what is not as it should be."""
    workspace = folder / "parts"
    processes = [
        subprocess.Popen(
            [*command, workspace, "--shard", f"{part}/{parts}"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for part in range(1, parts + 1)
    ]  # fmt: skip
    problems = []
    for part, process in enumerate(processes, 1):
        message = process.communicate()[1]
        if process.returncode:
            problems.append(f"part {part} ended with status {process.returncode}: {message.strip()}")
    wanted, found = files(folder / "whole"), files(workspace)
    problems += [f"'{name}' is missing or left over" for name in sorted(wanted ^ found)]
    problems += [
        f"'{name}' differs"
        for name in sorted(wanted & found)
        if not filecmp.cmp(folder / "whole" / name, workspace / name, shallow=False)
    ]
    for problem in problems:
        print(f"  {problem}", flush=True)
    shutil.rmtree(workspace, ignore_errors=True)
    return not problems


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


if __name__ == "__main__":
    sys.exit(main())
