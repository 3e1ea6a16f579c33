"""The cache: what is damaged or not ours is not there, folders are bounded, and processes don't disturb each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from attngen import cache
from attngen.cache import FOLDERS, KERNELS, Folder, cache_folder, put, require_own
from attngen.emit.support import native

KEPT = Folder("kept", most=3)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path / "cache"))


def test_what_is_written_is_read() -> None:
    assert KEPT.read("a") is None
    KEPT.write("a", b"one\ntwo")
    assert KEPT.read("a") == b"one\ntwo"
    assert [path.name for path in KEPT.entries()] == ["a"]  # nothing half done is left beside it


@pytest.mark.parametrize("harm", ["cut", "emptied", "altered", "writable", "in a writable folder"])
def test_what_can_not_be_trusted_is_not_there(harm: str) -> None:
    KEPT.write("a", b"one\ntwo")
    path = KEPT.path / "a"
    match harm:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "emptied":
            path.write_bytes(b"")
        case "altered":
            path.write_bytes(path.read_bytes().replace(b"two", b"six"))
        case "writable":
            path.chmod(0o666)
        case _:
            KEPT.path.chmod(0o777)
    assert KEPT.read("a") is None
    KEPT.write("a", b"new")
    assert KEPT.read("a") == (None if harm == "in a writable folder" else b"new")


def test_what_was_not_used_for_longest_goes_first() -> None:
    for name in "abcd":
        KEPT.write(name, b"")
        put(KEPT.path / name, (KEPT.path / name).read_bytes())
    for age, name in enumerate("abcd"):
        os.utime(KEPT.path / name, (time.time() - 2 * cache.IN_USE - age,) * 2)
    assert KEPT.read("d") == b""  # used now
    KEPT.write("e", b"")
    assert {path.name for path in KEPT.entries()} == {"a", "d", "e"}


def test_what_may_be_in_use_stays_beyond_the_bound() -> None:
    for name in "abcdef":
        KEPT.write(name, b"")
    assert len(KEPT.entries()) == 6


def test_a_disk_that_takes_nothing_costs_time_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path / "file"))
    KEPT.write("a", b"one")
    assert KEPT.read("a") is None
    assert KEPT.entries() == []
    cache.clear()


def test_generated_files_find_the_same_folder_and_have_the_same_rules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They carry copies of both, because they run without attngen."""
    assert native._cache_folder() == cache_folder()
    monkeypatch.delenv("ATTNGEN_CACHE")
    assert native._cache_folder() == cache_folder() == user_cache_path("attngen")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native._cache_folder() == cache_folder()
    (tmp_path / "open").touch()
    for mode in (0o600, 0o644, 0o664, 0o646):
        (tmp_path / "open").chmod(mode)
        refused = []
        for rule in (native._require_own, require_own):
            try:
                rule(tmp_path / "open")
            except RuntimeError as error:
                refused.append(str(error))
        assert len(refused) == (0 if mode in (0o600, 0o644) else 2)
        assert len(set(refused)) <= 1


WORKER = """
import sys
from pathlib import Path
import attngen
from attngen.emit.support import native
from attngen.runtime import kept
for turn in range(2):
    for width in (turn, 100):  # one that no other turn builds, and one that all do
        kept._of_source.cache_clear()
        for name in [name for name in sys.modules if name.startswith("attngen_generated")]:
            del sys.modules[name]
        for backend in ("cpp", "triton"):
            attngen.build(f"attention a {{ mask i - j < {width} }}", backend=backend)
    native._library.cache_clear()
    text = f'extern "C" int answer() {{ return {turn}; }}'.encode()
    assert native._library(Path("answer.cpp"), text, "a spec").answer() == turn
"""


@pytest.mark.parametrize("removes", [False, True])
def test_processes_build_at_once_while_another_removes(removes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "IN_USE", -1)
    command = [sys.executable, "-c", WORKER]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    removed = 0
    while any(worker.poll() is None for worker in workers):
        time.sleep(0.002)
        if removes:
            removed += len(KERNELS.entries())
            cache.clear()
            time.sleep(0.002)
            for folder in FOLDERS:
                Folder(folder.name, most=1).forget()
    assert [worker.communicate()[1] for worker in workers] == [""] * 3
    assert [worker.returncode for worker in workers] == [0] * 3
    assert removed > 10 if removes else len(KERNELS.entries()) == 2 * 3
