"""Compiling C++ kernels: the cache, and what users are told when there is no compiler, or a bad one."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import attngen
from attngen import cache
from attngen.cache import Folder
from attngen.emit.support import native
from attngen.runtime import module
from attngen.runtime.module import import_files

ROWS = torch.ones(1, 1, 2, 4)
KERNEL = "attention tested {{ mask j <= i + {shift} }}"
PLAIN = '#include <cmath>\nextern "C" int answer() { return 42; }\n'
BROKEN = 'extern "C" int answer() { return missing; }\n'


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path / "cache"))
    native._library.cache_clear()
    yield
    native._library.cache_clear()


def source(tmp_path: Path, text: str = PLAIN) -> Path:
    path = tmp_path / "answer.cpp"
    path.write_text(text)
    return path


def script(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def libraries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "libraries").glob("*"))


def test_a_library_is_compiled_once_and_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert native._library(source(tmp_path), None, "a spec").answer() == 42
    (made,) = libraries(tmp_path)  # nothing half done is left beside it
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    native._library.cache_clear()
    monkeypatch.setattr(native, "_compiled", None)  # would fail if it were called
    assert native._library(source(tmp_path), None, "a spec").answer() == 42


@pytest.mark.parametrize("harm", ["cut", "emptied", "altered"])
def test_a_damaged_library_is_compiled_anew(harm: str, tmp_path: Path) -> None:
    native._library(source(tmp_path), None, "a spec")
    native._library.cache_clear()
    (made,) = libraries(tmp_path)
    whole = made.read_bytes()
    made.unlink()  # and written as another file, for this process has loaded the old one
    made.write_bytes({"cut": whole[: len(whole) // 2], "emptied": b"", "altered": whole[:-1] + b"x"}[harm])
    made.chmod(0o700)
    assert native._library(source(tmp_path), None, "a spec").answer() == 42
    (anew,) = libraries(tmp_path)
    assert anew.stem.endswith(native._hashed(anew.read_bytes()))


def test_the_cache_may_be_emptied_between_build_and_call() -> None:
    kernel = attngen.build(KERNEL.format(shift=7), backend="cpp")
    q, expected = ROWS.clone().requires_grad_(), ROWS.clone().requires_grad_()
    cache.clear()
    kernel(q, ROWS, ROWS).sum().backward()
    kernel.reference(expected, ROWS, ROWS).sum().backward()
    assert torch.allclose(q.grad, expected.grad, atol=1e-5)


def test_a_launcher_is_imported_with_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process removes them while the launcher is imported."""
    kernel = attngen.build(KERNEL.format(shift=8), backend="cpp")
    imports, removed = module.import_path, []

    def removing(path: Path, module_name: str) -> ModuleType:
        if not removed:
            removed.append(path.with_name("tested_backward.cpp").unlink())
        return imports(path, module_name)

    monkeypatch.setattr(module, "import_path", removing)
    files = {**kernel.files, "more": ""}
    assert import_files(files, "tested")._TEXTS["tested_backward.cpp"].decode() == files["tested_backward.cpp"]
    assert removed


def test_damaged_modules_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = {"somewhat.py": "answer = 43\n"}
    name = import_files(files, "somewhat").__name__
    (text,) = (tmp_path / "cache" / "kernels").glob("*/somewhat.py")
    (bytecode,) = text.parent.glob("__pycache__/*.pyc")
    bytecode.write_bytes(bytecode.read_bytes()[:20])
    del sys.modules[name]
    assert import_files(files, "somewhat").answer == 43
    text.write_text("answer = 4")
    del sys.modules[name]
    assert import_files(files, "somewhat").answer == 43
    assert text.read_text() == files["somewhat.py"]


@pytest.mark.parametrize("what", ["text", "define", "version", "cpu"])
def test_what_a_library_depends_on_is_in_its_name(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path)
    native._library(path, None, "a spec")
    native._library.cache_clear()
    if what == "text":
        source(tmp_path, PLAIN + "// changed\n")
    elif what != "define":
        monkeypatch.setattr(native, f"_{what}", lambda *_: "another")
    native._library(path, None, "a spec", *(["CHANGED=1"] if what == "define" else []))
    assert len(libraries(tmp_path)) == 2


def test_many_processes_compile_at_once(tmp_path: Path) -> None:
    path = source(tmp_path)
    log = tmp_path / "log"
    compiler = script(
        tmp_path, "counted", f'case "$*" in *-o*) echo x >> {log};; esac; exec {native._compiler()[0]} "$@"'
    )
    library = f"native._library(Path({str(path)!r}), None, 'a spec')"
    code = f"from pathlib import Path\nfrom attngen.emit.support import native\nprint({library}.answer())"
    environment = {**os.environ, "CXX": str(compiler)}
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[0].strip() for process in running] == ["42"] * 4
    assert log.read_text().split() == ["x"]  # one of them has compiled, the others have waited
    assert [made.suffix for made in libraries(tmp_path)] == [".so"]


