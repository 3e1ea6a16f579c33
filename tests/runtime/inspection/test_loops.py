"""Loops of machine code, from what disassemblers print."""

from __future__ import annotations

from attngen.runtime.inspect.loops import Loop, loops

NESTED = """
.text.kernel:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/                   IADD3 R0, R0, 0x1, RZ ;
        /*0020*/              @!P0 BRA `(.L_x_3) ;
.L_x_1:
        /*0030*/                   FFMA R2, R2, R3, R4 ;
        /*0040*/                   MUFU.EX2 R2, R2 ;
        /*0050*/               @P1 BRA `(.L_x_1) ;
.L_x_2:
        /*0060*/                   ISETP.GE.AND P2, PT, R0, R5, PT ;
        /*0070*/              @!P2 BRA `(.L_x_0) ;
        /*0080*/                   EXIT ;
.L_x_3:
        /*0090*/                   FADD R6, R6, R7 ;
        /*00a0*/                   BRA `(.L_x_2) ;
.L_x_4:
        /*00b0*/                   BRA `(.L_x_4);
"""
"""A loop in a loop; a block of the outer one stands behind the end of the program, which ends in a branch to itself."""

AMD = """
kernel:
	s_load_dwordx2 s[0:1], s[4:5], 0x0
.LBB0_1:                                ; =>This Inner Loop Header: Depth=1
	v_exp_f32_e32 v1, v1
	v_mfma_f32_32x32x8_bf16 a[0:15], v[2:3], v[4:5], a[0:15]
	s_add_i32 s2, s2, 1
	s_cmp_lt_i32 s2, s3
	s_cbranch_scc1 .LBB0_1
	s_endpgm
"""


def opcodes(loop: Loop) -> list[str]:
    return [each.opcode for each in loop.body]


def test_inner_loops_are_left_out_of_outer_ones() -> None:
    outer, inner = loops(NESTED)
    assert (outer.label, inner.label) == (".L_x_0", ".L_x_1")
    assert opcodes(inner) == ["FFMA", "MUFU.EX2", "BRA"]
    assert opcodes(outer) == ["IADD3", "BRA", "ISETP.GE.AND", "BRA", "FADD", "BRA"]


def test_what_stands_behind_the_end_is_no_loop() -> None:
    """Programs end in a branch to itself, which is never reached."""
    assert ".L_x_4" not in [loop.label for loop in loops(NESTED)]


def test_predicates_are_told_from_names() -> None:
    outer, _ = loops(NESTED)
    assert [each.guarded for each in outer.body if each.opcode == "BRA"] == [True, True, False]


def test_branches_of_warps_have_their_predicate_as_an_operand() -> None:
    """What follows them is reached, and so is a loop that ends in one."""
    text = """
        /*0000*/                   BRA.U UP1, `(.L_x_1) ;
.L_x_0:
        /*0010*/                   UTCHMMA gdesc[UR4], gdesc[UR6], tmem[UR22], tmem[UR18], idesc[UR19], !UPT ;
        /*0020*/                   BRA.U !UP0, `(.L_x_0) ;
.L_x_1:
        /*0030*/                   EXIT ;
"""
    (loop,) = loops(text)
    assert opcodes(loop) == ["UTCHMMA", "BRA.U"]


def test_assembly_of_amd() -> None:
    (loop,) = loops(AMD)
    assert loop.label == ".LBB0_1"
    assert opcodes(loop)[:2] == ["v_exp_f32_e32", "v_mfma_f32_32x32x8_bf16"]
    assert loop.count("v_") == 2


def test_code_without_branches_has_no_loops() -> None:
    assert loops("        /*0000*/                   EXIT ;\n") == []
    assert loops("") == []
