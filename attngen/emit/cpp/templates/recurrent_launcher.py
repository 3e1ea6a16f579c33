"""__summary__

# % for line in equation
    __line__
# % endfor

__header__
Runs __variant__.cpp and, for gradients, __variant___backward.cpp.
They lie beside this file, which needs torch, a C++ compiler, and nothing else.
Don't edit it: change the spec and compile that again.
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


__recurrence__


__recurring__


class _Call(NamedTuple):
    """What both C++ files take of a call, in the order in which they take it."""

    sizes: tuple[int, ...]  # B, H, N, M, D, E__own_sizes_text__
    dtype: torch.dtype
    pieces: int  # in which each head's tokens are taken
    tensors: list[Tensor | None]
    integers: array[int]
    reals: array[float]


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    """y [B, H, N, E], each state behind the last token and, where they are trained, in front of each segment."""
    *given, trained = arguments
    call = _packed(*given)
    B, H, N, _, _, E = call.sizes[:6]
    y = torch.empty((B, H, N, E), dtype=call.dtype, device="cpu")
    tensors = [y]
    carried, kept = [], []
    for before, shape in zip(given[__states_in__], _state_shapes(*call.sizes), strict=True):
        carried.append(torch.empty((B, H, *shape), dtype=torch.float32, device="cpu"))
        numbers = -(-N // SEGMENT) * math.prod(shape) if trained else 0
        kept.append(torch.empty((B, H, numbers), dtype=torch.float32, device="cpu"))
        tensors += [None if before is None else before.float().contiguous(), carried[-1], kept[-1] if trained else None]
    _run(call, "forward", tensors)
    return y, *carried, *kept


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """Gradients by the first arguments of `_Recurrence` that are wanted, from those by its results."""
    dy, *rest = arguments
    by_states, kept, given, wanted = rest[:__state_count__], rest[__kept_slice__], rest[__given_slice__], rest[-1]
    # % for index, input_name in lacking
    if wanted[__index__]:
        raise NotImplementedError("__variant__: the gradient by __input_name__ can't be computed yet")
    # % endfor
    call = _packed(*given__seen_argument__)
    B, H, N, _, D, E__unpacked_sizes__ = call.sizes
    dy = torch.zeros((B, H, N, E), dtype=call.dtype, device="cpu") if dy is None else dy

    def sums(asked: bool, *shape: int, make: Any = torch.zeros, dtype: torch.dtype = torch.float32) -> Tensor | None:
        return make((B, H, *shape), dtype=dtype, device="cpu") if asked else None  # zeros, where the kernel adds

    rows = [
        # % for line in by_rows
        __line__,
        # % endfor
    ]
    by_before = zip(wanted[__states_wanted__], _state_shapes(*call.sizes), strict=True)
    states = [sums(asked, *shape, make=torch.empty) for asked, shape in by_before]
    # % if by_inputs
    inputs = [
        # % for line in by_inputs
        __line__,
        # % endfor
    ]
    # % endif
    tensors: list[Tensor | None] = [dy]
    for before, by_after, by_before in zip(kept, by_states, states, strict=True):
        tensors += [before, None if by_after is None else by_after.contiguous(), by_before]
    _run(call, "backward", [*tensors, *rows__by_inputs_text__], [*dy.stride(), 1])
    return _handed_on(rows, __inputs_passed__, states, given, wanted)


# % for line in shape_function
__line__
# % endfor


__of_recurrences__


def _packed(
    # % for parameter in packed_parameters
    __parameter__,
    # % endfor
    # % if data_lines
    seen_before: bool = False,
    # % endif
) -> _Call:
    """A call as the C++ files take it, where all that is given fits__seen_text__."""
    # % for line in filling_lines
    __line__
    # % endfor
    # % if in_pieces
    pieces = _pieces(B * H, N)
    # % else
    pieces = 1  # tokens hand gradients to those before them, which might be another thread's
    # % endif
    tensors = [
        *(q, k, v, position if isinstance(position, Tensor) else None),
        # % for argument in tensors
        __argument__,
        # % endfor
        # % if ordered
        order,
        # % endif
    ]
    integers = [
        *(*q.stride(), H // q.shape[1]),
        *(*k.stride(), H // k.shape[1]),
        *(*v.stride(), H // v.shape[1]),
        *(0 if isinstance(position, Tensor) else position, B, H, N, M, D, E, torch.get_num_threads(), 1),
        # % for argument in integers
        __argument__,
        # % endfor
        pieces,
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
    sizes = (B, H, N, M, D, E__unpacked_sizes__)
    return _Call(sizes, q.dtype, pieces, tensors, array("q", integers), array("d", reals))


# % if in_pieces
def _pieces(heads: int, tokens: int) -> int:
    """In how many pieces each head's tokens are taken, where there are fewer heads than threads."""
    segments = -(-tokens // SEGMENT)
    most = max(1, min(segments, torch.get_num_threads() // max(heads, 1)))
    each = max(1, -(-segments // most))  # segments
    return max(1, -(-segments // each))


# % endif
def _run(call: _Call, function: str, outputs: list[Tensor | None], strides: Sequence[int] = ()) -> None:
    """Run a C++ file; it takes the lists in this order."""
    addresses = array("Q", [0 if each is None else each.data_ptr() for each in [*call.tensors, *outputs]])
    numbers = call.integers + array("q", strides) if strides else call.integers
    lists = (addresses.buffer_info()[0], numbers.buffer_info()[0], call.reals.buffer_info()[0])
    if _entry(function, call.dtype)(*lists):
        raise MemoryError("__variant__: not enough memory for what threads keep")


@cache
def _entry(function: str, dtype: torch.dtype) -> Callable[..., int]:
    """A function of a C++ file, which is compiled for the dtype."""
    element = {torch.float32: "float", torch.bfloat16: "BFloat16", torch.float16: "Half"}[dtype]
    end = "_backward.cpp" if function == "backward" else ".cpp"
    source = Path(__file__).with_name(f"{Path(__file__).stem}{end}")
    library = _library(source, _TEXTS.get(source.name), SPEC, f"ELEMENT={element}", "INDEX=int64_t")
    entry: Callable[..., int] = getattr(library, f"__variant___{function}")
    entry.argtypes = [ctypes.c_void_p] * 3  # type: ignore[attr-defined]
    return entry


__support__


__native__


_TEXTS = _texts(__file__)


__operators__


__registered_recurrences__
