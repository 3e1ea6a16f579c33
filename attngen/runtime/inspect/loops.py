"""Machine code as instructions and loops, from what disassemblers print: NVIDIA's SASS and AMD's assembly.

A loop is what a branch back to a block that dominates it goes round: assemblers move blocks about, so the order of the
text says little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LABEL = re.compile(r"^(\.L[\w$]*):")
SASS = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*(?:\.[\w.]+)?)([^;]*);")
AMD = re.compile(r"^\s+()([sv]_\w+|ds_\w+|global_\w+|buffer_\w+|flat_\w+|scratch_\w+)\b([^;]*)")
JUMP = re.compile(r"BRA(\..*)?|s_branch")
CHOICE = re.compile(r"s_cbranch_\w+")
END = re.compile(r"(EXIT|RET|BRX|BRK)(\..*)?|s_endpgm|s_setpc_b64")
TARGET = re.compile(r"\.L[\w$]*")


@dataclass(frozen=True, slots=True)
class Instruction:
    """Its name with modifiers (`MUFU.EX2`, `v_exp_f32`), what stands behind it, and whether a predicate guards it.

    Branches of a whole warp name their predicate as an operand: `BRA.U UP0, label`.
    """

    opcode: str
    operands: str
    guarded: bool = False

    @property
    def target(self) -> str | None:
        """The label that it branches to."""
        if not (JUMP.fullmatch(self.opcode) or CHOICE.fullmatch(self.opcode)):
            return None
        found = TARGET.search(self.operands)
        return found[0] if found else None

    @property
    def ends(self) -> bool:
        """Whether the next instruction is never reached from it."""
        return not self.guarded and bool(JUMP.fullmatch(self.opcode) or END.fullmatch(self.opcode))


@dataclass(frozen=True, slots=True)
class Loop:
    """The instructions of a loop, those of loops inside it left out; `inner` are the labels of these."""

    label: str
    body: tuple[Instruction, ...]
    inner: tuple[str, ...] = ()

    def count(self, pattern: str) -> int:
        """How many instructions have a name that matches from its start."""
        return sum(re.match(pattern, each.opcode) is not None for each in self.body)


def loops(text: str) -> list[Loop]:
    """The loops of a kernel, in the order of their heads."""
    names, blocks, following = _graph(text)
    dominators = _dominators(following)
    found: dict[int, set[int]] = {}
    for block, targets in enumerate(following):
        for head in targets:
            if head in dominators[block] and dominators[block]:
                found.setdefault(head, {head}).update(_reaching(block, head, following))
    return [_without_inner(head, inside, found, names, blocks) for head, inside in sorted(found.items())]


def _without_inner(
    head: int, inside: set[int], found: dict[int, set[int]], names: list[str], blocks: list[list[Instruction]]
) -> Loop:
    inner = {start: other for start, other in found.items() if start != head and other < inside}
    own = sorted(inside.difference(*inner.values()))
    return Loop(names[head], tuple(each for block in own for each in blocks[block]), tuple(names[k] for k in inner))


def _graph(text: str) -> tuple[list[str], list[list[Instruction]], list[set[int]]]:
    """Blocks with their labels, and which may follow each."""
    names, blocks = [""], [list[Instruction]()]
    for found in _scanned(text):
        if isinstance(found, str):
            names.append(found)
            blocks.append([])
        else:
            blocks[-1].append(found)
            if found.target is not None or found.ends:
                names.append("")
                blocks.append([])
    places = {name: k for k, name in enumerate(names) if name}
    following = []
    for k, block in enumerate(blocks):
        last = block[-1] if block else None
        targets = {places[last.target]} if last is not None and last.target in places else set()
        if (last is None or not last.ends) and k + 1 < len(blocks):
            targets.add(k + 1)
        following.append(targets)
    return names, blocks, following


def _dominators(following: list[set[int]]) -> list[set[int]]:
    """The blocks that stand on every way from the first to each; none for those that are not reached."""
    before: list[list[int]] = [[] for _ in following]
    for k, targets in enumerate(following):
        for target in targets:
            before[target].append(k)
    reached = _reached(following)
    every = set(reached)
    found = [{0} if k == 0 else set(every) if k in every else set() for k in range(len(following))]
    changed = True
    while changed:
        changed = False
        for k in reached[1:]:
            ways = [found[b] for b in before[k] if b in every]
            new = {k} | set.intersection(*ways)
            changed, found[k] = changed or new != found[k], new
    return found


def _reached(following: list[set[int]]) -> list[int]:
    """The blocks that can be reached from the first, which stands in front."""
    found, waiting = {0: None}, [0]
    while waiting:
        for target in sorted(following[waiting.pop()] - found.keys()):
            found[target] = None
            waiting.append(target)
    return list(found)


def _reaching(block: int, head: int, following: list[set[int]]) -> set[int]:
    """The blocks from which one is reached without passing a head."""
    found, waiting = {block, head}, [block] if block != head else []
    while waiting:
        now = waiting.pop()
        new = {k for k, targets in enumerate(following) if now in targets} - found
        found |= new
        waiting += new
    return found


def _scanned(text: str) -> Iterator[str | Instruction]:
    """Labels and instructions."""
    for line in text.splitlines():
        if label := LABEL.match(line):
            yield label[1]
        elif found := SASS.search(line) or AMD.match(line):
            operands = found[3].strip()
            in_front = found[2].startswith("BRA") and "," in operands
            yield Instruction(found[2], operands, bool(found[1]) or in_front)
