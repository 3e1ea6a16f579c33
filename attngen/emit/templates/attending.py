def _attend(*given: Any) -> tuple[Tensor, Tensor, Tensor]:
    """y, log-sum-exp and, where gradients are asked for, stats; `TENSORS` and `NUMBERS` name what is given."""
    if _is_differentiated(given[:__trained_count__]):
        attended: tuple[Tensor, Tensor, Tensor] = _Attention.apply(*given)
        return attended
    return _FORWARD(*given, False)


class _Attention(torch.autograd.Function):
    """The kernel and its gradients. Kept for them: what is given, y, and two numbers for each of its rows."""

    @staticmethod
    def forward(*given: Any) -> tuple[Tensor, Tensor, Tensor]:
        return _FORWARD(*given, True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        y, lse, stats = output
        ctx.mark_non_differentiable(__not_differentiable__)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:__tensor_count__], y, stats)
        ctx.rest = inputs[__tensor_count__:]

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dlse: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        *given, y, stats = ctx.saved_tensors
        dy = torch.zeros_like(y) if dy is None else dy
        wanted = ctx.needs_input_grad[:__trained_count__]
        gradients = _Gradients.apply if torch.is_grad_enabled() and not torch.compiler.is_compiling() else _BACKWARD
        found = gradients(dy, dlse, y, stats, *given, *ctx.rest, [*wanted])
        return *(each if asked else None for each, asked in zip(found, wanted, strict=True)), *[None] * __others_count__


__gradients_once__
