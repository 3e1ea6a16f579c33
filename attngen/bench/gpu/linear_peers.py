"""Recurrences by the kernels of flash-linear-attention and mamba, where they are installed.

They take tokens before heads, [B, N, H, ...], and gates as logarithms. Functions have changed over versions: each is
asked for its arguments, and one that lacks some is passed over, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, NamedTuple

import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

from attngen.bench.gpu.contestants import Contestant, Offer, reason
from attngen.bench.gpu.subjects import Subject

Inputs = Mapping[str, Tensor]


class Use(NamedTuple):
    """A function of a peer, and how a spec is said to it.

    Attributes:
        given: from q, k, v and the spec's inputs, tokens first, to the arguments by position and by name.
        after: what is still to be done with what it gives, from y, v and inputs.
    """

    module: str
    function: str
    given: Callable[[Tensor, Tensor, Tensor, Inputs], tuple[tuple[Tensor, ...], dict[str, Any]]]
    after: Callable[[Tensor, Tensor, Inputs], Tensor] = lambda y, v, x: y


def offers(subject: Subject) -> Iterator[tuple[str, Callable[[], Offer]]]:
    """Each peer by its name, and how to get it."""
    for name, uses in USES.items():
        yield name, partial(_offer, subject, uses.get(subject.variant.name, ()))


def trained_inputs(subject: Subject) -> list[str]:
    """The inputs that gradients go to beside q, k and v: those of each token, which models compute from it."""
    axes = {given.name: given.axes for given in subject.variant.inputs}
    return [name for name, x in subject.inputs.items() if "t" in axes[name] and x.is_floating_point()]


def _offer(subject: Subject, uses: tuple[Use, ...]) -> Offer:
    """The first use that is there."""
    why = "has no kernel for this recurrence"
    q, k, v = (_tokens_first(x).detach().requires_grad_() for x in subject.rows)
    trained = trained_inputs(subject)
    inputs = {
        name: _tokens_first(x).detach().requires_grad_() if name in trained else x for name, x in subject.inputs.items()
    }
    for use in uses:
        try:
            function = getattr(import_module(use.module), use.function)
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            why = reason(error)
            continue
        arguments, named = use.given(q, k, v, inputs)
        if "head_first" in signature(function).parameters:  # which is true unless given, in some versions
            named["head_first"] = False
        missing = _missing(function, len(arguments), named)
        if missing:
            why = f"{use.module}.{use.function} takes no {', '.join(missing)}"
            continue
        call = partial(_called, function, use, (q, k, v), inputs, "head_first" in named)
        return Contestant(call, (q, k, v, *(inputs[name] for name in trained)), tokens_first=True)
    return why


def _called(
    function: Callable[..., Any], use: Use, rows: tuple[Tensor, Tensor, Tensor], inputs: Inputs, ordered: bool
) -> Tensor:
    """What has to be computed before is part of the call, and of its gradients."""
    arguments, named = use.given(*rows, inputs)
    result = function(*arguments, **named, **({"head_first": False} if ordered else {}))
    return use.after(result[0] if isinstance(result, tuple) else result, rows[2], inputs)


def _missing(function: Callable[..., Any], count: int, named: Mapping[str, Any]) -> list[str]:
    """Arguments that it does not take; none, where a wrapper hides what it takes."""
    known = signature(function).parameters
    if any(each.kind is Parameter.VAR_POSITIONAL for each in known.values()):
        return []
    places = [
        each for each in known.values() if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ]
    missing = [] if len(places) >= count else [f"{count} rows and gates"]
    return missing + [name for name in named if name not in known]


def _tokens_first(x: Tensor) -> Tensor:
    return x.transpose(1, 2).contiguous()


def _each_token(of_head: Tensor, like: Tensor) -> Tensor:
    """[H, ...] for each token of [B, N, H, ...]."""
    return of_head.expand(*like.shape[:2], *of_head.shape).contiguous()


def _positive(x: Tensor) -> Tensor:
    return F.elu(x) + 1


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _log_gamma(q: Tensor, k: Tensor, v: Tensor, x: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    return (q, k, v), {"g_gamma": x["gamma"].log()}


def _log_gammas(q: Tensor, k: Tensor, v: Tensor, x: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    return (q, k, v), {"g": _each_token(x["gamma"].log(), q)}


def _with_skip(y: Tensor, v: Tensor, x: Inputs) -> Tensor:
    return y + (x["skip"][:, None] * v).to(y.dtype)


def _mamba(q: Tensor, k: Tensor, v: Tensor, x: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Its x, dt, A, B and C."""
    return (v, x["dt"], x["A"], k, q), {"chunk_size": 256, "D": x["skip"]}


def _mamba_by_gates(q: Tensor, k: Tensor, v: Tensor, x: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    steps = (v * x["dt"][..., None]).to(v.dtype)
    return (q, k, steps), {"g": x["dt"] * x["A"], "scale": 1.0}


SIMPLE, PLAIN = ("fla.ops.simple_gla", "chunk_simple_gla"), {"scale": 1.0}
RETENTION = (Use(*SIMPLE, _log_gamma), Use(*SIMPLE, _log_gammas))
USES: dict[str, dict[str, tuple[Use, ...]]] = {
    "fla": {
        "linear_transformer": (
            Use(
                "fla.ops.linear_attn",
                "chunk_linear_attn",
                lambda q, k, v, x: ((_positive(q), _positive(k), v), {"scale": 1.0, "normalize": True}),
            ),
        ),
        "lightning": (
            Use(*SIMPLE, lambda q, k, v, x: ((q, k, v), {"g_gamma": -x["slope"], "scale": 1.0})),
            Use(*SIMPLE, lambda q, k, v, x: ((q, k, v), {"g": _each_token(-x["slope"], q), "scale": 1.0})),
        ),
        "retention": RETENTION,
        "retention_recurrent": RETENTION,
        "gla": (Use("fla.ops.gla", "chunk_gla", lambda q, k, v, x: ((q, k, v, x["g"]), {})),),
        "mamba2": (Use(*SIMPLE, _mamba_by_gates, _with_skip),),
        "rwkv5": (
            Use(
                "fla.ops.rwkv6",
                "chunk_rwkv6",
                lambda q, k, v, x: ((q, k, v, _each_token(x["w"], q), x["u"]), PLAIN.copy()),
            ),
        ),
        "rwkv6": (Use("fla.ops.rwkv6", "chunk_rwkv6", lambda q, k, v, x: ((q, k, v, x["w"], x["u"]), PLAIN.copy())),),
        "deltanet": (
            Use(
                "fla.ops.delta_rule",
                "chunk_delta_rule",
                lambda q, k, v, x: ((q, _unit(k), v, x["beta"].to(q.dtype)), PLAIN.copy()),
            ),
        ),
        "gated_deltanet": (
            Use(
                "fla.ops.gated_delta_rule",
                "chunk_gated_delta_rule",
                lambda q, k, v, x: ((q, _unit(k), v, x["g"], x["beta"].to(q.dtype)), PLAIN.copy()),
            ),
        ),
        "kda": (
            Use(
                "fla.ops.kda",
                "chunk_kda",
                lambda q, k, v, x: ((q, _unit(k), v, x["g"], x["beta"].to(q.dtype)), PLAIN.copy()),
            ),
        ),
    },
    "mamba": {"mamba2": (Use("mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined", _mamba),)},
}
