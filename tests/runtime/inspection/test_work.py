"""Pipes, products of tiles, resident programs, and predicted cycles."""

from __future__ import annotations

import pytest

from attngen.runtime.inspect.chips import CHIPS
from attngen.runtime.inspect.loops import Instruction, Loop
from attngen.runtime.inspect.pipes import Pipe, described, pipe_of, products_of
from attngen.runtime.inspect.work import innermost, work

H100 = CHIPS["cuda:90"]


def loop(*opcodes: str, label: str = "") -> Loop:
    return Loop(label, tuple(Instruction(opcode, "") for opcode in opcodes))


@pytest.mark.parametrize(
    ("opcode", "pipe"),
    [
        *[("HGMMA.64x64x16.F32.BF16", Pipe.MATRIX), ("HMMA.16816.F32.BF16", Pipe.MATRIX), ("UTCHMMA", Pipe.MATRIX)],
        *[("v_mfma_f32_32x32x8_bf16", Pipe.MATRIX), ("MUFU.EX2", Pipe.EXP), ("v_exp_f32_e32", Pipe.EXP)],
        *[("FFMA.FTZ", Pipe.FLOAT), ("F2FP.BF16.F32.PACK_AB", Pipe.FLOAT), ("v_pk_mul_f32", Pipe.FLOAT)],
        *[("v_cvt_f32_i32_e32", Pipe.FLOAT), ("IMAD.WIDE", Pipe.INTEGER), ("LOP3.LUT", Pipe.INTEGER)],
        *[("v_add_u32_e32", Pipe.INTEGER), ("LDGSTS.E.BYPASS.128", Pipe.LOAD), ("SHFL.BFLY", Pipe.LOAD)],
        *[("ds_read_b128", Pipe.LOAD), ("global_load_dwordx4", Pipe.LOAD), ("LDL", Pipe.LOAD)],
        *[("UIADD3", Pipe.OTHER), ("BAR.SYNC", Pipe.OTHER), ("s_waitcnt", Pipe.OTHER), ("BRA", Pipe.OTHER)],
        *[("UTCATOMSWS.FIND_AND_SET", Pipe.OTHER), ("UTCBAR", Pipe.OTHER)],
    ],
)
def test_instructions_have_their_pipe(opcode: str, pipe: Pipe) -> None:
    assert pipe_of(opcode) is pipe


@pytest.mark.parametrize(
    ("opcode", "operations"),
    [
        ("HMMA.16816.F32.BF16", 2 * 16 * 8 * 16),
        ("HMMA.1688.F32.TF32", 2 * 16 * 8 * 8),
        ("HGMMA.64x128x16.F32.BF16", 2 * 64 * 128 * 16 / 4),
        ("v_mfma_f32_32x32x8_bf16", 2 * 32 * 32 * 8),
        ("v_mfma_f32_16x16x16_f16", 2 * 16 * 16 * 16),
        ("UTCHMMA", 0),
        ("FFMA", 0),
    ],
)
def test_products_say_what_they_do(opcode: str, operations: float) -> None:
    assert products_of(opcode) == operations


def test_descriptors_say_it_too() -> None:
    """0x8100490 stands in front of products of 128 by 64."""
    assert described(0x8100490) == 2 * 128 * 64 * 16


@pytest.mark.parametrize(
    ("warps", "registers", "shared", "expected"),
    [(4, 255, 65536, 2), (4, 128, 65536, 3), (8, 255, 1024, 1), (4, 32, 0, 16), (1, 16, 0, 32), (4, 32, 232448 + 1, 0)],
)
def test_resident_programs(warps: int, registers: int, shared: int, expected: int) -> None:
    """By registers, shared memory, warps, programs; and one that does not fit."""
    assert H100.resident(warps, registers, shared) == expected


def test_a_round_takes_as_long_as_its_busiest_part() -> None:
    """4 warps: 8 products of 512 cycles in all; 64 exponentials of 16 lanes a cycle."""
    body = ["HGMMA.64x64x16.F32.BF16"] * 16 + ["MUFU.EX2"] * 64 + ["FMUL"] * 20
    found = work(loop(*body), H100, 4, 2)
    assert (found.matrix, found.products) == ("HGMMA.64x64x16.F32.BF16", 16 * 2 * 64 * 64 * 16)
    assert found.busy["matrix"] == 512 and found.busy["exp"] == 512 and found.busy["float"] == 20
    assert found.busy["issue"] == 100
    assert found.cycles == 512 + 512 / 2  # two warps of a scheduler: one fills half of what the other waits for
    assert found.of_peak == 512 / 768
    assert work(loop(*body), H100, 8, 1).cycles == 1024 + 1024 / 2
    assert work(loop(*body), H100, 4, 2, moved=26 * 700).cycles == 700 + 512 / 2


def test_products_of_whole_programs() -> None:
    """Those of tcgen05 are counted once, and not for each warp."""
    product = Instruction("UTCHMMA", "gdesc[UR4], gdesc[UR6], tmem[UR18], tmem[UR22], idesc[UR23], !UPT")
    code = "UMOV UR23, 0x8100490 ;"
    assert work(Loop("", (product,)), CHIPS["cuda:100"], 4, 1, code).products == 2 * 128 * 64 * 16


def test_full_tiles_are_the_inner_loop() -> None:
    partial = loop("HMMA.16816.F32.BF16", "FSEL", "FSEL", label="partial")
    full = loop("HMMA.16816.F32.BF16", label="full")
    assert innermost([partial, loop("FADD"), full]) is full
    assert innermost([loop("FADD")]) is None


def test_products_of_numbers_are_the_inner_loop_in_float32() -> None:
    partial, full = loop("FFMA", "FFMA.FTZ", "FSEL", "FSEL"), loop("FFMA", "FFMA", "FSEL")
    assert innermost([partial, loop("FADD"), full]) is full


def test_a_loop_around_loops_with_products_is_none() -> None:
    """Compilers move products of the first round in front of a loop: the one around it may hold more than it does."""
    inner = loop("UTCHMMA", "FADD", label="inner")
    outer = Loop("outer", tuple(Instruction("UTCHMMA", "") for _ in range(3)), ("inner", "waits"))
    waits = loop("SYNCS", label="waits")
    assert innermost([outer, inner, waits]) is inner
