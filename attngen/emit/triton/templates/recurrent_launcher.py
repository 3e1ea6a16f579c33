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

SEGMENT = __segment__  # tokens of a chunk; gradients start from the states that are kept in front of each
WARPS = __warps__
WIDEST = __widest__  # channels of values that a program carries, if not all
SHORTEST = 8  # chunks of a piece, where several programs share a head
# % for line in schema
__line__
# % endfor


__jit_support__


__kernels__


__recurrence__


__recurring__


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    """y [B, H, N, E], each state behind the last token and, where they are trained, in front of each chunk."""
    *given, trained = arguments
    sizes, common = _packed(*given)
    B, H, N, _, _, E = sizes[:6]
    q, chunks, shapes = given[0], triton.cdiv(N, SEGMENT), _state_shapes(*sizes)
    y = torch.empty((B, H, N, E), dtype=q.dtype, device=q.device)
    before = [None if state is None else state.float().contiguous() for state in given[__states_in__]]
    carried = [torch.empty((B, H, *shape), dtype=torch.float32, device=q.device) for shape in shapes]
    kept = [torch.empty((B, H, chunks * math.prod(shape)), dtype=torch.float32, device=q.device) for shape in shapes]
    value_tile = min(_padded(E), WIDEST)
    tiles = triton.cdiv(E, value_tile) * B * H
    pieces, of_piece = _pieces(tiles, chunks, q.device)
    common |= {"VALUE_TILE": value_tile, "CHUNK": SEGMENT, "of_piece": of_piece}
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
                num_warps=WARPS,
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
                num_warps=WARPS,
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
                num_warps=WARPS,
            )
        if tiles * N > 0:
            _give[(tiles * chunks,)](
                y_ptr=y,
                # % for called, number in states
                __called___kept_ptr=kept[__number__],
                # % endfor
                **common,
                num_warps=WARPS,
            )
    return y, *carried, *(kept if trained else [y.new_empty((B, H, 0), dtype=torch.float32) for _ in kept])


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
    q, chunks, shapes = given[0], triton.cdiv(N, SEGMENT), _state_shapes(*sizes)
    dy = torch.zeros((B, H, N, E), dtype=q.dtype, device=q.device) if dy is None else dy

    def zeros(asked: bool, *shape: int) -> Tensor | None:
        return torch.zeros((B, H, *shape), dtype=torch.float32, device=q.device) if asked else None

    rows = [zeros(wanted[0], N, D), zeros(wanted[1], N, D), zeros(wanted[2], N, E)]
    # % if by_inputs
    inputs = [
        # % for line in by_inputs
        __line__,
        # % endfor
    ]
    # % endif
    states = [zeros(asked, *shape) for asked, shape in zip(wanted[__states_wanted__], shapes, strict=True)]
    behind = [None if state is None else state.contiguous() for state in by_states]
    back = [torch.empty_like(state) for state in kept]
    # % if erasing
    # The gradients by what tokens found where they erased.
    by_found = [torch.empty((B, H, N, width), dtype=torch.float32, device=q.device) for width in __erased_widths__]
    # % endif
    pieces, of_piece = _pieces(B * H, chunks, q.device)
    common |= {"VALUE_TILE": _padded(E), "CHUNK": SEGMENT, "of_piece": of_piece}
    of_dy = {"dy_ptr": dy, **{f"dy_stride_{axis}": dy.stride(k) for k, axis in enumerate("bhne")}}
    with _on(q.device):
        if pieces > 1:
            made, front = (_for_pieces(B * H, pieces, shapes, q.device) for _ in range(2))
            # % if left_states
            left = _left_by_pieces(sizes, pieces, common, q.device)
            # % endif
            _carry_back[(B * H, pieces)](
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
                num_warps=WARPS,
            )
            _follow_back[(B * H,)](
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
                num_warps=WARPS,
            )
            behind = front
        if B * H > 0:
            _carry_back[(B * H, pieces)](
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
                num_warps=WARPS,
            )
        if B * H * N > 0:
            _return[(B * H * chunks,)](
                # % for called, number in states
                __called___kept_ptr=kept[__number__],
                d___called___kept_ptr=back[__number__],
                # % endfor
                # % for output, room in found_passed + rooms_passed
                __output__=__room__,
                # % endfor
                **of_dy,
                **common,
                num_warps=WARPS,
            )
    return _handed_on(rows, __inputs_passed__, states, given, wanted)


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
        num_warps=WARPS,
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


def _pieces(programs: int, chunks: int, device: torch.device) -> tuple[int, int]:
    """In how many pieces each head's tokens are taken, where programs are fewer than processors, of how many chunks."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    most = max(1, min(chunks // SHORTEST, processors // programs)) if programs else 1
    of_piece = max(1, triton.cdiv(chunks, most))
    return max(1, triton.cdiv(chunks, of_piece)), of_piece


def _for_pieces(heads: int, pieces: int, shapes: Iterable[tuple[int, ...]], device: torch.device) -> list[Tensor]:
    """Room for something of each piece."""
    return [torch.empty((heads, pieces, *shape), dtype=torch.float32, device=device) for shape in shapes]


def _padded(size: int) -> int:
    """How many elements tiles have along an axis."""
    return max(16, triton.next_power_of_2(size))


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
