"""__summary__

# % for line in equation
    __line__
# % endfor

__header__
Needs torch and triton, and nothing else. Don't edit it: change the spec and compile that again.
"""

from __future__ import annotations

# % for line in imports
__line__
# % endfor

import torch
import triton
import triton.language as tl
from torch import Tensor

# Tokens of a chunk, channels of values of a program and of one that sums gradients, and warps, by channels of keys: on
# an A100, H100, B200 and MI300X.
DEFAULTS = {
    # % for entry in tiles
    __entry__,
    # % endfor
}
TUNED: dict[tuple[str, torch.dtype, int, int], tuple[int, int, int, int]] = {}
"""The same for calls that were tuned for: of `chunks`, by dtype, and the powers of two of channels and tokens."""
SEGMENT = __segment__  # tokens between states that are kept for gradients
SHORTEST = 8  # chunks of a piece, where several programs share a head
# % for line in schema
__line__
# % endfor


__jit_support__


__kernels__


__recurrence__


__recurring__


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    """y [B, H, N, E], each state behind the last token and, where they are trained, in front of each segment."""
    *given, trained = arguments
    sizes, common = _packed(*given)
    B, H, N, _, D, E__unpacked_sizes__ = sizes
    q = given[0]
    chunk, value_tile, _, warps = _chosen(q, __key_width__, E, N)
    chunks, shapes = triton.cdiv(N, chunk), _state_shapes(*sizes)
    y = torch.empty((B, H, N, E), dtype=q.dtype, device=q.device)
    before = [None if state is None else state.float().contiguous() for state in given[__states_in__]]
    carried = [torch.empty((B, H, *shape), dtype=torch.float32, device=q.device) for shape in shapes]
    kept = [torch.empty((B, H, chunks * math.prod(shape)), dtype=torch.float32, device=q.device) for shape in shapes]
    tiles = triton.cdiv(E, value_tile) * B * H
    pieces, of_piece = _pieces(tiles, chunks, q.device)
    common |= {"VALUE_TILE": value_tile, "CHUNK": chunk, "of_piece": of_piece}
    common |= {"num_warps": warps, "enable_fp_fusion": True}
    with _on(q.device):
        if pieces > 1:
            made, front = (_for_pieces(B * H, pieces, shapes, q.device) for _ in range(2))
            # % if left_states
            left = _left_by_pieces(sizes, pieces, common, q.device)
            # % endif
            _carry[(tiles, pieces)](
                # % for called, number in states
                __called___in_ptr=None,
                __called___out_ptr=made[__number__],
                __called___kept_ptr=None,
                # % endfor
                **common,
            )
            _follow[(tiles,)](
                pieces=pieces,
                # % for called, number in states
                __called___in_ptr=before[__number__],
                __called___made_ptr=made[__number__],
                __called___front_ptr=front[__number__],
                __called___out_ptr=carried[__number__],
                # % endfor
                # % for called, number in left_states
                __called___left_ptr=left[__number__],
                # % endfor
                **common,
            )
            before = front
        if tiles > 0:
            _carry[(tiles, pieces)](
                # % for called, number in states
                __called___in_ptr=before[__number__],
                __called___out_ptr=carried[__number__] if pieces == 1 else None,
                __called___kept_ptr=kept[__number__],
                # % endfor
                **common,
            )
        if tiles * N > 0:
            _give[(tiles * chunks,)](
                y_ptr=y,
                # % for called, number in states
                __called___kept_ptr=kept[__number__],
                # % endfor
                **common,
            )
    return y, *carried, *(_of_segments(state, chunks, SEGMENT // chunk if trained else 0) for state in kept)


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """Gradients by the first arguments of `_Recurrence` that are wanted, from those by its results."""
    dy, *rest = arguments
    by_states, kept, given, wanted = rest[:__state_count__], rest[__kept_slice__], rest[__given_slice__], rest[-1]
    # % for index, input_name in lacking
    if wanted[__index__]:
        raise NotImplementedError("__variant__: the gradient by __input_name__ can't be computed yet")
    # % endfor
    sizes, common = _packed(*given__seen_argument__)
    B, H, N, _, D, E__unpacked_sizes__ = sizes
    q = given[0]
    chunk, forward_tile, value_tile, warps = _chosen(q, __key_width__, E, N)
    chunks, tiles = triton.cdiv(N, chunk), triton.cdiv(E, value_tile)
    dy = torch.zeros((B, H, N, E), dtype=q.dtype, device=q.device) if dy is None else dy

    def zeros(asked: bool, *shape: int) -> Tensor | None:
        return torch.zeros((B, H, *shape), dtype=torch.float32, device=q.device) if asked else None

    # Where values are summed, each tile of them makes a part.
    rows = [zeros(wanted[0], tiles, N, D), zeros(wanted[1], tiles, N, D), zeros(wanted[2], 1, N, E)]
    # % if by_inputs
    inputs = [
        # % for line in by_inputs
        __line__,
        # % endfor
    ]
    # % endif
    shapes = [(part, *shape) for part, shape in zip(__state_parts__, _state_shapes(*sizes), strict=True)]
    states = [zeros(asked, *shape) for asked, shape in zip(wanted[__states_wanted__], shapes, strict=True)]
    # % if erasing
    # The gradients by what tokens found where they erased.
    by_found = [torch.empty((B, H, *shape), dtype=torch.float32, device=q.device) for shape in __erased_sizes__]
    # % endif
    common |= {"CHUNK": chunk, "num_warps": warps, "enable_fp_fusion": True}
    of_dy = {"dy_ptr": dy, **{f"dy_stride_{axis}": dy.stride(k) for k, axis in enumerate("bhne")}}
    with _on(q.device):
        kept = _again(kept, sizes, common | {"VALUE_TILE": forward_tile, "of_piece": SEGMENT // chunk})
        common |= {"VALUE_TILE": value_tile, "of_piece": chunks}
        back = _carried_back(by_states, kept, states, shapes, __found_given__sizes, common, of_dy)
        if B * H * N > 0:
            _return[(tiles * B * H * chunks,)](
                # % for called, number in states
                __called___kept_ptr=kept[__number__],
                d___called___kept_ptr=back[__number__],
                # % endfor
                # % for output, room in found_passed + rooms_passed
                __output__=__room__,
                # % endfor
                **of_dy,
                **common,
            )
    rows, states = ([_whole(total) for total in each] for each in (rows, states))
    return _handed_on(rows, __inputs_passed__, states, given, wanted)


def _whole(total: Tensor | None) -> Tensor | None:
    """The sum of the parts of a gradient; nothing is copied where there is one."""
    return total if total is None else total.squeeze(2) if total.shape[2] == 1 else total.sum(2)


def _again(kept: list[Tensor], sizes: tuple[int, ...], common: dict[str, Any]) -> list[Tensor]:
    """States in front of each chunk, from those in front of segments."""
    B, H, N, _, _, E = sizes[:6]
    found = _for_pieces(B * H, triton.cdiv(N, common["CHUNK"]), _state_shapes(*sizes), kept[0].device)
    if B * H * N > 0:
        _carry[(triton.cdiv(E, common["VALUE_TILE"]) * B * H, triton.cdiv(N, SEGMENT))](
            # % for called, number in states
            __called___in_ptr=kept[__number__],
            __called___out_ptr=None,
            __called___kept_ptr=found[__number__],
            # % endfor
            **common,
        )
    return found


def _carried_back(
    by_states: list[Tensor | None],
    kept: list[Tensor],
    states: list[Tensor | None],
    shapes: list[tuple[int, ...]],
    # % if erasing
    by_found: list[Tensor],
    # % endif
    sizes: tuple[int, ...],
    common: dict[str, Any],
    of_dy: dict[str, Any],
) -> list[Tensor]:
    """Gradients by states behind each chunk; `states` take those by what was given__found_text__."""
    B, H, N, _, _, E = sizes[:6]
    device = kept[0].device
    chunks, programs = triton.cdiv(N, common["CHUNK"]), triton.cdiv(E, common["VALUE_TILE"]) * B * H
    pieces, of_piece = _pieces(programs, chunks, device)
    common = common | {"of_piece": of_piece}
    back = _for_pieces(B * H, chunks, shapes, device)
    behind = [
        None if state is None else _first_of(state, shape[0]) for state, shape in zip(by_states, shapes, strict=True)
    ]
    if pieces > 1:
        made, front = (_for_pieces(B * H, pieces, shapes, device) for _ in range(2))
        # % if left_states
        left = _left_by_pieces(sizes, pieces, common, device)
        # % endif
        _carry_back[(programs, pieces)](
            # % for called, number in states
            __called___kept_ptr=kept[__number__],
            d___called___out_ptr=None,
            d___called___in_ptr=made[__number__],
            d___called___kept_ptr=None,
            # % endfor
            # % for output, room in found_passed
            __output__=None,
            # % endfor
            **of_dy,
            **common,
        )
        _follow_back[(programs,)](
            pieces=pieces,
            # % for called, number in states
            d___called___out_ptr=behind[__number__],
            d___called___made_ptr=made[__number__],
            d___called___front_ptr=front[__number__],
            d___called___in_ptr=states[__number__],
            # % endfor
            # % for called, number in left_states
            __called___left_ptr=left[__number__],
            # % endfor
            **of_dy,
            **common,
        )
        behind = front
    if programs > 0:
        _carry_back[(programs, pieces)](
            # % for called, number in states
            __called___kept_ptr=kept[__number__],
            d___called___out_ptr=behind[__number__],
            d___called___in_ptr=states[__number__] if pieces == 1 else None,
            d___called___kept_ptr=back[__number__],
            # % endfor
            # % for output, room in found_passed
            __output__=__room__,
            # % endfor
            **of_dy,
            **common,
        )
    return back


# % for line in shape_function
__line__
# % endfor


# % if left_states
# % for line in left_function
__line__
# % endfor


def _left_by_pieces(sizes: tuple[int, ...], pieces: int, common: dict[str, Any], device: torch.device) -> list[Tensor]:
    """What each piece leaves of the states in front of it."""
    heads = sizes[0] * sizes[1]
    left = _for_pieces(heads, pieces, _left_shapes(*sizes), device)
    _leave[(heads, pieces)](
        # % for called, number in left_states
        __called___left_ptr=left[__number__],
        # % endfor
        **common,
    )
    return left


# % endif
__of_recurrences__


def _packed(
    # % for parameter in packed_parameters
    __parameter__,
    # % endfor
    # % if data_lines
    seen_before: bool = False,
    # % endif
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The sizes of a call, and what kernels take of it, where all that is given fits__seen_text__."""
    # % for line in filling_lines + table_lines
    __line__
    # % endfor
    offsets, offset = (position, 0) if isinstance(position, Tensor) else (None, position)
    common = {
        # % for entry in passed
        __entry__,
        # % endfor
    }
    return (B, H, N, M, D, E__unpacked_sizes__), common


def _chosen(q: Tensor, width: int, E: int, tokens: int) -> tuple[int, int, int, int]:
    """Tokens of a chunk, channels of values of a program and of one that sums gradients, and warps."""
    found = TUNED.get(("chunks", q.dtype, _power_of_two(width), _power_of_two(tokens)))
    if found is None:
        found = DEFAULTS[next((each for each in DEFAULTS if each >= width), max(DEFAULTS))][_gpu(q.device)]
    chunk, values, values_back, warps = found
    return chunk, min(values, _power_of_two(E)), min(values_back, _power_of_two(E)), warps


def _of_segments(state: Tensor, chunks: int, step: int) -> Tensor:
    """Of a state in front of each chunk, that in front of each segment of some chunks; nothing where there are none."""
    B, H, numbers = state.shape
    of_chunks = state.view(B, H, chunks, numbers // max(chunks, 1))
    return (of_chunks[:, :, ::step] if step else of_chunks[:, :, :0]).flatten(2).contiguous()


def _first_of(state: Tensor, parts: int) -> Tensor:
    """A gradient as the first of some parts that sum up to it."""
    others = state.new_zeros((*state.shape[:2], parts - 1, *state.shape[2:]))
    return torch.cat([state[:, :, None], others], 2)


def _pieces(programs: int, chunks: int, device: torch.device) -> tuple[int, int]:
    """In how many pieces each head's tokens are taken, where programs are fewer than processors, of how many chunks."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    most = max(1, min(chunks // SHORTEST, processors // programs)) if programs else 1
    of_piece = max(1, triton.cdiv(chunks, most))
    return max(1, triton.cdiv(chunks, of_piece)), of_piece


def _for_pieces(heads: int, pieces: int, shapes: Iterable[tuple[int, ...]], device: torch.device) -> list[Tensor]:
    """Room for something of each piece."""
    return [torch.empty((heads, pieces, *shape), dtype=torch.float32, device=device) for shape in shapes]


def _precision(q: Tensor) -> str:
    """What kernels round to before they multiply, or how they do that in float32."""
    if q.dtype == torch.bfloat16:
        return "bfloat16" if q.is_cuda else "rounded"
    return "tf32" if q.dtype == torch.float16 else _exact(q)


def _exact(q: Tensor) -> str:
    """How kernels multiply in float32: a GPU by six products of parts in bfloat16."""
    return "bf16x6" if q.is_cuda else "ieee"


__support__


__launching__


__operators__


__registered_recurrences__
