"""Which part of a processor takes an instruction, by its name in SASS and in AMD's assembly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum


class Pipe(Enum):
    """The parts of a processor. `MATRIX` multiplies tiles; `EXP` has exponentials, logarithms, roots and quotients."""

    MATRIX = "matrix"
    EXP = "exp"
    FLOAT = "float"
    INTEGER = "integer"
    LOAD = "load"
    OTHER = "other"


MATRIX = r"HGMMA|HMMA|IMMA|DMMA|UTC\w*MMA|v_s?mfma_\w+"
"""Products of tiles: of a warp (sm_80), a group of four (sm_90), a program (sm_100), a wave (CDNA)."""
PIPES = (
    (Pipe.MATRIX, re.compile(MATRIX)),
    (Pipe.EXP, re.compile(r"MUFU|v_(exp|log|rcp|rsq|sqrt|sin|cos)_\w+")),
    (
        Pipe.LOAD,
        re.compile(
            r"(LD|ST|RED|ATOM|UBLK|UTMA|LDT|STT)\w*|(SHFL|MOVM)|"
            r"(global|buffer|flat|scratch|ds)_\w+|s_(buffer_)?load_\w+"
        ),
    ),
    (
        Pipe.FLOAT,
        re.compile(
            r"(FADD|FMUL|FFMA|FMNMX|FSEL|FSET|FSETP|FCHK|HADD|HMUL|HFMA|HMNMX|HSET|HSETP|DADD|DMUL|DFMA|DSETP|"
            r"F2F|F2FP|F2I|I2F|I2FP|FRND)\w*|v_\w*(f32|f16|f64|bf16)\w*"
        ),
    ),
    (
        Pipe.INTEGER,
        re.compile(
            r"(IADD|IMAD|IMUL|ISETP|ISET|IABS|IMNMX|LEA|LOP|SHF|SHL|SHR|VIADD|VIMNMX|BFE|BFI|PRMT|SGXT|SEL|POPC|FLO|"
            r"BREV|LOP3|IDP|VABSDIFF)\w*|v_\w+"
        ),
    ),
)


def pipe_of(opcode: str) -> Pipe:
    """Where an instruction goes. What is the same for a whole warp, and branches, count as `OTHER`."""
    name = opcode.split(".")[0]
    return next((pipe for pipe, pattern in PIPES if pattern.fullmatch(name)), Pipe.OTHER)


TRAITS = {
    "base_two": r"MUFU\.EX2|v_exp_f32",
    "other_functions": r"MUFU\.(?!EX2)|v_(log|rcp|rsq|sqrt|sin|cos)_f(32|64)",
    "quotients": r"I2F|F2I|IABS|v_cvt_f32_u32|v_rcp_iflag",
    "doubles": r"D(FMA|MUL|ADD|SETP)|v_\w+_f64",
    "spilled": r"LDL|STL|scratch_",
    "wide_copies": r"(LDGSTS|LDG)\S*\.128|UTMALDG|(global|buffer)_load_dwordx4",
    "narrow_copies": r"(LDGSTS|LDG)(?!\S*\.128)|(global|buffer)_load_(?!dwordx4)",
    "by_warps": r"HMMA",
}
"""What inner loops are inspected for, by the beginning of instructions.

Exponentials of base two and other functions, what a division by an unknown int begins with, numbers of 64 bits, spilled
registers, reads of 16 bytes and of fewer, and products of single warps.
"""


def traits(opcodes: Iterable[str]) -> dict[str, int]:
    """How many instructions show each of `TRAITS`."""
    names = list(opcodes)
    return {trait: sum(re.match(pattern, name) is not None for name in names) for trait, pattern in TRAITS.items()}


SHAPES = (
    # HMMA.16816.F32.BF16 is one of a warp; HGMMA.64x128x16.F32.BF16 one of four warps
    (re.compile(r"HMMA\.(\d+?)(8|16)(8|16|32)\b.*"), 1),
    (re.compile(r"HGMMA\.(\d+)x(\d+)x(\d+)\..*"), 4),
    (re.compile(r"v_s?mfma_\w*?f32_(\d+)x(\d+)x(\d+)_?\w*"), 1),
)
TCGEN05 = re.compile(r"UTC\w*MMA.*")
DEPTH = 16
"""Channels that one product of tcgen05 takes of half precision."""


def products_of(opcode: str) -> float:
    """The floating-point operations of a product of tiles, as each warp that takes part has of them.

    0 where the name does not say: those of tcgen05 stand in a descriptor (`described`).
    """
    for pattern, warps in SHAPES:
        if found := pattern.fullmatch(opcode):
            rows, columns, depth = (int(size) for size in found.groups())
            return 2 * rows * columns * depth / warps
    return 0.0


def described(descriptor: int) -> int:
    """The operations of a product of tcgen05, of a whole program, by its descriptor.

    PTX ISA, tcgen05, instruction descriptor: columns / 8 in bits 17 to 22, rows / 16 in bits 24 to 28.
    """
    columns, rows = (descriptor >> 17 & 63) * 8, (descriptor >> 24 & 31) * 16
    return 2 * rows * columns * DEPTH
