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

# % for line in schema
__line__
# % endfor
# The `_Sizes` of kernels, by head width and bytes of an element: on an A100, H100, B200, MI300X.
DEFAULTS = {
    # % for kernel, entries in tables
    "__kernel__": {
        # % for entry in entries
        __entry__,
        # % endfor
    },
    # % endfor
}
TUNED: dict[tuple[str, torch.dtype, int, int], tuple[int, ...]] = {}
"""The same for calls that were tuned for: by kernel, dtype, and the powers of two of head width and lengths."""


__jit_support__


__forward_kernel__


__gradient_kernels__


def __variant__(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    # % for argument in signature
    __argument__,
    # % endfor
    scale: float | None = None,
    offset: int | Tensor | None = None,
    # % if softmax
    return_lse: bool = False,
    # % endif
    # % if listed
    prepared: LiveTiles | None = None,
    # % endif
    # % if debugged
    debug: bool = False,
    # % endif
) -> __returned__:
    """__summary__

    # % for line in equation
        __line__
    # % endfor

    Args:
        q: [B, heads, N, D]; k: [B, heads, M, D]; v: [B, heads, M, E]. Each head count divides the largest, H.
        # % for line in argument_docs
        __line__
        # % endfor
        scale: 1 / sqrt(D) unless given.
        offset: the position of query row 0, one number or int [B]; M - N unless given.
        # % if softmax
        return_lse: also give the natural log-sum-exp of each row's scores, float32 [B, H, N].
        # % endif
        # % if listed
        prepared: what `prepare___variant__` made for a call like this one; made anew unless given.
        # % endif
        # % if debugged
        debug: look at data on a GPU too, which waits for the device; on a CPU they always are.
        # % endif

    Returns:
        y: [B, H, N, E] in the dtype of q__also_lse__. Gradients go to q, k, v__trained_text__.

    Raises:
        ValueError: an argument does not fit.
    """
    _tensor("__variant__", "q", q)
    _tensor("__variant__", "k", k)
    _tensor("__variant__", "v", v)
    runs = q.device.type != "cpu" or not isinstance(_forward_kernel, triton.JITFunction)
    # % for line in device_check
    __line__
    # % endfor
    # % for line in typed
    __line__
    # % endfor
    scale = _scale("__variant__", scale)
    offset, offsets = _first("__variant__", offset)
    # % if listed
    list_number = None if prepared is None else prepared.number
    # % endif
    if q.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(q.device.type):
        q, k, v = _autocast(q, k, v)
    # % for line in attend_lines
    __line__
    # % endfor
    return __outputs__


__attending__


