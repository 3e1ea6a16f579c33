"""Do the tests bite? Plant one deliberate fault at a time and see that a test fails: `make mutants`.

Each fault is planted in a copy of the repository. A fault that no test catches, and one whose place is no longer
found, make the run fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Fault:
    """Replace `right` by `wrong` in a file; `tests` are those that should notice."""

    what: str
    file: str
    right: str
    wrong: str
    tests: str


BOUNDS, KERNELS = "tests/analysis", "tests/emit tests/runtime"
CPP = "attngen/emit/cpp/templates/streaming.cpp"
CPP_GIVEN = "attngen/emit/cpp/templates/given.cpp"
CPP_FORWARD = "attngen/emit/cpp/templates/attending.cpp"
CPP_TILE = "attngen/emit/cpp/templates/query_tile.cpp"
CPP_GRADIENTS = "attngen/emit/cpp/templates/gradient_tile.cpp"
CPP_BACKWARD = "attngen/emit/cpp/templates/whole_backward.cpp"
LAUNCHER = "attngen/emit/cpp/templates/launcher.py"
GRADIENTS = "tests/emit/test_gradients.py"
CHUNKS = "tests/emit/test_chunks.py"
RING = "tests/parallel/test_ring.py"
PIECES = "tests/emit/test_pieces.py"
IN_TRITON = f"{CHUNKS} -k triton_agrees"
SHARED = f"{CHUNKS} -k share_values_of_gradients"
TRITON_LAUNCHER = "attngen/emit/triton/templates/recurrent_launcher.py"
BESIDE = f"{CHUNKS} -k beside_each_other"
TRITON_CHUNKS = "attngen/emit/triton/chunk_support.py"
TRITON_RETURNS = "attngen/emit/triton/chunk_gradients.py"
SPEC_GRADIENTS = "tests/specs/test_spec_gradients.py"
TRITON = "attngen/emit/triton/templates/forward.py"
BY_KEYS = "attngen/emit/triton/templates/by_keys.py"
BY_DIAGONALS = "attngen/emit/triton/templates/by_diagonals.py"
PAIRS = "attngen/emit/triton/templates/differentiated_pairs.py"
FAULTS = [
    Fault("off by one in a bound", "attngen/analysis/solve.py", '"<=": (None, al.ONE)', '"<=": (None, al.ZERO)', BOUNDS),
    Fault("hull rounded inward", "attngen/analysis/walk.py", "al.ceil_divide(last, tile)", "al.floor_divide(last, tile)", BOUNDS),
    Fault("core rounded outward", "attngen/analysis/walk.py", "al.floor_divide(segment.stop, tile)", "al.ceil_divide(segment.stop, tile)", BOUNDS),
    Fault("runs may overlap", "attngen/analysis/walk.py", "start = al.largest(start, variable(runs[-1].stop))", "pass", BOUNDS),
    Fault("interpreter maps heads wrongly", "attngen/reference/scope.py", '// (self.size("H") // size)', "% size", "tests/reference"),
    Fault("hull and core swapped", "attngen/analysis/solve.py", "(reach.low, reach.high) if self.must", "(reach.high, reach.low) if self.must", BOUNDS),
    Fault("wrong mirrored end", "attngen/analysis/solve.py", "None if stop is None else al.subtract(al.ONE, stop),", "None if stop is None else al.negate(stop),", BOUNDS),
    Fault("distances below zero let through", "attngen/analysis/solve.py", "start = al.largest(al.ZERO, start)", "start = start", BOUNDS),
    Fault("clip at M forgotten", "attngen/analysis/segments.py", "al.smallest(segment.stop, every.stop)", "segment.stop", BOUNDS),
    Fault("bounds trust unchecked data", "attngen/analysis/bounds.py", "facts.before_data()", "facts", BOUNDS),
    Fault("floats proved like ints", "attngen/analysis/facts.py", "if expr.kind is Kind.INT else expr\n", "if True else expr\n", BOUNDS),
    Fault("interpreter divides towards zero", "attngen/reference/functions.py", 'rounding_mode="floor"', 'rounding_mode="trunc"', "tests/reference"),
    Fault("short circuit of `or` inverted", "attngen/reference/values.py", "(~first & marks[1])", "(first & marks[1])", "tests/reference"),
    Fault("quotient of factors inverted", "attngen/passes/factors.py", '_apply("/", expr, u, w), x)', '_apply("/", expr, w, u), x)', "tests/passes"),
    Fault("log2(e) forgotten in a difference", "attngen/schedule/logits.py", "_again(expr, *map(_times, expr.arguments))", "_again(expr, _times(expr.arguments[0]), *expr.arguments[1:])", "tests/schedule tests/emit"),
    Fault("C++: rescaling of the sum dropped", CPP_FORWARD, "total * rescale[r] + exponentials", "total + exponentials", KERNELS),
    Fault("C++: rescaling of the values dropped", "attngen/emit/cpp/support/multiply.cpp", "all(rescale[r]), sum)", "all(1.0f), sum)", KERNELS),
    Fault("C++: partial tiles taken for full", CPP_FORWARD, "visit<false>(space.walk[step])", "visit<true>(space.walk[step])", KERNELS),
    Fault("C++: wrong head map", CPP_GIVEN, "h / share * head", "h % share * head", KERNELS),
    Fault("C++: division rounds towards zero", "attngen/emit/cpp/support/functions.cpp", "return quotient - (x % y != 0 && (x < 0) != (y < 0));", "return quotient;", KERNELS),
    Fault("C++: bfloat16 cut off instead of rounded", "attngen/emit/cpp/support/numbers.cpp", "(bits + 0x7fff + ((bits >> 16) & 1))", "bits", KERNELS),
    Fault("Triton: rescaling of the values dropped", TRITON, "acc * rescale[:, None]", "acc", KERNELS),
    Fault("Triton: wrong head map", TRITON, "h_far // k_share", "h_far % k_share", KERNELS),
    Fault("Triton: ragged last key tile not masked", TRITON, "(keys < M)[:, None] & (e < E), FULL and E == E_PADDED", "(keys < M)[:, None] & (e < E), E == E_PADDED", KERNELS),
    Fault("Triton: scores always rise with products", "attngen/emit/triton/templates/launcher.py", "RISING=__factor__ > 0", "RISING=True", KERNELS),
    Fault("Triton: query tiles of a list that are not whole are full", "attngen/emit/support/live.py", "ends[owners, 1]) & (queries < whole)", "ends[owners, 1])", "tests/runtime/test_full_tiles.py"),
    Fault("Triton: far places are near", "attngen/emit/support/launches.py", "for each in axes)) >= 2**31", "for each in axes)) >= 2**62", "tests/runtime/test_full_tiles.py"),
    Fault("tuning: candidates are not compared", "attngen/tuning/tuner.py", "wrong = self._wrong() if", 'wrong = "" if', "tests/tuning"),
    Fault("tuning: sizes of other devices are taken", "attngen/runtime/tuned.py", 'first = f"{_short(device)}-{spec}"', 'first = ""', "tests/runtime/test_tuned.py"),
    Fault("Triton: division rounds towards zero", "attngen/emit/triton/support.py", "return x // y - tl.where((remainder != 0) & ((remainder < 0) != (y < 0)), 1, 0)", "return x // y", KERNELS),
    Fault("launcher: queries start at position 0", "attngen/emit/cpp/templates/launcher.py", "scale\n    offset = _offset(\"__variant__\", offset, offsets, B, M - N, q.device)", "scale\n    offset = _offset(\"__variant__\", offset, offsets, B, 0, q.device)", KERNELS),
    Fault("rows: the channel of a position's factor is not moved", "attngen/schedule/rows.py", 'case Variable(name="c"):\n            return index', 'case Variable(name="c"):\n            return expr', "tests/schedule/test_rows.py tests/emit/test_row_kernels.py"),
    Fault("rows: C++ reads the keys of another head", "attngen/emit/cpp/rows.py", '"h / call.k.share" if rows.per_head else "h"', '"h"', "tests/schedule/test_rows.py"),
    Fault("rows: angles in float32", "attngen/schedule/products.py", "exact = Sequence(namer, exact=True, axes=axes)", "exact = Sequence(namer, exact=False, axes=axes)", "tests/schedule/test_rows.py"),
    Fault("rows: padding of channels not cleared", "attngen/emit/triton/rows.py", "tl.where(c < D, {rows.name}, 0.0)", "tl.where(c < D, {rows.name}, {rows.name})", "tests/schedule/test_rows.py"),
    Fault("weights: dead pairs keep theirs in Triton", "attngen/emit/triton/lower.py", "weights = tl.where(live, weights, 0.0)", "weights = tl.where(live, weights, weights)", "tests/runtime/test_kernels.py"),
    Fault("weights: C++ divides by all keys", CPP_TILE, "seen_keys[r] = std::count(live, live + KEY_TILE, 1)", "seen_keys[r] = keys", "tests/runtime/test_kernels.py"),
    Fault("faults: full tiles not looked at", "attngen/emit/cpp/pairs.py", '"true" if plan.checked else "!FULL"', '"!FULL"', "tests/runtime/test_faults.py"),
    Fault("masks: numbers in functions are float32", "attngen/emit/triton/printer.py", "if self.exact and isinstance(form, Form):", "if False and isinstance(form, Form):", "tests/emit/test_functions_in_kernels.py"),
    Fault("lists: rectangles say any for all", "attngen/analysis/tiletest.py", "Interval(self.areas[expr].all, self.areas[expr].any)", "Interval(self.areas[expr].any, self.areas[expr].all)", "tests/analysis/test_tiletest.py"),
    Fault("lists: positions that occur twice are no table", "attngen/analysis/tiletest.py", "return expr.function in EXACT and len(moving) == 1 and _exact(moving[0])", "return True", "tests/analysis/test_tiletest.py"),
    Fault("lists: remainders split with a wrong sign", "attngen/analysis/tiletest.py", "al.subtract(right, from_linear(groups[\"j\"], 0))", "al.add(right, from_linear(groups[\"j\"], 0))", "tests/analysis/test_tiletest.py"),
    Fault("lists: both forms must know that a tile is full", "attngen/analysis/tiletest.py", "al.either(always, split.always)", "al.both(always, split.always)", "tests/analysis/test_tiletest.py"),
    Fault("lists: tiles of faults are not visited", "attngen/analysis/tiletest.py", "al.either(possible, bad.possible)", "possible", "tests/runtime/test_live_tiles.py"),
    Fault("lists: a ragged tile counts as full", "attngen/emit/support/live.py", "full = always & ((key_tile + 1) * sizes[1] <= lengths[1])", "full = always", "tests/runtime/test_live_tiles.py"),
    Fault("lists: tiles beyond the last one", "attngen/emit/support/live.py", "((tile < grid[2]) & (key_tile < grid[3]))", "(tile < grid[2] + key_tile * 0)", "tests/runtime/test_live_tiles.py"),
    Fault("floats: what is not below is above, NaN too", "attngen/analysis/algebra.py", 'operand.function in OPPOSITE and operand.arguments[0].kind is Kind.INT', 'operand.function in OPPOSITE', "tests/runtime/test_live_tiles.py"),
    Fault("lists: counts without a border", "attngen/emit/support/live.py", "flags.long(), (1, 0, 1, 0)", "flags.long(), (0, 1, 0, 1)", "tests/runtime/test_live_tiles.py"),
    Fault("lists: data may change under a list", "attngen/emit/support/live.py", "_versions(made_for) != versions", "False", "tests/runtime/test_live_tiles.py"),
    Fault("lists: squares are tested at the wrong size", "attngen/emit/support/live.py", "tests(*(size * square for size in sizes))", "tests(*sizes)", "tests/runtime/test_live_tiles.py"),
    Fault("orders: C++ reads keys as they lie", CPP_TILE, "call.key_order ? key_order[place] : place", "place", "tests/runtime/test_live_tiles.py"),
    Fault("orders: Triton writes rows as they lie", TRITON, "rows = tl.where(rows < N, tl.load(query_order + rows, mask=rows < N, other=0), N)", "pass", "tests/runtime/test_live_tiles.py"),
    Fault("orders: residue classes are not together", "attngen/analysis/orders.py", "al.modulo(j, period), size", "al.floor_divide(j, period), size", "tests/runtime/test_live_tiles.py"),
    Fault("orders: no bijection is asked for", "attngen/emit/support/checks.py", "    if len(wrong) == 0:", "    if True:", "tests/runtime/test_live_tiles.py"),
    Fault("queries of key tiles are solved for keys", "attngen/analysis/bounds.py", "return _bounds(variant, mask, QUERIES)", "return _bounds(variant, mask, KEYS)", "tests/analysis/test_walk.py"),
    Fault("queries of key tiles reach one too far", "attngen/analysis/solve.py", "Segment(OFFSET, al.add(OFFSET, size(\"N\")))", "Segment(al.add(OFFSET, al.ONE), al.add(OFFSET, size(\"N\")))", "tests/analysis/test_walk.py"),
    Fault("proofs: touching ends leave nothing", "attngen/analysis/proofs.py", "facts.at_least(al.subtract(low, high), 0)", "facts.at_least(al.subtract(low, high), -1)", "tests/analysis/test_doubts.py tests/analysis/test_proofs.py"),
    Fault("floats: ends that touch are apart", "attngen/analysis/interval.py", '_less("<", a, b), _less("<=", a, b)', '_less("<=", a, b), _less("<=", a, b)', "tests/analysis tests/runtime/test_live_tiles.py"),
    Fault("growing rows: the bridge leads the other way", "attngen/schedule/growth.py", '_apply("-", KEY_ANCHOR, QUERY_ANCHOR)', '_apply("-", QUERY_ANCHOR, KEY_ANCHOR)', "tests/emit/test_growing_rows.py"),
    Fault("growing rows: keys are anchored elsewhere", "attngen/schedule/growth.py", "integer(KEYS_PER_ANCHOR // 2)", "integer(KEYS_PER_ANCHOR // 4)", "tests/emit/test_growing_rows.py"),
    Fault("growing rows: two rates taken for one", "attngen/schedule/growth.py", "if same else None", "if True else None", "tests/emit/test_growing_rows.py"),
    Fault("growing rows: tokens are moved", "attngen/schedule/walks.py", "if movable else ()", "if True else ()", "tests/emit/test_growing_rows.py"),
    Fault("growing rows: any rate will do", "attngen/schedule/growth.py", "GENTLE = 0.1\n", "GENTLE = 9.0\n", "tests/emit/test_growing_rows.py"),
    Fault("C++: keys behind the last one counted", CPP_TILE, "std::fill(live + keys, live + KEY_TILE, 0);", "", KERNELS),
    Fault("C++: a panel with live keys skipped", CPP_TILE, "while (first < last && !any_of(some_live, first))", "if (!any_of(some_live, first + 1))", KERNELS),
    Fault("C++: rows of a block left out", "attngen/emit/cpp/support/multiply.cpp", "if (r >= count) return;", "if (r >= BLOCK - 2) return;", KERNELS),
    Fault("C++: rows of a short block spill over", "attngen/emit/cpp/support/multiply.cpp", "if (r >= count) return;", "", KERNELS),
    Fault("C++: packed tiles of another head taken", CPP_TILE, "panel_head * ((M + KEY_TILE - 1) / KEY_TILE) + key_tile;", "key_tile;", KERNELS),
    Fault("C++: packed heads shared too widely", "attngen/emit/cpp/lower.py", "math.gcd(H // k.shape[1], H // v.shape[1])", "max(H // k.shape[1], H // v.shape[1])", KERNELS),
    Fault("C++: parts of a walk merged without their maxima", CPP, "exp2_of(all(found.top - sums.top))[0]", "1", "tests/runtime/test_few_queries.py"),
    Fault("C++: a sink counted by each part", CPP_FORWARD, "if (part_index == 0) std::fill_n", "std::fill_n", "tests/runtime/test_few_queries.py"),
    Fault("C++: a part of the walk left out", CPP_FORWARD, "visits * (part_index + 1) / call.parts", "visits * part_index / call.parts + 1", "tests/runtime/test_few_queries.py"),
    Fault("C++: channels beyond whole vectors dropped", "attngen/emit/cpp/support/few_rows.cpp", "for (; d < D; ++d) total", "for (; d < 0; ++d) total", "tests/runtime/test_few_queries.py"),
    Fault("C++: exact products fused with sums", "attngen/emit/cpp/printer.py", 'return f"rounded({super().apply(expr)[0]})", ATOM', "return super().apply(expr)", "tests/emit/test_exact_products.py"),
    Fault("diagonals: one beside its own", "attngen/emit/cpp/pairs.py", "QUERY_TILE - 1 - (r0 + r)]", "QUERY_TILE - (r0 + r)]", "tests/emit/test_diagonals.py"),
    Fault("diagonals: distances the other way", "attngen/schedule/distances.py", "terms.get(DISTANCE, 0) + times", "terms.get(DISTANCE, 0) - times", "tests/emit/test_diagonals.py"),
    Fault("diagonals: of moved tokens too", "attngen/emit/cpp/diagonals.py", "if plan.ordered:", "if False:", "tests/emit/test_diagonals.py"),
    Fault("diagonals: faults of pairs that do not exist", "attngen/emit/cpp/pairs.py", "fault |= x < keys && (", "fault |= (", "tests/emit/test_diagonals.py"),
    Fault("C++: libraries of other widths shared", "attngen/emit/support/native.py", 'f"-D{define}" for define in defines', '"" for define in defines', "tests/runtime/test_native.py"),
    Fault("C++: all rows taken for alike", CPP_TILE, "if (again) continue;", "if (r > 0) continue;", "tests/emit/test_alike_rows.py"),
    Fault("C++: rows alike where their own position counts", "attngen/emit/cpp/pairs.py", 'if not used.isdisjoint({"i", *(s.name', 'if not used.isdisjoint({"none", *(s.name', "tests/emit/test_alike_rows.py"),
    Fault("C++: values that rows are alike in left out", "attngen/emit/cpp/pairs.py", "return tuple(s for s in statements if s.name in apart)", "return tuple(s for s in statements if s.name in apart)[:1]", "tests/emit/test_alike_rows.py"),
    Fault("C++: dead scores kept", "attngen/emit/cpp/support/weights.cpp", "lives != 0 ? load(scores + x) : all(dead)", "load(scores + x)", KERNELS),
    Fault("C++: even and odd channels exchanged", "attngen/emit/cpp/support/few_rows.cpp", "c / 2 + c % 2 * LANES", "c / 2 + (1 - c % 2) * LANES", "tests/runtime/test_few_queries.py"),
    Fault("congruences: sums taken for differences", "attngen/schedule/congruences.py", 'y if sign == "-" else al.negate(y)', "y", "tests/schedule/test_congruences.py"),
    Fault("congruences: remainders other than 0", "attngen/schedule/congruences.py", "Constant(value=0),", "Constant(),", "tests/schedule/test_congruences.py"),
    Fault("congruences: both sides of a query", "attngen/schedule/congruences.py", "{level(x), level(y)} == {Level.QUERY, Level.KEY}", "level(x) is not level(y)", "tests/schedule/test_congruences.py"),
    Fault("norms: sums start at 1 in C++", "attngen/emit/cpp/rows.py", "{statement.name} = 0.0f;", "{statement.name} = 1.0f;", "tests/emit/test_row_kernels.py"),
    Fault("norms: moved with the channel", "attngen/schedule/rows.py", 'case Apply(function="row_sum"):', 'case Apply(function="none"):', "tests/emit/test_row_kernels.py"),
    Fault("debug: data on a GPU are never looked at", "attngen/emit/support/checks.py", 'if not (tensor.device.type == "cpu" or debug) or', 'if tensor.device.type != "cpu" or', "tests/emit/test_debug.py"),
    Fault("data: only the least number is looked at", "attngen/emit/support/checks.py", "inside(ends).all()", "inside(ends[0]).all()", "tests/runtime/test_call_checks.py"),
    Fault("growing rows: shifts are dropped", "attngen/schedule/growth.py", "else _plus(query.shift, key.shift)", "else ZERO", "tests/emit/test_growing_rows.py"),
    Fault("growing rows: heads that share keys share their rows", "attngen/schedule/products.py", 'per_head = mentions(row, "h") or', "per_head = False and", "tests/emit/test_growing_rows.py"),
    Fault("periods: two teeth visit the tile that they share", "attngen/analysis/walk.py", "al.largest(al.floor_divide(start, tile), visited)", "al.floor_divide(start, tile)", BOUNDS),
    Fault("periods: full tiles by a core of another period", "attngen/analysis/walk.py", "[found.period for found in core[0].teeth] == [teeth.period]", "bool(core[0].teeth)", BOUNDS),
    Fault("periods: teeth beside segments are in order", "attngen/analysis/walk.py", "(hull_of(bounds.hull),) if bounds.toothed else bounds.hull", "bounds.hull", BOUNDS),
    Fault("periods: a remainder is split the wrong way round", "attngen/analysis/solve.py", "for back in (period, al.ZERO))", "for back in (al.ZERO, period))", BOUNDS),
    Fault("periods: mirrored teeth are one off", "attngen/analysis/remainders.py", "al.subtract(al.ONE, stop), al.subtract(al.ONE, start)", "al.negate(stop), al.negate(start)", BOUNDS),
    Fault("orders: one dead piece makes a tile dead", "attngen/emit/support/live.py", "can.any(-1).any(-1)", "can.all(-1).any(-1)", "tests/runtime/test_live_tiles.py tests/test_bench.py"),
    Fault("gradients: tanh' = 1 + tanh²", "attngen/analysis/laws.py", "minus(ONE, times(y, y))", "plus(ONE, times(y, y))", "tests/analysis/test_derivatives.py"),
    Fault("gradients: a quotient's by its divisor has no sign", "attngen/analysis/laws.py", "negative(over(times(g, y), b))", "over(times(g, y), b)", "tests/analysis/test_derivatives.py"),
    Fault("gradients: the larger of two takes nothing", "attngen/analysis/laws.py", "return where(holds(first, a, b), g, tied), where(holds(first, b, a), g, tied)", "return where(holds(first, b, a), g, tied), where(holds(first, a, b), g, tied)", "tests/analysis/test_derivatives.py"),
    Fault("gradients: channels are not summed", "attngen/analysis/derivatives.py", "<= set(argument.channels) else of_all_channels(share)", "<= set(argument.channels) else share", "tests/analysis/test_derivatives.py"),
    Fault("gradients: what is used twice counts once", "attngen/analysis/derivatives.py", "plus(found[argument], share) if argument in found else share", "share", "tests/analysis/test_derivatives.py"),
    Fault("gradients: delta is added", "attngen/emit/cpp/gradients.py", "(dp_row[x] - delta)", "(dp_row[x] + delta)", GRADIENTS),
    Fault("gradients: log-sum-exp has the wrong sign", CPP_GRADIENTS, "space.delta[r] -= share * call.dlse[place];", "space.delta[r] += share * call.dlse[place];", SPEC_GRADIENTS),
    Fault("gradients: weights are not divided by their sum", CPP_GRADIENTS, "dy[e] *= share;", "dy[e] *= 1;", GRADIENTS),
    Fault("gradients: a sink pulls the other way", "attngen/emit/cpp/gradients.py", "by_sink = -exp2_of", "by_sink = exp2_of", SPEC_GRADIENTS),
    Fault("gradients: partial tiles taken for full", CPP_GRADIENTS, "visit<false>(space.walk[step])", "visit<true>(space.walk[step])", GRADIENTS),
    Fault("gradients: full tiles left out", CPP_GRADIENTS, "for (int64_t step = partial; step < visits; ++step) visit<true>", "for (int64_t step = partial; step < partial; ++step) visit<true>", GRADIENTS),
    Fault("gradients: keys forget the first rows that see them", CPP_GRADIENTS, "{ std::min(seen_by[panel].first, r0), r0 + block_rows }", "{ r0, r0 + block_rows }", GRADIENTS),
    Fault("gradients: dead pairs have some", CPP_GRADIENTS, "if (!FULL) keep_live(__d___row, live, first, last, 0);", "", SPEC_GRADIENTS),
    Fault("gradients: heads that share keys are not summed", "attngen/emit/templates/of_calls.py", "tokens, width).sum(2)", "tokens, width)[:, :, 0]", GRADIENTS),
    Fault("gradients: one task sums for keys", CPP_BACKWARD, "    KeySums& found = sums[part];\n    for (int64_t slot = first;", "    KeySums& found = sums[0];\n    for (int64_t slot = first;", GRADIENTS),
    Fault("gradients: moved keys stay where they were walked", CPP_BACKWARD, "call.key_order ? key_order[slot] : slot, token", "slot, token", GRADIENTS),
    Fault("gradients: turned channels do not turn back", "attngen/emit/cpp/adjoints.py", 'channel = "c" if isinstance(leaf, Row) else printer.text(leaf.index)', 'channel = "c"', SPEC_GRADIENTS),
    Fault("gradients: diagonals beside their own", CPP_GRADIENTS, "of_heads[first + QUERY_TILE - 1 - x]", "of_heads[first + QUERY_TILE - x]", f"{SPEC_GRADIENTS} {GRADIENTS}"),
    Fault("gradients: copies of elements are not added", CPP_BACKWARD, "copied < call.parts; ++copied)\n    for", "copied < 1; ++copied)\n    for", GRADIENTS),
    Fault("gradients: heads add to the same elements at once", CPP_BACKWARD, "rounds[group / in_row % call.batch_rounds * call.head_rounds + group % in_row % call.head_rounds]", "rounds[0]", GRADIENTS),
    Fault("gradients: queries of all batch rows stand alike", "attngen/emit/landings.py", '({"b"} if "i" in found else set())', "set()", GRADIENTS),
    Fault("gradients: of elements, the last counts", "attngen/emit/support/operators.py", "sums.double(), accumulate=True)", "sums.double())", GRADIENTS),
    Fault("Triton gradients: partial tiles taken for full", PAIRS, "if not FULL:\n        # % for line in gradient_mask_lines", "if FULL:\n        # % for line in gradient_mask_lines", GRADIENTS),
    Fault("Triton gradients: delta is added", PAIRS, "by_score - tl.expand_dims(delta, KEY_AXIS)", "by_score + tl.expand_dims(delta, KEY_AXIS)", GRADIENTS),
    Fault("Triton gradients: tiles lie across and are taken as if not", PAIRS, "tl.trans(pairs) if KEY_AXIS == 1 else pairs", "pairs", "tests/runtime/test_key_axes.py"),
    Fault("parts: each begins with the sink", "attngen/emit/triton/lower.py", "'top = tl.where(part == 0, top, float(\"-inf\"))',", "", "tests/runtime/test_parts.py"),
    Fault("parts: all visit all", "attngen/emit/triton/walks.py", "{stop}, PARTS)", "{stop})", "tests/runtime/test_parts.py"),
    Fault("parts: merged alike", "attngen/emit/triton/templates/forward.py", "tl.sum(seen * shares[:, None], 0)", "tl.sum(seen, 0) / PARTS", "tests/runtime/test_parts.py"),
    Fault("tables of distances: one further", "attngen/emit/triton/distances.py", "- j + M + {SLACK}))", "- j + M + {SLACK + 1}))", "tests/emit/test_distance_tables.py"),
    Fault("calls: what may happen is ruled out", "attngen/analysis/calls.py", "truth(predicate, box).possible", "truth(predicate, box).always", "tests/analysis/test_calls.py"),
    Fault("Triton gradients: weights are not divided by their sum", PAIRS, "tl.exp2(logit - tl.expand_dims(base, KEY_AXIS)) * share", "tl.exp2(logit - tl.expand_dims(base, KEY_AXIS))", GRADIENTS),
    Fault("Triton gradients: the first of some heads counts for all", BY_KEYS, "h = first_head + head", "h = first_head", GRADIENTS),
    Fault("Triton gradients: keys of a group stand elsewhere", BY_KEYS, "first_head // panel_heads) * M", "first_head) * M", GRADIENTS),
    Fault("Triton gradients: diagonals end one too late", BY_DIAGONALS, "before = turned < KEY_TILE", "before = turned <= KEY_TILE", SPEC_GRADIENTS),
    Fault("Triton gradients: the last tile of a diagonal is left out", BY_DIAGONALS, "tl.minimum(query_tiles, key_tiles + apart)", "tl.minimum(query_tiles, key_tiles + apart) - 1", SPEC_GRADIENTS),
    Fault("Triton gradients: heads that share elements are one", "attngen/emit/triton/templates/by_pairs.py", "% heads * head_step", "% heads", GRADIENTS),
    Fault("Triton gradients: what was added before is lost", "attngen/emit/triton/templates/by_pairs.py", "tl.load(total_ptr + place, mask=live, other=0.0) + __landing__", "__landing__", GRADIENTS),
    Fault("Triton gradients: channels keep what belongs to others", "attngen/emit/triton/adjoints.py", "tl.where(c == to, moved, 0.0)", "tl.where(c == channel, moved, 0.0)", SPEC_GRADIENTS),
    Fault("Triton gradients: of two products, the last counts", "attngen/emit/triton/templates/returned_rows.py", "total = tl.load(d__side___ptr + row + c, mask=inside, other=0.0)", "total = tl.zeros_like(d__side__)", SPEC_GRADIENTS),
    Fault("Triton gradients: holes of a walk are visited", "attngen/emit/triton/walks.py", "{self.tile} += tl.where", "{self.tile} += 0 * tl.where", SPEC_GRADIENTS),
    Fault("Triton gradients: lists that are turned round say partial for full", "attngen/emit/support/live.py", "key_tiles + tiles) * 2 + full", "key_tiles + tiles) * 2 + ~full", SPEC_GRADIENTS),
    Fault("Triton gradients: log-sum-exp has the wrong sign", "attngen/emit/triton/templates/centred_rows.py", "delta -= tl.load", "delta += tl.load", GRADIENTS),
    Fault("Triton gradients: a sink pulls the other way", "attngen/emit/triton/sums.py", "by_sink = -tl.exp2", "by_sink = tl.exp2", GRADIENTS),
    Fault("Triton gradients: rows of queries are anchored elsewhere", PAIRS, "query_anchor = tile * QUERY_TILE // __keys_per_anchor__ * __keys_per_anchor__ + __half_of_anchor__", "query_anchor = tile * QUERY_TILE // __keys_per_anchor__ * __keys_per_anchor__", SPEC_GRADIENTS),
    Fault("launchers: lists are turned round on the host", "attngen/emit/support/live.py", "output_size=len(tiles)", "output_size=int(ends[-1, 2])", "tests/runtime/test_no_waiting.py"),
    Fault("tiles of the CPU: rows are not turned", "attngen/emit/cpp/support/tiles.cpp", "      transpose(square);\n", "", GRADIENTS),
    Fault("tiles of the CPU: the last columns are left out", "attngen/emit/cpp/support/tiles.cpp", "if (vectors == 3) continue;", "if (vectors >= 3) continue;", GRADIENTS),
    Fault("recurrences: differences are sums", "attngen/analysis/linear.py", "left + (right if expr.function == \"+\" else _scaled(MINUS_ONE, right))", "left + right", "tests/analysis/test_canonical.py"),
    Fault("recurrences: what is inside counts twice", "attngen/analysis/linear.py", "if part.channels), *inside])", "if part.channels), *inside, *inside])", "tests/analysis/test_canonical.py"),
    Fault("recurrences: a choice forgets its other branch", "attngen/analysis/linear.py", "found.append(replace(term, factor=where(condition, ZERO, term.factor)))", "pass", "tests/analysis/test_canonical.py"),
    Fault("recurrences: pairs do not decay", "attngen/analysis/separable.py", "product(value), times(*decay))", "product(value), ONE)", "tests/analysis/test_separable.py"),
    Fault("recurrences: any distance is a forward one", "attngen/analysis/separable.py", "return x if _is_forward(x) else distance", "return x", "tests/analysis/test_separable.py"),
    Fault("chunks: what is read before is read behind", "attngen/emit/cpp/support/chunks.cpp", "&decays.between[(i + !before) * CHUNK]", "&decays.between[(i + 1) * CHUNK]", CHUNKS),
    Fault("chunks: the state does not fade", "attngen/emit/cpp/support/chunks.cpp", "since[i + 1] = since[i] * kept;", "since[i + 1] = 1;", CHUNKS),
    Fault("chunks: what tokens find is not solved for", "attngen/emit/cpp/support/chunks.cpp", "for (int64_t i = 1; i < count; ++i)", "for (int64_t i = count; i < count; ++i)", CHUNKS),
    Fault("chunks: channels decay before they are read", "attngen/emit/cpp/support/chunks.cpp", "multiply_add(BEFORE ? then : key[j],", "multiply_add(key[j],", CHUNKS),
    Fault("chunks: keys of earlier blocks decay no more", "attngen/emit/cpp/support/chunks.cpp", "store(decayed + j * width + c, key * kept);", "store(decayed + j * width + c, key);", CHUNKS),
    Fault("chunks: one token erases nothing", "attngen/emit/cpp/stepping.py", 'back = f"{at(state.erased.name)}, found"', 'back = "nullptr, nullptr"', CHUNKS),
    Fault("chunks: one token reads what it has not written", "attngen/emit/cpp/stepping.py", '"next", at(each.name)) for each in after[1:]', '"state", at(each.name)) for each in after[1:]', "tests/runtime/test_recurrent_kernels.py -k no_cache"),
    Fault("chunks: the first token is rounded as one alone", "attngen/emit/cpp/templates/recurrent.cpp", "N == 1 && call.__first_state___in && ", "N == 1 && ", "tests/specs/test_recurrent_laws.py"),
    Fault("chunks: channels of one token decay as one", "attngen/emit/cpp/stepping.py", "{decay}, {int(state.by_channel)}", "{decay}, 0", CHUNKS),
    Fault("chunks: rows of a block don't fade", "attngen/emit/cpp/support/chunks.cpp", "if (BEFORE) store(faded + place, row * kept);", "if (BEFORE) store(faded + place, row);", CHUNKS),
    Fault("chunk gradients: what the token before is handed is overwritten", "attngen/emit/cpp/token_returns.py", "            if isinstance(leaf, Read) and EARLIER in leaf.indices:", "            if False:", CHUNKS),
    Fault("chunks: later tokens are multiplied by 0", "attngen/emit/cpp/support/chunks.cpp", "j < i + !before ? of_token[j] * between[j] : 0", "of_token[j] * between[j]", "tests/runtime/test_recurrent_kernels.py"),
    Fault("pieces: none knows its front", "attngen/emit/cpp/templates/recurrent.cpp", "    follow();\n", "", PIECES),
    Fault("pieces: gradients know nothing of what is behind", "attngen/emit/cpp/templates/recurrent_backward.cpp", "place > head * call.pieces + piece;", "false;", PIECES),
    Fault("pieces: all is left", "attngen/emit/cpp/support/pieces.cpp", "left[c] *= since[c]", "left[c] *= 1", PIECES),
    Fault("pieces: what is found in what is left is not solved for", "attngen/emit/cpp/pieces.py", 'lines.append(f"solve(rows, {WEIGHTS}, {found}, {depth});")', "pass", PIECES),
    Fault("pieces: gradients go back as states go on", "attngen/emit/cpp/pieces.py", "{str(self.back).lower()}", "false", PIECES),
    Fault("pieces: gradients are given before they are known", "attngen/emit/cpp/templates/recurrent_backward.cpp", "run_pieces<Head>(silent,", "run_pieces<Head>(call,", PIECES),
    Fault("pieces: sums are those of the head", "attngen/emit/cpp/token_lines.py", 'PIECE = "(head * call.pieces + piece)"', 'PIECE = "head"', PIECES),
    Fault("pieces: the first gives what is carried out", "attngen/emit/cpp/templates/recurrent.cpp", "if (piece < call.pieces - 1) return;", "if (piece > 0) return;", PIECES),
    Fault("pieces: a projected row is not there", "attngen/schedule/chunks.py", "found |= {row.projected.name} if row.projected is not None else set()", "pass", PIECES),
    Fault("pieces: tokens hand gradients to another thread's", "attngen/emit/cpp/recurrent.py", '"in_pieces": not plan.hands_back', '"in_pieces": True', PIECES),
    Fault("Triton pieces: gradients go back as states go on", "attngen/emit/triton/pieces.py", 'f"tl.trans({name})" if self.back else name', "name", f"{PIECES} -k triton"),
    Fault("Triton pieces: all is left", "attngen/emit/triton/pieces.py", "            return [carried]", "            return []", f"{PIECES} -k triton"),
    Fault("Triton pieces: none knows its front", "attngen/emit/triton/templates/recurrent_launcher.py", "            before = front\n", "", f"{PIECES} -k triton"),
    Fault("Triton pieces: gradients know nothing of what is behind", TRITON_LAUNCHER, "        behind = front\n", "", f"{PIECES} -k triton"),
    Fault("Triton pieces: what is found in what is left is not solved for", "attngen/emit/triton/pieces.py", '            f"{made.found} = _product(_solver({weights}), {made.found}, EXACT)",\n', "", f"{PIECES} -k triton"),
    Fault("chunks: nothing is carried in", "attngen/emit/cpp/carrying.py", 'return self.taken(f"{self.state.called}_in", at', 'return self.taken(f"{self.state.called}_out", at', CHUNKS),
    Fault("chunks: what was erased is not written back", "attngen/emit/cpp/carrying.py", "return [*lines, *self.decay(self.state.erased), self._taken(self.state.erased, self.found_place, ONES)]", "return lines", CHUNKS),
    Fault("chunks: states are beside others of other decays", "attngen/schedule/chunks.py", "return self.key_axis, self.key.name, decay, reading.row.name, reading.before", "return self.key_axis, self.key.name, reading.row.name, reading.before", BESIDE),
    Fault("chunks: states are beside others of other keys", "attngen/schedule/chunks.py", "return self.key_axis, self.key.name, decay, reading.row.name, reading.before", "return self.key_axis, decay, reading.row.name, reading.before", BESIDE),
    Fault("chunk gradients: one of the states beside each other hands slopes on", "attngen/emit/cpp/carrying_back.py", 'CHUNK, {ONES if number else \'nullptr\'}"', 'CHUNK, nullptr"', BESIDE),
    Fault("chunk gradients: one of the states beside each other is read", "attngen/emit/cpp/carrying_back.py", "{member.across()}, {made.depth}, {ONES if number else 'nullptr'}", "{member.across()}, {made.depth}, nullptr", BESIDE),
    Fault("chunks: all heads go in the order of the first", "attngen/emit/cpp/templates/tokens.cpp", "call.order[h * N + step]", "call.order[step]", CHUNKS),
    Fault("chunks: tokens stand where they lie", "attngen/emit/cpp/token_lines.py", "t = row + offset;", "t = row;", CHUNKS),
    Fault("Triton chunks: what is read before is read behind", TRITON_CHUNKS, "return i > j if BEFORE else i >= j", "return i >= j", IN_TRITON),
    Fault("Triton chunks: the state does not fade", TRITON_CHUNKS, "return row if decay is None else row * _since(decay, BEFORE)", "return row", IN_TRITON),
    Fault("Triton chunks: a read before decays at its own token", TRITON_CHUNKS, "return tl.cumprod(_earlier(decay, 1.0) if BEFORE else decay, 0)", "return tl.cumprod(decay, 0)", IN_TRITON),
    Fault("Triton chunks: what tokens wrote does not decay behind the chunk", TRITON_CHUNKS, "return key if decay is None else key * _left(decay)", "return key", IN_TRITON),
    Fault("Triton chunks: what tokens find is not solved for", TRITON_CHUNKS, "for token in range(1, weights.shape[0]):", "for token in range(1, 1):", IN_TRITON),
    Fault("Triton chunks: channels decay before they are read", TRITON_CHUNKS, "(key if BEFORE else decayed)", "decayed", IN_TRITON),
    Fault("Triton chunks: what is not there decays to nothing", "attngen/emit/triton/chunks.py", 'tl.where(live, {decay.name}, 1.0)', 'tl.where(live, {decay.name}, 0.0)', IN_TRITON),
    Fault("Triton chunks: what was erased is not written back", "attngen/emit/triton/carrying.py", "return lines if state.erased is None else [*lines, self.taken(state.erased, self.found)]", "return lines", IN_TRITON),
    Fault("Triton chunks: a program sums its own values alone", "attngen/emit/triton/recurrent.py", "ALL_VALUES if sums_values(plan) else 0", "0", f"{CHUNKS} -k values_are_shared"),
    Fault("Triton chunk gradients: decays before a token are forgotten", TRITON_RETURNS, "by_state * _since(decay, BEFORE), _since(decay, True) * behind", "by_state * _since(decay, BEFORE), behind", IN_TRITON),
    Fault("Triton chunk gradients: a read before is a token late for decays", TRITON_RETURNS, "_later(_reached_back(decay, joined), 0.0) if BEFORE else", "", IN_TRITON),
    Fault("Triton chunk gradients: tokens hand nothing to decays between them", TRITON_RETURNS, "tl.where(written, between * read, 0.0)", "tl.where(written, 0.0 * read, 0.0)", IN_TRITON),
    Fault(
        "Triton chunk gradients: channels reach rows a decay too early",
        TRITON_RETURNS,
        "read if BEFORE else read * decay_here + slope * key_here",
        "read if BEFORE else read + slope * key_here",
        IN_TRITON,
    ),
    Fault("Triton chunk gradients: what is behind hands nothing to the state's decay", TRITON_RETURNS, "_reached(_earlier(decay, 0.0), _earlier(joined, start))", "_reached(_earlier(decay, 0.0), _earlier(joined, 0.0))", IN_TRITON),
    Fault("Triton chunk gradients: what was found hands nothing on", "attngen/emit/triton/carrying_back.py", '_product(tl.trans(_solver({weights})), {name}, EXACT)', '_product(_solver({weights}), {name}, EXACT)', IN_TRITON),
    Fault("Triton chunk gradients: the token before gets nothing", "attngen/emit/triton/token_returns.py", 'text, "earlier" if EARLIER in leaf.indices else "rows"', 'text, "rows"', f"{CHUNKS} -k other_channels"),
    Fault("Triton chunk gradients: what is moved is stored over", "attngen/emit/triton/token_returns.py", "            if made.name in self.moved:", "            if False:", f"{CHUNKS} -k other_channels"),
    Fault("Triton tiles of values: parts lie over each other", "attngen/emit/triton/token_lines.py", "part = head * value_tiles + value_tile", "part = head * value_tiles", SHARED),
    Fault("Triton tiles of values: only the first part counts", TRITON_LAUNCHER, "total.sum(2)", "total[:, :, 0]", SHARED),
    Fault("Triton tiles of values: each part gets what is given", TRITON_LAUNCHER, "torch.cat([state[:, :, None], others], 2)", "state[:, :, None].repeat_interleave(parts, 2)", SHARED),
    Fault("Triton tiles of values: a state without values has one gradient", "attngen/emit/triton/carrying_back.py", 'return HEAD if self.forward.state.value_axis == "e" else PART', "return HEAD", SHARED),
    Fault("Triton tiles of values: all values have their own part", "attngen/emit/triton/token_returns.py", 'return "e" not in made.axes', "return True", SHARED),
    Fault("Triton segments: each starts from the first token", TRITON_LAUNCHER, "of_chunks[:, :, ::step]", "of_chunks[:, :, :1].expand(-1, -1, -(-chunks // step), -1)", f"{CHUNKS} -k start_from_the_states"),
    Fault("chunk gradients: what was found hands nothing on", 'attngen/emit/cpp/support/chunk_gradients.cpp', 'for (int64_t i = count - 1; i > 0; --i)', 'for (int64_t i = count - 1; i > count; --i)', CHUNKS),
    Fault("chunk gradients: decays before a token are forgotten", 'attngen/emit/cpp/support/chunk_gradients.cpp', 'total *= decays.since[l];', 'total *= 1;', CHUNKS),
    Fault("chunk gradients: the state is read a token too early", 'attngen/emit/cpp/support/chunk_gradients.cpp', 'from_state[time] += ', 'from_state[i] += ', CHUNKS),
    Fault("chunk gradients: rows do not fade on their way to keys", 'attngen/emit/cpp/support/chunk_gradients.cpp', 'row *= load(decay + l * width + c);', '', CHUNKS),
    Fault("chunk gradients: what later chunks read does not fade", 'attngen/emit/cpp/support/chunk_gradients.cpp', 'kept *= load(decay + place);', '', CHUNKS),
    Fault("chunk gradients: the gradient by the state fades for each read", 'attngen/emit/cpp/carrying_back.py', 'width, first = member.forward.width, number == 0', 'width, first = member.forward.width, True', CHUNKS),
    Fault("chunk gradients: only the first segment keeps its state", 'attngen/emit/cpp/templates/recurrent.cpp', 'if (start % TOGETHER == 0)', 'if (start == 0)', CHUNKS),
    Fault("chunk gradients: what the token before read is the token's", 'attngen/emit/cpp/token_returns.py', 'token = "earlier" if isinstance(leaf, Read) and EARLIER in leaf.indices else "row"', 'token = "row"', CHUNKS),
    Fault("chunk gradients: one of the heads that share an input", 'attngen/emit/support/operators.py', '*total.shape[2:]).sum(2)', '*total.shape[2:]).amax(2)', CHUNKS),
    Fault("chunk gradients: nothing goes to what is carried in", 'attngen/emit/cpp/carrying_back.py', 'return [f"if (call.d_{name}_in)', 'return [f"if (false)', CHUNKS),
    Fault("chunk gradients: channels of values decay as one", 'attngen/emit/cpp/recalling.py', 'left = f"&decays.since[rows * {self.forward.depth}]" if', 'left = "&decays.since[0]" if', CHUNKS),
    Fault("chunk gradients: columns fade by the factor of the first", 'attngen/emit/cpp/recalling.py', 'self.state.by_channel and across', 'False and across', CHUNKS),
    Fault("steps: states that no cache holds lose the end of each row", "attngen/emit/cpp/support/steps.cpp", "n < count; n += 4", "n + 4 < count; n += 4", "tests/runtime/test_recurrent_kernels.py -k no_cache"),
    Fault("steps: what is read while rows pass by is the state before", "attngen/emit/cpp/support/steps.cpp", "read[e] += by * now", "read[e] += by * from[e]", "tests/runtime/test_recurrent_kernels.py -k step"),
    Fault("citizens: gradients in the wrong order", LAUNCHER, "zip(found, given, wanted, strict=False)", "zip(found, given, reversed(wanted), strict=False)", "tests/runtime/test_citizenship.py"),
    Fault("citizens: derivatives in forward mode are lost", "attngen/emit/support/operators.py", '"_current_level", -1) >= 0', '"_current_level", -1) >= 9', "tests/runtime/test_citizenship.py"),
    Fault("citizens: another layout is taken for a known one", LAUNCHER, "(k.shape, k.stride(), k.dtype, k.device)", "(k.shape, k.dtype, k.device)", "tests/runtime/test_citizenship.py"),
    Fault("ranks: keys and values swapped", "attngen/parallel/messages.py", "zip(tensors, unpacked(", "zip(reversed(tensors), unpacked(", f"{RING} -k causal"),
    Fault("ranks: a hop that some need is not made", "attngen/parallel/travel.py", "follow(begin(1) if", "follow(begin(2) if", f"{RING} -k causal"),
    Fault("ranks: rows that have seen nothing are merged unguarded", "attngen/parallel/merging.py", "torch.where(sees, torch.exp2(its_top - new) / share, 0.0)", "torch.exp2(its_top - new) / share", f"{RING} -k s2attn"),
    Fault("ranks: rows are relative to the wrong top", "attngen/parallel/merging.py", "top.maximum(its_top)", "top", f"{RING} -k causal"),
    Fault("ranks: gradients go to the wrong owner", "attngen/parallel/travel.py", "sends = [(hop.source, packed([*answer", "sends = [(hop.target, packed([*answer", f"{RING} -k causal"),
    Fault("ranks: gradients of what travelled are lost", "attngen/parallel/travel.py", "            sums.add(mine)\n", "            pass\n", f"{RING} -k causal"),
    Fault("ranks: a sink is counted on no rank", "attngen/parallel/pairs.py", "for visit in self._opening():\n            merged", "for visit in []:\n            merged", f"{RING} -k sink"),
    Fault("ranks: the sum over ranks of a shared gradient is forgotten", "attngen/parallel/pair_part.py", "found[name] = call.ranks.total(found[name])", "pass", f"{RING} -k sink"),
    Fault("ranks: a block forgets where it stands", "attngen/parallel/pairs.py", "found[self.block.first_key] = visit.keys.start", "found[self.block.first_key] = 0", f"{RING} -k s2attn"),
    Fault("ranks: queries of a block stand elsewhere", "attngen/parallel/pairs.py", "visit.queries.start + self.offset - visit.keys.start", "visit.queries.start + self.offset", f"{RING} -k causal"),
    Fault("ranks: M is what a block has", "attngen/parallel/blocks.py", "return Parameter(Kind.INT, name=self.sizes[expr.axis], span=expr.span)", "return expr", "tests/parallel/test_needs.py"),
    Fault("ranks: queries read what keys read along positions", "attngen/parallel/blocks.py", "name = self.renamed[expr.input, index.name]", 'name = self.renamed[expr.input, "j"]', f"{RING} -k documents"),
    Fault("ranks: the gradient by the log-sum-exp is lost", "attngen/parallel/pair_part.py", "(0.0 if dlse is None else dlse)", "0.0", f"{RING} -k s2attn"),
    Fault("ranks: segments of one head stand for all", "attngen/parallel/needs.py", "return range(int(self.numbers[size]) if differs else 1)", "return range(1)", "tests/parallel/test_needs.py"),
    Fault("ranks: states: what ranks before keep is forgotten", "attngen/parallel/states.py", "left = [each.of(other) + each.left for", "left = [other + each.left for", "tests/parallel/test_states.py"),
    Fault("ranks: states: the first rank's own map counts", "attngen/parallel/states.py", "left, kept = its_left, its_kept or kept", "left = [a + b for a, b in zip(its_left, left, strict=True)]", "tests/parallel/test_states.py"),
    Fault("ranks: states: time goes forward alone", "attngen/parallel/state_part.py", "        return -1\n", "        return 1\n", "tests/parallel/test_states.py -k reverse"),
    Fault("ranks: states: gradients go on the same way", "attngen/parallel/states.py", "_shifted(ctx.ranks, -ctx.distance", "_shifted(ctx.ranks, ctx.distance", "tests/parallel/test_states.py"),
    Fault("ranks: they need not agree on parameters", "attngen/parallel/part.py", "for name, value in self.kernel.parameters.items()}", "for name, value in {}.items()}", "tests/parallel/test_processes.py -k parameter"),
    Fault("ranks: messages are counted without their padding", "attngen/parallel/messages.py", "return sum(piece.room for piece in pieces)", "return sum(piece.room for piece in pieces) + 16", "tests/parallel/test_layouts.py tests/parallel/test_states.py"),
    Fault("formatter drops parentheses", "attngen/language/format_expr.py", "(expr.right, right)], level", "(expr.right, level)], level", "tests/language"),
    Fault("checker lets a float meet an int", "attngen/ir/check/typing.py", "if left.kind is right.kind:", "if True:", "tests/ir"),
]  # fmt: skip


def caught(fault: Fault, copy: Path) -> bool | None:
    """Whether a test fails with the fault in place; `None` if its place is not found."""
    path = copy / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.right) != 1:
        return None
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(copy), "ATTNGEN_PROFILE": "mutants"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", *fault.tests.split()]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    path.write_text(text, encoding="utf-8")
    return done.returncode == 1 or done.returncode < 0  # a fault may end the process


def main() -> None:
    words = sys.argv[1:]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "attngen"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__"))
        for fault in FAULTS:
            if words and not any(word in fault.what for word in words):
                continue
            started = time.monotonic()
            verdict = {True: "caught", False: "SURVIVED", None: "NOT FOUND"}[caught(fault, copy)]
            print(f"{verdict:>9}  {fault.what}  ({time.monotonic() - started:.0f} s)", flush=True)
            if verdict != "caught":
                survivors.append(fault)
    if survivors:
        raise SystemExit(f"{len(survivors)} faults were not caught")


if __name__ == "__main__":
    main()