@pytest.mark.parametrize("bad", ["library", "folder"])
def test_what_others_can_write_is_not_loaded(bad: str, tmp_path: Path) -> None:
    native._library(source(tmp_path), None, "a spec")
    native._library.cache_clear()
    (made,) = libraries(tmp_path)
    (made if bad == "library" else made.parent).chmod(0o777)
    with pytest.raises(RuntimeError, match=r"could have been written by other users.*chmod go-w"):
        native._library(source(tmp_path), None, "a spec")


def test_generated_modules_that_others_can_write_are_not_imported(tmp_path: Path) -> None:
    files = {"somewhat.py": "answer = 42\n"}
    assert import_files(files, "somewhat").answer == 42
    sys.modules.pop(import_files(files, "somewhat").__name__)
    (made,) = (tmp_path / "cache" / "kernels").glob("*/somewhat.py")
    made.chmod(0o666)
    with pytest.raises(RuntimeError, match="could have been written by other users"):
        import_files(files, "somewhat")


@pytest.mark.parametrize("bad", ["file", "folder"])
def test_bytecode_that_others_can_write_is_not_run(bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = {"somewhat.py": f"answer = 45  # {bad}\n"}
    sys.modules.pop(import_files(files, "somewhat").__name__)
    (made,) = (tmp_path / "cache" / "kernels").glob("*/__pycache__/*.pyc")
    assert b"answer" in made.read_bytes()
    made.write_bytes(made.read_bytes().replace(b"answer", b"forged"))
    sys.modules.pop(import_files(files, "somewhat").__name__)
    assert import_files(files, "somewhat").forged == 45  # Python believes it
    sys.modules.pop(import_files(files, "somewhat").__name__)
    (made if bad == "file" else made.parent).chmod(0o777)
    assert import_files(files, "somewhat").answer == 45


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    for age in range(4):
        made = tmp_path / f"{age}.so"
        made.write_bytes(bytes(100))
        os.utime(made, (1000 - age, 1000 - age))
    native._forget_oldest(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.glob("*.so")) == ["0.so", "1.so"]


def test_generated_modules_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KERNELS", Folder("kernels", most=2))
    kernels = tmp_path / "cache" / "kernels"
    for age in (0, 7200, 8000, 9000):
        (kernels / str(age)).mkdir(parents=True, mode=0o700)
        os.utime(kernels / str(age), (time.time() - age,) * 2)
    module.import_files({"newest.py": ""}, "newest")
    assert {"0"} < {folder.name for folder in kernels.iterdir()}  # what may be in use stays
    assert len(list(kernels.iterdir())) == 2


def test_without_a_compiler_there_is_advice_and_the_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    kernel = attngen.build(KERNEL.format(shift=5), backend="cpp")
    with pytest.raises(RuntimeError, match=r"no C\+\+ compiler.*apt-get install g\+\+.*backend=\"reference\""):
        kernel(ROWS, ROWS, ROWS)
    assert attngen.build(KERNEL.format(shift=5), backend="reference")(ROWS, ROWS, ROWS).shape == ROWS.shape


def test_cxx_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(RuntimeError, match=r"\$CXX is no-such-compiler, which is not there"):
        native._library(source(tmp_path), None, "a spec")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 'x.cpp:1: error: no such thing' >&2; exit 1", r"C\+\+ here \(x\.cpp:1: error: no such thing\): install"),
        ("exit 3", r"C\+\+ here \(exit code 3\): install a working compiler"),
        (
            'case "$*" in *-fopenmp*) echo "fatal error: omp.h not found" >&2; exit 1;; esac; exec c++ "$@"',
            r"omp\.h not found\): install OpenMP .*libomp-dev",
        ),
    ],
)
def test_a_broken_compiler_is_told_from_a_broken_kernel(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", str(script(tmp_path, "broken", text)))
    with pytest.raises(RuntimeError, match=words):
        native._library(source(tmp_path), None, "a spec")


def test_a_compiler_that_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "text"
    compiler.write_bytes(b"\x00not a program")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(RuntimeError, match=r"text can't be run .*install a working compiler"):
        native._library(source(tmp_path), None, "a spec")


def test_a_broken_kernel_names_its_spec_and_the_first_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"does not compile the kernel of mine\.attn:3 .*error: .missing. was not"):
        native._library(source(tmp_path, BROKEN), None, "mine.attn:3")


def test_the_spec_is_named_by_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = shutil.which("c++") or native._compiler()[0]
    picky = f'case "$*" in *tested.cpp*) echo "tested.cpp:9: error: odd" >&2; exit 1;; esac; exec {real} "$@"'
    monkeypatch.setenv("CXX", str(script(tmp_path, "picky", picky)))
    spec = tmp_path / "odd.attn"
    spec.write_text(KERNEL.format(shift=6) + "\n")
    with pytest.raises(RuntimeError, match=r"picky does not compile the kernel of odd\.attn:1 .*tested\.cpp:9: error"):
        attngen.build(spec, backend="cpp")(ROWS, ROWS, ROWS)