def _forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """y [B, H, N, E], log-sum-exp__lse_shape__ and, where it is trained, stats [B, H, N, 2] for `_backward`."""
    *given, trained = arguments
    __given_names__ = given
    B, H, N, M, D, E__unpacked_sizes__ = _sized(__sized_names__)
    # % for line in filled_call
    __line__
    # % endfor
    y = torch.empty((B, H, N, E), dtype=q.dtype, device=q.device)
    lse = torch.empty(__lse_size__, dtype=torch.float32, device=q.device)
    stats = torch.empty((B, H, N, 2) if trained else 0, dtype=torch.float32, device=q.device)
    # % if fault
    # % for line in fault_lines
    __line__
    # % endfor
    # % endif
    # % if listed
    tile_starts = prepared.starts.expand(B, H, -1, -1)
    # % if ordered
    query_order = None if prepared.query_order is None else prepared.query_order.expand(B, H, -1)
    key_order = None if prepared.key_order is None else prepared.key_order.expand(B, H, -1)
    # % endif
    # % endif
    options = __chosen_forward__
    programs = triton.cdiv(N, options["QUERY_TILE"]) * B * H
    # % if softmax
    parts = _parts(programs, triton.cdiv(M, options["KEY_TILE"]), q.device)
    parts_y, parts_lse = y, lse
    if parts > 1:  # few queries: programs share the keys of each, and what they have seen is merged
        parts_y = torch.empty((parts, *y.shape), dtype=torch.float32, device=q.device)
        parts_lse = torch.empty((parts, *lse.shape), dtype=torch.float32, device=q.device)
    # % endif
    with _on(q.device):
        if B * H * N > 0:
            # % for line in row_launches
            __line__
            # % endfor
            _forward_kernel[(programs, __parts__)](
                q,
                k,
                v,
                # % if softmax
                parts_y,
                parts_lse,
                stats if trained and parts == 1 else None,
                # % else
                y,
                stats if trained else None,
                # % endif
                offsets,
                *q.stride(),
                *k.stride(),
                *v.stride(),
                H // q.shape[1],
                H // k.shape[1],
                H // v.shape[1],
                # % for _, argument in key_passed
                __argument__,
                # % endfor
                # % for argument in passed
                __argument__,
                # % endfor
                offset,
                B,
                H,
                N,
                M,
                # % for argument in constants_passed
                __argument__,
                # % endfor
                D=D,
                E=E,
                D_PADDED=max(16, triton.next_power_of_2(D)),
                E_PADDED=max(16, triton.next_power_of_2(E)),
                UPCAST=q.dtype == torch.bfloat16 and not q.is_cuda,
                WIDE=long_positions,
                # % if rising
                RISING=__factor__ > 0,
                # % endif
                # % if softmax
                PARTS=parts,
                # % endif
                enable_fp_fusion=True,
                **options,
            )
            # % if softmax
            if parts > 1:
                _merge[(B * H * N,)](
                    parts_y,
                    parts_lse,
                    y,
                    lse,
                    stats if trained else None,
                    B * H * N,
                    E=E,
                    E_PADDED=max(16, triton.next_power_of_2(E)),
                    PARTS=parts,
                    enable_fp_fusion=True,
                )
            # % endif
    # % if fault
    _no_fault("__variant__", fault, "__fault__", debug)
    # % endif
    return y, lse, stats


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """Gradients by the first arguments of `_Attention` that are wanted; `dy` and `dlse` are those by its results."""
    dy, dlse, y, stats, *given, wanted = arguments
    __given_names__ = given
    B, H, N, M, D, E__unpacked_sizes__ = _sized(__sized_names__)
    # % for line in filled_again
    __line__
    # % endfor
    # % if listed
    tile_starts = prepared.starts.expand(B, H, -1, -1)
    query_tile_starts = prepared.by_keys[1].expand(B, H, -1, -1)
    # % if ordered
    query_order = None if prepared.query_order is None else prepared.query_order.expand(B, H, -1)
    key_order = None if prepared.key_order is None else prepared.key_order.expand(B, H, -1)
    # % endif
    # % endif
    panel_heads = __panel_heads__
    groups = H // panel_heads
    # % for line in made
    __line__
    # % endfor
    of_queries = __chosen_by_queries__
    of_keys = __chosen_by_keys__
    with _on(q.device):
        # % for line in gradient_row_launches
        __line__
        # % endfor
        # % if centred
        delta = torch.empty((B, H, N), dtype=torch.float32, device=q.device)
        if B * H * N > 0:
            _centre[(triton.cdiv(N, 32) * B * H,)](
                dy,
                y,
                # % if softmax
                None if dlse is None else dlse.contiguous(),
                # % endif
                delta,
                *dy.stride(),
                H,
                N,
                E=E,
                E_PADDED=max(16, triton.next_power_of_2(E)),
                QUERY_TILE=32,
                enable_fp_fusion=True,
            )
        # % endif
        common: dict[str, Any] = {
            # % for entry in gradient_passed
            __entry__,
            # % endfor
        }
        # % if query_asked
        if B * H * N > 0 and (__query_asked__):
            _by_queries[(triton.cdiv(N, of_queries["QUERY_TILE"]) * B * H,)](
                **common,
                # % for output, given in query_passed
                __output___ptr=__given__,
                # % endfor
                **of_queries,
            )
        # % endif
        if B * M > 0 and (__key_asked__):
            _by_keys[(triton.cdiv(M, of_keys["KEY_TILE"]) * B * groups,)](
                **common,
                panel_heads=panel_heads,
                # % for output, given in key_outputs_passed
                __output___ptr=__given__,
                # % endfor
                **of_keys,
            )
        # % for line in element_launches + return_launches
        __line__
        # % endfor
    found = [
        None if total is None else _summed(total, rows) for total, rows in zip((dq, dk, dv), given[:3], strict=True)
    ]
    # % if landing_names
    found += _to_inputs(__landing_tuple__, *given)
    # % elif input_count
    found += [None] * __input_count__  # no score reads them
    # % endif
    return tuple(
        (torch.zeros_like(tensor) if gradient is None else gradient.to(tensor.dtype)) if asked else tensor.new_empty(0)
        for gradient, tensor, asked in zip(found, given, wanted, strict=False)
    )


