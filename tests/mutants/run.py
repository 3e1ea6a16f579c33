"""Do the tests bite? Plant one deliberate fault at a time and see that a test fails: `make mutants`.

Each fault is planted in a copy of the repository. Verdicts are kept beside this file, by what the fault is, and a run
goes on where the last one stopped: `--again` forgets them, words choose faults by their names, `--table` shows the
score of each part. A fault that no test catches, and one whose place is no longer found, make the run fail.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

from faults import FAULTS, ROOT, Fault

VERDICTS = Path(__file__).with_name("verdicts.json")
PATIENCE = 1200
"""Seconds of some tests, after which they are taken to be endless."""
CAUGHT, SURVIVED, NOT_FOUND = "caught", "survived", "not found"


def caught(fault: Fault, copy: Path) -> str:
    """Whether a test fails with the fault in place, and only with it.

    Raises:
        SystemExit: what fails, fails without the fault, too, and tells nothing.
    """
    path = copy / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.right) != 1:
        return NOT_FOUND
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    try:
        code, failing = tested(fault.tests, copy)
    except subprocess.TimeoutExpired:
        code, failing = 1, ""  # a fault may make it endless
    finally:
        path.write_text(text, encoding="utf-8")
    if code != 1 and code >= 0:  # a fault may end the process
        return SURVIVED
    if not is_green(failing or fault.tests, copy):
        raise SystemExit(f"these fail without any fault, and tell nothing: {failing or fault.tests}")
    return CAUGHT


def tested(tests: str, copy: Path) -> tuple[int, str]:
    """The exit code of some tests in the copy, and the name of the one that fails, if pytest says it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(copy), "ATTNGEN_PROFILE": "mutants"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", *shlex.split(tests)]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    named = re.search(r"^(?:FAILED|ERROR) (\S+?\.py)(?:::([^\[\s]+))?", done.stdout, flags=re.MULTILINE)
    return done.returncode, "" if named is None else "::".join(part for part in named.groups() if part)


@cache
def is_green(tests: str, copy: Path) -> bool:
    """Whether tests pass without a fault."""
    return tested(tests, copy)[0] == 0


@cache
def flags_of_cpu() -> str:
    """What Linux says of it."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def verdicts() -> dict[str, dict[str, str | float]]:
    """By the digests of faults; those of faults that are no more are left out."""
    known = json.loads(VERDICTS.read_text(encoding="utf-8")) if VERDICTS.exists() else {}
    digests = {fault.digest for fault in FAULTS}
    return {digest: verdict for digest, verdict in known.items() if digest in digests}


def keep(found: dict[str, dict[str, str | float]]) -> None:
    VERDICTS.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def table(found: dict[str, dict[str, str | float]]) -> str:
    """Of each part: faults, and how many of those that were planted are caught; and what survived."""
    every = Counter(fault.part for fault in FAULTS)
    planted = Counter(fault.part for fault in FAULTS if fault.digest in found)
    good = Counter(fault.part for fault in FAULTS if found.get(fault.digest, {}).get("verdict") == CAUGHT)
    lines = ["| part | faults | planted | caught |", "|---|---|---|---|"]
    lines += [f"| {part} | {count} | {planted[part]} | {good[part]} |" for part, count in every.most_common()]
    total, seen = sum(good.values()), sum(planted.values())
    share = f" ({total / seen:.1%})" if seen else ""
    lines.append(f"| all | {len(FAULTS)} | {seen} | {total}{share} |")
    left = [fault.what for fault in FAULTS if found.get(fault.digest, {}).get("verdict") not in (None, CAUGHT)]
    return "\n".join([*lines, *(f"\nsurvived: {what}" for what in left)])


def run(words: list[str], found: dict[str, dict[str, str | float]]) -> list[str]:
    """Plant what has no verdict yet; gives the names of what was not caught."""
    left = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "attngen"
        ignored = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for number, fault in enumerate(FAULTS):
            if words and not any(word in fault.what for word in words):
                continue
            if found.get(fault.digest, {}).get("verdict") == CAUGHT:
                continue
            if fault.needs not in flags_of_cpu():
                print(f"{number + 1:4}/{len(FAULTS)} not here  {fault.what}: no {fault.needs}", flush=True)
                continue
            started = time.monotonic()
            verdict = caught(fault, copy)
            seconds = round(time.monotonic() - started)
            print(f"{number + 1:4}/{len(FAULTS)} {verdict:>9}  {fault.what}  ({seconds} s)", flush=True)
            found[fault.digest] = {"what": fault.what, "verdict": verdict, "seconds": seconds}
            keep(found)
            if verdict != CAUGHT:
                left.append(fault.what)
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="plant faults with one of these in their names")
    parser.add_argument("--again", action="store_true", help="forget the verdicts of before")
    parser.add_argument("--table", action="store_true", help="show the score, and plant nothing")
    given = parser.parse_args()
    found = {} if given.again else verdicts()
    if given.table:
        print(table(found))
        return
    left = run(given.words, found)
    print(table(found))
    if left:
        raise SystemExit(f"{len(left)} faults were not caught")


if __name__ == "__main__":
    main()
