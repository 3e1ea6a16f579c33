"""What a launcher asks of its arguments. Copied into generated files: nothing of attngen may be imported here."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _sizes(name: str, q: Tensor, k: Tensor, v: Tensor) -> tuple[int, int, int, int, int, int]:
    """B, H, N, M, D, E of q [B, heads, N, D], k [B, heads, M, D] and v [B, heads, M, E]; every head count divides H."""
    if not (q.ndim == k.ndim == v.ndim == 4):
        _refuse_rows(name, q, k, v)
    (B, query_heads, N, D), (_, key_heads, M, _), E = q.shape, k.shape, v.shape[3]
    H = max(query_heads, key_heads, v.shape[1])
    if not (
        k.shape[0] == B == v.shape[0]
        and k.shape[3] == D > 0
        and v.shape[2] == M
        and E > 0
        and q.dtype == k.dtype == v.dtype
        and q.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and q.device == k.device == v.device
        and all(heads > 0 and H % heads == 0 for heads in (query_heads, key_heads, v.shape[1]))
    ):
        _refuse_rows(name, q, k, v)
    return B, H, N, M, D, E


def _refuse_rows(name: str, q: Tensor, k: Tensor, v: Tensor) -> None:
    """What does not fit in q, k and v."""
    for label, rows in (("q", q), ("k", k), ("v", v)):
        shape = [*rows.shape]
        _require(rows.ndim == 4, f"{name}: {label} has the shape {shape}; it must be [B, heads, tokens, channels]")
        supported = rows.dtype in (torch.float32, torch.bfloat16, torch.float16)
        _require(supported, f"{name}: {label} is {rows.dtype}; it must be float32, bfloat16 or float16")
        _require(rows.dtype == q.dtype, f"{name}: q is {q.dtype} and {label} is {rows.dtype}; all must be alike")
        _require(rows.device == q.device, f"{name}: q is on {q.device} and {label} on {rows.device}")
        _require(rows.shape[0] == q.shape[0], f"{name}: q has {q.shape[0]} batch rows and {label} has {rows.shape[0]}")
    _require(k.shape[3] == q.shape[3], f"{name}: q has {q.shape[3]} channels and k has {k.shape[3]}")
    _require(v.shape[2] == k.shape[2], f"{name}: k has {k.shape[2]} tokens and v has {v.shape[2]}")
    _require(q.shape[3] > 0 and v.shape[3] > 0, f"{name}: a row has no channels")
    heads = max(q.shape[1], k.shape[1], v.shape[1])
    for label, rows in (("q", q), ("k", k), ("v", v)):
        divides = rows.shape[1] > 0 and heads % rows.shape[1] == 0
        _require(divides, f"{name}: {label} has {rows.shape[1]} heads, which does not divide H = {heads}")


def _tensor(name: str, label: str, given: object, where: str = "") -> None:
    """A tensor, and nothing else."""
    if not isinstance(given, Tensor):
        raise ValueError(f"{name}: {label} is a {type(given).__name__}, not a tensor{where}")


def _scale(name: str, scale: float | None) -> float | None:
    """A finite number, or none."""
    if scale is None:
        return None
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or not math.isfinite(scale):
        raise ValueError(f"{name}: scale is {scale!r}; it must be a finite number")
    return float(scale)


def _first(name: str, offset: int | Tensor | None) -> tuple[int | None, Tensor | None]:
    """The position of query row 0 as what it is: a number, or one for each batch row."""
    if offset is None:
        return None, None
    if isinstance(offset, Tensor):
        return None, offset
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise ValueError(f"{name}: offset is {offset!r}; it must be an int or an int tensor [B]")
    if not -(2**62) < offset < 2**62:
        raise ValueError(f"{name}: offset is {offset}; it must have 62 bits")
    return offset, None


def _offset(
    name: str, offset: int | None, offsets: Tensor | None, batch: int, default: int, device: torch.device
) -> int | Tensor:
    """The position of query row 0: a number, or int64 [B] on the device of q."""
    if offsets is None:
        return default if offset is None else offset
    kind = offsets.dtype in (torch.int32, torch.int64)
    _require(kind, f"{name}: offset is {offsets.dtype}; it must be int32 or int64")
    fits = offsets.ndim == 0 or offsets.shape == (batch,)
    _require(fits, f"{name}: offset has the shape {[*offsets.shape]}; it must be [{batch}]")
    return offsets.to(device=device, dtype=torch.int64).expand(batch).contiguous()


def _one_of_each(name: str, queries: int, keys: int, place: str) -> None:
    """A recurrence reads with every token that it writes."""
    problem = f"q has {queries} tokens and k has {keys}; a recurrence takes one of each at a time"
    _require(queries == keys, f"{name}: {problem} ({place})")


def _offset_inside(name: str, offset: int | Tensor, last: int, reason: str, debug: bool = False) -> None:
    """Where an input is read at the position of a query, no query may stand outside of the key sequence."""
    if isinstance(offset, Tensor):
        if not (offset.device.type == "cpu" or debug) or offset.numel() == 0:
            return
        low, high = int(offset.min()), int(offset.max())
    else:
        low = high = offset
    outside = low if low < 0 else high
    _require(
        0 <= low and high <= last, f"{name}: offset {outside} is outside of [0, M - N] = [0, {last}], and {reason}"
    )


def _number(name: str, label: str, value: int | float | bool, kind: type, place: str) -> None:
    """A parameter of its declared type; a float parameter takes an int, and nothing takes NaN."""
    fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        article = "an" if kind is int else "a"
        raise ValueError(f"{name}: {label} is {value!r}; it must be {article} {kind.__name__} ({place})")
    if value != value:
        raise ValueError(f"{name}: {label} is NaN ({place})")
    if not isinstance(value, float) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: {label} is {value}; it must have 64 bits ({place})")


def _within(name: str, label: str, value: object, holds: bool, wanted: str, place: str) -> None:
    """A parameter in its range."""
    if not holds:
        raise ValueError(f"{name}: {label} is {value}, not in {wanted} ({place})")


def _input(
    name: str,
    label: str,
    tensor: Tensor,
    axes: tuple[str, ...],
    kind: str,
    sizes: dict[str, int],
    device: torch.device,
    place: str,
) -> None:
    """An input with the shape that its axes ask for; an axis of its own gets its size here."""
    if tensor.ndim != len(axes):
        wanted = f"[{', '.join(axes)}]"
        raise ValueError(f"{name}: {label} has the shape {[*tensor.shape]}; it must be {wanted} ({place})")
    for axis, size in zip(axes, tensor.shape, strict=True):
        known = sizes.setdefault(axis, size)
        if axis == "h":
            if size == 0 or known % size:
                raise ValueError(f"{name}: {label} has {size} heads, which does not divide H = {known} ({place})")
        elif size != known:
            raise ValueError(f"{name}: {label} has {size} elements along `{axis}`, not {known} ({place})")
    given = "bool" if tensor.dtype == torch.bool else "float" if tensor.is_floating_point() else "int"
    if given != kind or tensor.is_complex():
        raise ValueError(f"{name}: {label} is {tensor.dtype}; it must be {kind} ({place})")
    if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch itself compares them nowhere
        raise ValueError(f"{name}: {label} is {tensor.dtype}; give {label}.long() ({place})")
    if tensor.device != device:
        raise ValueError(f"{name}: {label} is on {tensor.device} and q on {device} ({place})")


def _not_empty(tensor: Tensor) -> Tensor:
    """An input without elements as one with zeros: an index is kept inside of its axis, so there must be an inside."""
    return tensor if tensor.numel() else tensor.new_zeros([max(1, size) for size in tensor.shape])


def _data(
    name: str,
    label: str,
    tensor: Tensor,
    inside: Callable[[Tensor], Tensor] | None,
    wanted: str,
    sorted_along: int | None,
    place: str,
    debug: bool = False,
) -> None:
    """What the values of an input must be; on a GPU, where looking waits for the device, only to debug."""
    if not (tensor.device.type == "cpu" or debug) or tensor.numel() == 0:
        return
    if tensor.is_floating_point() or inside is not None:
        ends = torch.stack(torch.aminmax(tensor))  # NaN is both; a tensor of flags would cost five times as much
        finite = all(math.isfinite(end) for end in ends.tolist())
        _require(finite, f"{name}: {label} holds a value that is not finite ({place})")
        ends = ends if tensor.is_floating_point() else ends.long()  # what few bits are compared with may have more
        within = inside is None or bool(inside(ends).all())
        _require(within, f"{name}: {label} holds a value outside of {wanted} ({place})")
    if sorted_along is not None and tensor.shape[sorted_along] > 1:
        steps = tensor.narrow(sorted_along, 1, tensor.shape[sorted_along] - 1)
        before = tensor.narrow(sorted_along, 0, tensor.shape[sorted_along] - 1)
        _require(bool((steps >= before).all()), f"{name}: {label} is declared sorted and falls somewhere ({place})")


def _bijection(name: str, label: str, steps: Tensor, place: str, debug: bool = False) -> None:
    """An order, [H or 1, M], visits every position once; where data on a GPU decide, it is looked at only to debug."""
    if not (steps.device.type == "cpu" or debug):
        return
    steps, positions = torch.sort(steps, dim=-1, stable=True)
    wrong = (steps != torch.arange(steps.shape[-1], device=steps.device)).nonzero()
    if len(wrong) == 0:
        return
    head = int(wrong[0, 0])
    row, where = steps[head], f" (head {head})" if len(steps) > 1 else ""
    twice = (row[1:] == row[:-1]).nonzero()
    if len(twice):
        first, second = (int(positions[head, int(twice[0]) + k]) for k in range(2))
        problem = f"is no bijection: it visits the positions {first} and {second} both at step {int(row[twice[0]])}"
    else:
        at = int(((row < 0) | (row >= len(row))).nonzero()[0])
        problem = f"visits the position {int(positions[head, at])} at step {int(row[at])}, and there are {len(row)}"
    _require(False, f"{name}: the order {label} {problem}{where} ({place})")


def _no_fault(name: str, fault: Tensor | None, what: str, debug: bool = False) -> None:
    """What kernels found; on a GPU, unless to debug, nobody waits: the device stops, as at torch's own indices."""
    if fault is None:
        return
    if fault.is_cuda and not debug:
        torch._assert_async(fault == 0, f"{name}: a pair {what}")
    else:
        _require(not fault.item(), f"{name}: a pair {what}")
