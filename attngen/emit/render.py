"""Templates to text.

Templates are valid source of their own language, so that linters and formatters read them: a placeholder is a name
between double underscores (`__variant__`), and a loop is a comment (`# % for line in lines`, `// % for ...`). They
hold no logic; everything they show is a string of the emitter's.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from jinja2 import BytecodeCache, Environment, FunctionLoader, StrictUndefined
from jinja2.bccache import Bucket

from attngen.cache import TEMPLATES

PLACEHOLDER = re.compile(r"__([a-z][a-z0-9]*(?:_[a-z0-9]+)*)__")
COMMENT = {".py": "#", ".cpp": "//"}
OWN_NAMES = frozenset({"future", "name", "file", "init", "next", "post_init", "attribute", "linux"})


def render(package: str, template: str, values: Mapping[str, object]) -> str:
    """The text of `package/templates/template` with its placeholders filled.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    suffix = "." + template.rsplit(".", 1)[1]
    return _environment(COMMENT[suffix]).get_template(f"{package}:{template}").render(**values)


@cache
def _environment(comment: str) -> Environment:
    return Environment(
        line_statement_prefix=f"{comment} %",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        loader=FunctionLoader(lambda name: _text(name, comment)),
        bytecode_cache=_Kept(),
    )


def _text(name: str, comment: str) -> str:
    """A template in the syntax of Jinja."""
    package, template = name.split(":")
    text = files(package).joinpath("templates", template).read_text(encoding="utf-8")
    # Jinja drops blank lines behind a line statement; an empty expression keeps the first of them.
    text = re.sub(rf"^([ \t]*{comment} %.*\n)(?=\n)", r'\1{{ "" }}', text, flags=re.MULTILINE)
    return PLACEHOLDER.sub(_placeholder, text)


class _Kept(BytecodeCache):
    """Templates as bytecode, which takes more time to make than to run."""

    def load_bytecode(self, bucket: Bucket) -> None:
        if content := TEMPLATES.read(_entry(bucket)):
            bucket.bytecode_from_string(content)

    def dump_bytecode(self, bucket: Bucket) -> None:
        TEMPLATES.write(_entry(bucket), bucket.bytecode_to_string())


def _entry(bucket: Bucket) -> str:
    return f"{bucket.key}-{bucket.checksum}-{sys.implementation.cache_tag}"


def _placeholder(match: re.Match[str]) -> str:
    name = match.group(1)
    return match.group(0) if name in OWN_NAMES else f"{{{{ {name} }}}}"


def functions(package: str, module: str, names: Iterable[str]) -> str:
    """The source of some functions and classes of a support module, and of those they call, in the module's order."""
    text = files(package).joinpath(module).read_text(encoding="utf-8")
    found = {node.name: node for node in ast.parse(text).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    wanted = set(names)
    waiting = list(wanted)
    while waiting:
        called = {node.id for node in ast.walk(found[waiting.pop()]) if isinstance(node, ast.Name)}
        new = (called & found.keys()) - wanted
        wanted |= new
        waiting += new
    return "\n\n\n".join(_source(text, node) for name, node in found.items() if name in wanted)


def called_functions(package: str, module: str, text: str) -> str:
    """The source of those functions of a support module that a text calls."""
    defined = re.findall(r"^def (\w+)", files(package).joinpath(module).read_text(encoding="utf-8"), re.MULTILINE)
    return functions(package, module, {*defined} & {*re.findall(r"\b(_\w+)\(", text)})


def _source(text: str, node: ast.FunctionDef | ast.ClassDef) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.split("\n")[first - 1 : node.end_lineno])