__of_calls__


def _filled(
    # % for parameter in packed_parameters
    __parameter__,
    # % endfor
    # % if data_lines
    seen_before: bool = False,
    # % endif
) -> tuple[Any, ...]:
    """What kernels take of a call, where all that is given fits__seen_text__."""
    B, H, N, M, D, E__unpacked_sizes__ = _sized(__sized_arguments__)
    scale = 1 / math.sqrt(D) if scale is None else scale
    offset = _offset("__variant__", offset, offsets, B, M - N, q.device)
    # % for line in filled
    __line__
    # % endfor
    # % if data_lines
    if not seen_before:
        # % for line in data_lines
        __line__
        # % endfor
    # % endif
    # % for line in rules
    __line__
    # % endfor
    # % for line in host_lines
    __line__
    # % endfor
    # % if listed
    prepared = None if list_number is None else _LISTS.get(list_number)
    if prepared is not None:
        # % for line in deeper_list_check
        __line__
        # % endfor
    else:
        # % for line in list_again
        __line__
        # % endfor
    if prepared is None:
        # % for line in list_call
        __line__
        # % endfor
        _LATEST.append(prepared)
    # % endif
    # % for line in table_lines
    __line__
    # % endfor
    # The largest position decides whether kernels need 64 bits, and the last place in a head; offsets on a GPU are not
    # looked at.
    reach = 2**31 if isinstance(offset, Tensor) else max(abs(offset) + N, M)
    # % for line in wide
    __line__
    # % endfor
    offsets, offset = (offset, 0) if isinstance(offset, Tensor) else (None, offset)
    return __filled_values__


# % if listed
_LATEST: deque[LiveTiles] = deque(maxlen=4)
"""The last lists that were made: a backward pass and the next layer often walk the tiles of the call before."""

__live_tiles__


# % endif
# % if distance_tables
__distance_tables__


# % endif
# % if tensor_support
__tensor_support__


# % endif
def _chosen(
    kernel: str,
    q: Tensor,
    E: int,
    tokens: int,
    # % if listed
    tiles: tuple[int, int] | None = None,
    # % endif
) -> dict[str, int]:
    """The sizes of a launch__listed_text__."""
    width, size = max(q.shape[3], E), q.element_size()
    found = TUNED.get((kernel, q.dtype, _power_of_two(width), _power_of_two(tokens)))
    if found is None:
        cells = [cell for cell in DEFAULTS[kernel] if cell[1] == size]
        found = DEFAULTS[kernel][next((cell for cell in cells if cell[0] >= width), cells[-1])][_gpu(q.device)]
    return _launched(kernel, _Sizes(__sizes__))


# % if listed
def _tile_sizes(q: Tensor, E: int, tokens: int) -> tuple[int, int]:
    """Queries and keys of a tile, for all kernels: those of a list."""
    chosen = _chosen("by_queries", q, E, tokens)
    return chosen["QUERY_TILE"], chosen["KEY_TILE"]


# % endif
__support__


__launching__


__operators__


__registered__
