#!/usr/bin/env python3
"""Kills `sdlens collect` and `sdlens train-sae` at random moments, lets them go on, and compares every byte.

    kill_test.py [--kills 20] [--seed 1] [--only collect|train-sae] [--program .build/release/sdlens]

On the model `shapes`. Each command runs once without a stop: that is what its files must be like, and its time is the
span from which moments are drawn. Then it runs in another workspace, on a random number of threads, and gets SIGKILL at
a random moment, again and again; where a run ends before its moment, the workspace is compared with the first one, and
the next kill meets a new one. After the last kill the command runs to its end, and is compared too. All files count,
under their names: none may differ, be missing, or be left over. The exit status is 1 if any does.
"""

import argparse
import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLLECT = ["collect", "--limit", "64", "--shard-size", "4"]
TRAIN = [
    "train-sae", "--store", "../activations", "--block", "down.2.1", "mid.0", "--features", "160,320", "--k", "5",
    "--steps", "40", "--batch", "256", "--save-every", "3", "--log-every", "2",
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and numbers of threads (default 1)")
    parser.add_argument("--only", choices=["collect", "train-sae"], help="one of the commands (default: both)")
    parser.add_argument("--program", type=Path, default=ROOT / ".build/release/sdlens", help="what is killed")
    options = parser.parse_args()
    program = options.program.resolve()
    if not program.is_file():
        parser.error(f"'{program}' is not there; build it with Scripts/sdlens, or name another with --program")

    failed = False
    with tempfile.TemporaryDirectory(prefix="sdlens-kill-") as folder:
        for command in [COLLECT, TRAIN]:
            if options.only in (None, command[0]):
                job = Job(program, command, Path(folder), random.Random(f"{options.seed} {command[0]}"))
                failed |= not job.survives(options.kills)
    print("FAILED" if failed else "every run that was killed ended as if it had not been")
    return 1 if failed else 0


class Job:
    """A command that is killed, in workspaces beside each other in a folder."""

    def __init__(self, program: Path, command: list[str], folder: Path, chance: random.Random):
        self.program, self.command, self.folder, self.chance = program, command, folder, chance
        self.whole, self.killed = folder / f"{command[0]}-whole", folder / f"{command[0]}-killed"

    def survives(self, kills: int) -> bool:
        if self.command is TRAIN and not (self.folder / "activations").exists():
            self.finish(self.folder / "store", [*COLLECT, "--name", "activations"])
            (self.folder / "store/activations/activations").rename(self.folder / "activations")
        start = time.monotonic()
        self.finish(self.whole, self.command)
        span = time.monotonic() - start
        print(f"{self.command[0]}: {len(files(self.whole))} files in {span:.1f} s when nothing stops it", flush=True)

        done, compared, bad = 0, 0, 0
        while done < kills:
            moment = self.chance.uniform(0, span)
            if self.is_killed(moment):
                done += 1
                halves = sum(name.endswith(".tmp") for name in files(self.killed))
                print(f"  {done:3}: killed after {moment:.2f} s, {len(files(self.killed))} files, {halves} of them half")
            else:
                compared, bad = compared + 1, bad + self.differs()
        self.finish(self.killed, self.command)
        compared, bad = compared + 1, bad + self.differs()
        print(f"{self.command[0]}: {done} kills, {compared} workspaces compared, {bad} of them differ", flush=True)
        return bad == 0

    def arguments(self, workspace: Path, command: list[str]) -> list[str]:
        threads = self.chance.randint(1, max(2, os.cpu_count() or 1))
        return [self.program, *command, "--quiet", "--workspace", workspace, "--threads", str(threads)]

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("SDLENS_")}

    def finish(self, workspace: Path, command: list[str]) -> None:
        """Runs a command to its end, which must be a good one."""
        workspace.mkdir(exist_ok=True)
        run = subprocess.run(
            self.arguments(workspace, command), cwd=workspace, env=self.environment(), stdout=subprocess.DEVNULL
        )
        if run.returncode:
            sys.exit(f"{command[0]} ended with status {run.returncode} in '{workspace}'")

    def is_killed(self, moment: float) -> bool:
        """Whether the command was killed at the moment; false when it had ended before, well."""
        self.killed.mkdir(exist_ok=True)
        process = subprocess.Popen(
            self.arguments(self.killed, self.command), cwd=self.killed, env=self.environment(), stdout=subprocess.DEVNULL
        )
        try:
            status = process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"{self.command[0]} ended with status {status} in '{self.killed}'")
        return status != 0

    def differs(self) -> bool:
        """Whether the workspace is another than the whole one; it is taken away."""
        wanted, found = files(self.whole), files(self.killed)
        problems = [f"'{name}' is missing" for name in sorted(wanted - found)]
        problems += [f"'{name}' is left over" for name in sorted(found - wanted)]
        for name in sorted(wanted & found):
            if not filecmp.cmp(self.whole / name, self.killed / name, shallow=False):
                problems.append(f"'{name}' differs")
        for problem in problems:
            print(f"  {problem}", flush=True)
        shutil.rmtree(self.killed)
        return bool(problems)


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


if __name__ == "__main__":
    sys.exit(main())
