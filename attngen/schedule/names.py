"""Names for values in generated code: the author's where there is one, else what the value is and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from attngen.ir.expr import Apply, Constant, Expr, Parameter, Read, Rechannel, Row, Size
from attngen.schedule.levels import Level

WORDS = {
    "+": "sum", "-": "difference", "*": "product", "/": "quotient", "^": "power", "neg": "negative",
    "<": "below", "<=": "not_above", ">": "above", ">=": "not_below", "==": "same", "!=": "different",
    "and": "both", "or": "either", "not": "inverse", "if": "choice", "float": "value",
}  # fmt: skip
PAIR_PLACES = {Level.HEAD: "head", Level.QUERY: "query", Level.KEY: "key", Level.PAIR: "pair"}
TILE_PLACES = {Level.HEAD: "head", Level.QUERY: "query", Level.KEY: "key", Level.PAIR: "tile"}
ROW_PLACES = {Level.HEAD: "head", Level.QUERY: "row", Level.KEY: "channel", Level.PAIR: "element"}


KERNEL_NAMES = frozenset(
    # positions, sizes and rows, as in the language
    "b h i j q0 q1 qk q k v y lse B H N M D E scale offset row rows reach "
    # the loops of the kernels
    "KEY_TILE QUERY_TILE acc top total base weights rescale logit logits scores keys key_tile tile tiles program step "
    "start stop steps full_start full_stop live_start live_stop c d e r x s live full partial kind visit space call "
    "fault first_row first_key new_top column count skip query_anchor key_anchor "
    # walks along periods
    "period first_period stop_period period_length tooth_start tooth_stop first_live stop_live earlier_start "
    "earlier_stop "
    # lists of live tiles
    "starts query_order key_order row_at key_at starts_batch query_order_batch key_order_batch tile_starts "
    "prepared taken possible always test tests orders queries given device sizes found first column query_tile moved "
    "cost key_tile "
    # what is fixed in Triton kernels
    "D_PADDED E_PADDED FULL UPCAST WIDE range bad "
    # what is fixed in C++ kernels
    "BFloat16 BLOCK Buffer Call DEPTH Element Factor Floats Half Index Input Ints LANES NOTHING PAIRED PANEL Pairs "
    "Piece QueryTile Rows STRIP Span Sums Workspace add_few add_values all any_of as_factors assign attend channel "
    "exp_of exp2_of exponentials finish floor_mod forward inside load merge multiply next_block offsets pack_key "
    "pack_value read_row rebase rounded rounded_up score_few score_rows share store sum tanh_of to_float total_of "
    "value weight D_factors E_padded block_rows few_rows first_visit last_visit key_span mark marked again pack "
    "prepare weigh walk give live_panels score_block_of add_block_of faulty part_index place r0 seen_keys visits "
    "walked BLOCK_LANES FEW_ROWS PANEL_BYTES add_spans attend_all dot load_span keep_live panel_slot panel_owner "
    "NoDenormals mode REQUEST TILE_DATA TOGETHER pack_rows pack_keys pack_values as_piece paired neighbours "
    "TILED SIDE HELD Tiles Shapes has_tiles multiply_tiles transpose as_rows_of_keys value_tiles "
    "panel_head largest place_in_span SPAN LINE AHEAD multiply_add score sum_of value_panel Attending begin "
    "list_visits turn_to stats relative_to Given Packed packed take take_rows make_key_rows field list_number _ "
    # backward passes
    "GradientTile KeySums Elements take_elements delta dy dlse dq dk dv dp dp_row E_factors D_padded seen_by clear "
    "differentiate add_to_queries add_to_keys add_panels add_across as_columns columns add_diagonals gather "
    "gather_diagonals rounds_of differentiate_all differentiate_tile backward centred parts batch_rounds head_rounds "
    "diagonals tokens of_keys of_distances of_diagonals of_tile of_heads sum_of_products to_weights row_gradient to "
    "ONES MOST_COPIED dy_factors dy_pieces dy_rows slots owner live_rows groups strides wanted gradient asked made "
    "totals rounds copied of_elements by_sink results last sums sine cosine part_acc part_sums int32_t ELEMENT INDEX "
    "k0 k1 tests test by_keys groups_now at_once round blocks turned before halves apart first_head first_b first_h "
    "fixed of_queries of_keys heads head head_step pair values elements query_tiles key_tiles query_starts "
    "trained query_tile_starts inside total_ptr elements_ptr common whole pairs_of debug "
    "DEFAULTS TUNED RISING highest ALL places v_places dy_places arguments tensor lists each "
    # kernels of recurrences
    "terms sum_of_terms as_floats at room token_at order CHUNK SLACK Decays Head since between by_token by_channel "
    "turn weigh_by_token weigh_by_channel weigh_in_block weigh_block put_sums sums_of folded read_state write_state "
    "next BLOCK decay_keys fade solve product multiply_rows multiply_columns across faded decayed erased_decayed "
    "ones D_lanes E_lanes run decays buffers kept some target sums load_lines apart place pair states Tokens "
    "SEGMENT TOGETHER segment segments slot take_state give_state start stop advance found across Ends ends of_piece "
    "begin end piece pieces piece_of run_pieces leave leave_all leave_states carry_on pass_through pass follow enter "
    "recall reach work task silent other left "
    "d_across d_state values_across slopes joined from_state read earlier multiply_blocks add_product sum_columns "
    "add_scaled solve_back join return_to_rows return_to_keys return_to_decays return_by_channel return_from_end "
    "decay_keys_by_channel max min carried position steps first chunk chunks number program value_tile value_tiles "
    "part parts PARTS programs parts_y parts_lse pairs seen shares "
    "KEY_AXIS VALUE_TILE PRECISION EXACT to_row to_key to_value to_decay None True False BEFORE COUNT "
    "token key reading t name shape fits state_shapes "
    # what launching a Triton kernel takes by name
    "self grid warmup num_warps num_stages num_ctas maxnreg enable_fp_fusion args kwargs "
    # what launchers and kernels use
    "tl triton torch math ctypes contextlib kernel options library tensors integers reals threads std "
    "panel_heads long_positions i_minus_j".split()
)
"""Names that kernels and launchers use for themselves; values never take them, and parameters are renamed."""
MADE_NAMES = re.compile(
    r"(live_|full_|hole_)?(start|stop)(_\d+)+|\w+_(at_[ij](_\d+)?|of_tile(_\d+)?)(_least|_most|_any|_all|_sums|_spans)?|\w+_(ptr|share|stride_\w+|far|head)|\w+_row|\w+_factors|\w+_panels|\w+_found|\w+_at|\w+_decays|\w+_PADDED|\w+_place|\w+_inside|\w+_matrix|carry_\w+|load_\w+|return_\w+|advance_\w+|read_\w+|\w+_kept|\w+_made|\w+_left|\w+_front|leave_\w+|pass_\w+|\w+_across|\w+_found|\w+_in|\w+_out|\w+_diagonals|marked_\w+|by_\w+|\w+_by_distance|d_\w+|index_\d+|size_\w+|_\w*"
)
"""Names that are made: the ends of walks with several runs, what comes with a tensor, sizes, functions."""
CPP_KEYWORDS = frozenset(
    "alignas alignof asm auto bool break case catch char class const constexpr continue decltype default delete do "
    "double dynamic_cast else enum explicit export extern false float for friend goto if inline int int64_t long "
    "mutable namespace new noexcept nullptr operator private protected public register return short signed sizeof "
    "static struct switch template this throw true try typedef typeid typename union unsigned using virtual void "
    "volatile while and or not xor larger smaller floor_div floor_mod magnitude".split()
)
CPP_MACROS = re.compile(
    r"[A-Z][A-Z0-9_]+|(M|SYS)_\w+|(be|le)\d+toh|hto[bl]e\d+|linux|unix|i386|errno|assert|alloca|offsetof|std(in|out|err)"
    r"|issubnormal|strn?dupa|math_errhandling"
)
"""What headers and compilers may define, which no scope hides."""


def kernel_name(name: str) -> str:
    """What a parameter or input of the author's is called inside kernels."""
    bare = name.rstrip("_")  # `top_` makes room for `top`
    taken = bare in KERNEL_NAMES or bare in CPP_KEYWORDS or MADE_NAMES.fullmatch(bare) or CPP_MACROS.fullmatch(bare)
    return f"{name}_" if taken else name


