"""__summary__

# % for line in equation
    __line__
# % endfor

__header__
Runs __variant__.cpp and, for gradients, __variant___backward.cpp, which lie beside this file.
Needs torch, a C++ compiler, and nothing else. Don't edit it: change the spec and compile that again.
"""

from __future__ import annotations

# % for line in imports
__line__
# % endfor

import torch
from torch import Tensor

SPEC = __spec__
__flags__
# % for line in schema
__line__
# % endfor


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

    Returns:
        y: [B, H, N, E] in the dtype of q__also_lse__. Gradients go to q, k, v__trained_text__.

    Raises:
        ValueError: an argument does not fit.
        RuntimeError: there is no working C++ compiler.
        MemoryError: there is no room for the tiles of a call.
    """
    _tensor("__variant__", "q", q)
    _tensor("__variant__", "k", k)
    _tensor("__variant__", "v", v)
    if not (q.is_cpu or q.is_meta):
        raise ValueError(f"__variant__: q is on {q.device}; this file runs on the CPU")
    # % for line in typed
    __line__
    # % endfor
    scale = _scale("__variant__", scale)
    offset, offsets = _first("__variant__", offset)
    # % if listed
    list_number = None if prepared is None else prepared.number
    # % endif
    if torch.is_autocast_enabled("cpu") and q.is_cpu:
        q, k, v = _autocast(q, k, v)
    # % for line in attend_lines
    __line__
    # % endfor
    return __outputs__


__attending__


class _Call(NamedTuple):
    """What both C++ files take of a call, in the order in which they take it."""

    sizes: tuple[int, int, int, int, int, int]
    dtype: torch.dtype
    long: bool  # positions need 64 bits
    panel_heads: int  # how many heads in a row read the same keys and values
    tensors: list[Tensor | None]
    integers: array[int]
    reals: array[float]


def _forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """y [B, H, N, E], log-sum-exp__lse_shape__ and, where it is trained, stats [B, H, N, 2] for `_backward`."""
    *given, trained = arguments
    call = __packed_by__(*given)
    B, H, N, _, _, E = call.sizes
    y = torch.empty((B, H, N, E), dtype=call.dtype, device="cpu")
    # % if softmax
    lse = torch.empty((B, H, N), dtype=torch.float32, device="cpu")
    # % else
    lse = _NOTHING
    # % endif
    stats = torch.empty((B, H, N, 2), dtype=torch.float32, device="cpu") if trained else _NOTHING
    # % if fault
    fault = _run(call, "forward", [y, __lse_tensor__stats])
    _require(not fault, "__variant__: a pair __fault__")
    # % else
    _run(call, "forward", [y, __lse_tensor__stats])
    # % endif
    return y, lse, stats


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """Gradients by the first arguments of `_Attention` that are wanted; `dy` and `dlse` are those by its results."""
    dy, dlse, y, stats, *given, wanted = arguments
    call = _packed(*given__seen_argument__)
    B, H, N, M, D, E = call.sizes
    groups = H // call.panel_heads
    # % if pair_inputs
    __trained_names__ = given[3:__trained_count__]
    # % endif
    # % for line in made
    __line__
    # % endfor
    results = [__gradient_rows__]
    strides = [number for each in results for number in (*each.stride(), 1)]
    # % for line in round_lines + element_lines
    __line__
    # % endfor
    # % for line in backward_run
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


def _packed(
    # % for parameter in packed_parameters
    __parameter__,
    # % endfor
    # % if data_lines
    seen_before: bool = False,
    # % endif
) -> _Call:
    """A call as the C++ files take it, where all that is given fits__seen_text__."""
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
    tile_starts = prepared.starts.expand(B, H, -1, -1)
    # % if ordered
    query_order, key_order = _slots(prepared.query_order, B, H), _slots(prepared.key_order, B, H)
    # % endif
    # % endif
    panel_heads = __panel_heads__
    reach = max(N, M) + (abs(offset) if isinstance(offset, int) else int(offset.abs().max()) if B else 0)
    tensors = [
        *(q, k, v, offset if isinstance(offset, Tensor) else None),
        # % if listed
        *(prepared.tiles, tile_starts),
        # % endif
        # % if ordered
        *(query_order, key_order),
        # % endif
        # % for argument in tensors
        __argument__,
        # % endfor
    ]
    integers = [
        *(*q.stride(), H // q.shape[1]),
        *(*k.stride(), H // k.shape[1]),
        *(*v.stride(), H // v.shape[1]),
        *(0 if isinstance(offset, Tensor) else offset, B, H, N, M, D, E, torch.get_num_threads(), panel_heads),
        # % if listed
        *tile_starts.stride()[:2],
        # % endif
        # % if ordered
        *(*query_order.stride()[:2], *key_order.stride()[:2]),
        # % endif
        # % for argument in integers
        __argument__,
        # % endfor
    ]
    # % if reals
    reals: list[float] = [
        # % for argument in reals
        __argument__,
        # % endfor
    ]
    # % else
    reals: list[float] = []
    # % endif
    long_positions = __wide__
    lists = (tensors, array("q", integers), array("d", reals))
    return _Call((B, H, N, M, D, E), q.dtype, long_positions, panel_heads, *lists)


# % if recalled
def _recalled(*given: Any) -> _Call:
    """What `_packed` gives; tensors that lie as those of a call before are not checked and measured once more."""
    q, k, v, offsets, *numbers = given
    if offsets is not None:
        return _packed(*given)
    of_queries, of_keys = (q.shape, q.stride(), q.dtype, q.device), (k.shape, k.stride(), k.dtype, k.device)
    facts = of_queries, of_keys, (v.shape, v.stride(), v.dtype, v.device), *numbers, torch.get_num_threads()
    known = _CALLS.get(facts)
    if known is None:
        if len(_CALLS) == 1000:
            _CALLS.clear()
        known = _packed(*given)
        _CALLS[facts] = known._replace(tensors=known.tensors[3:])
        return known
    return _Call(*known[:4], [q, k, v, *known.tensors], known.integers, known.reals)


_CALLS: dict[Any, _Call] = {}


# % endif
def _run(call: _Call, function: str, outputs: list[Tensor | None], strides: Sequence[int] = ()) -> int:
    """Run a C++ file; it takes the lists in this order. True if a pair is at fault."""
    addresses = array("Q", [0 if each is None else each.data_ptr() for each in [*call.tensors, *outputs]])
    numbers = call.integers + array("q", strides) if strides else call.integers
    lists = (addresses.buffer_info()[0], numbers.buffer_info()[0], call.reals.buffer_info()[0])
    done = int(_entry(function, call.dtype, call.long)(*lists))
    if done == 2:
        raise MemoryError("__variant__: not enough memory for the tiles of a call")
    return done


@cache
def _entry(function: str, dtype: torch.dtype, long: bool) -> Callable[..., int]:
    """A function of a C++ file, which is compiled for the dtype and the width of positions."""
    element = {torch.float32: "float", torch.bfloat16: "BFloat16", torch.float16: "Half"}[dtype]
    end = "_backward.cpp" if function == "backward" else ".cpp"
    source = Path(__file__).with_name(f"{Path(__file__).stem}{end}")
    index = "int64_t" if long else "int32_t"
    library = _library(source, _TEXTS.get(source.name), SPEC, f"ELEMENT={element}", f"INDEX={index}")
    entry: Callable[..., int] = getattr(library, f"__variant___{function}")
    entry.argtypes = [ctypes.c_void_p] * 3  # type: ignore[attr-defined]
    return entry


# % if listed
_LATEST: deque[LiveTiles] = deque(maxlen=4)
"""The last lists that were made: a backward pass and the next layer often walk the tiles of the call before."""

__live_tiles__


# % endif
# % if head_rounds
__head_rounds__


# % endif
# % if tensor_support
__tensor_support__


# % endif
__support__


__native__


_TEXTS = _texts(__file__)


__operators__


_NOTHING = torch.empty(0, dtype=torch.float32, device="cpu")
__registered__