@dataclass(slots=True)
class Namer:
    """Hands out names, each once; `given` are the names that the author gave to expressions."""

    given: dict[Expr, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def fresh(self, wanted: str) -> str:
        wanted = kernel_name(wanted)
        name, count = wanted, 2
        while name in self.taken:
            name = f"{wanted}_{count}"
            count += 1
        self.taken.add(name)
        return name

    def of_value(self, expr: Expr, level: Level, places: Mapping[Level, str] = PAIR_PLACES) -> str:
        """A name for a shared value of a kernel."""
        if expr in self.given:
            return self.fresh(self.given[expr])
        place = places[level]
        if isinstance(expr, Row):
            return self.fresh(f"{expr.name}_here")
        if isinstance(expr, Rechannel) and isinstance(expr.row, Row):
            return self.fresh(f"{expr.row.name}_elsewhere")
        if isinstance(expr, Read):
            return self.fresh(f"{place}_{expr.input}")
        function = expr.function if isinstance(expr, Apply) else "value"
        return self.fresh(f"{place}_{WORDS.get(function, function)}")

    def of_constant(self, expr: Expr) -> str:
        """A name for a value that the host computes."""
        return self.fresh(self.given.get(expr) or _described(expr))


def _described(expr: Expr) -> str:
    """`cap_log2` for cap * log2(e), `scale_over_cap` for scale / cap; `constant` where it gets long."""
    match expr:
        case Parameter():
            return expr.name
        case Size():
            return f"count_{expr.axis}"
        case Apply(function="*", arguments=(Constant(), x)) | Apply(function="*", arguments=(x, Constant())):
            return _short(f"{_described(x)}_log2")
        case Apply(function="*", arguments=(x, y)):
            return _short(f"{_described(x)}_{_described(y)}")
        case Apply(function="/", arguments=(x, y)):
            return _short(f"{_described(x)}_over_{_described(y)}")
        case Apply(function="float", arguments=(x,)):
            return _described(x)
    return "constant"


def _short(name: str) -> str:
    return name if len(name) <= 24 and "constant" not in name else "constant"
