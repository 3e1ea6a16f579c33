def _recur(*given: Any) -> tuple[Tensor, ...]:
    """y, each state behind the last token and, where gradients are asked for, in front of each segment."""
    if _is_differentiated(tuple(each for each in given[:__trained_count__] if each is not None)):
        recurred: tuple[Tensor, ...] = _Recurrence.apply(*given)
        return recurred
    return _FORWARD(*given, False)


class _Recurrence(torch.autograd.Function):
    """The kernel and its gradients. Kept for them: what is given, and states in front of segments."""

    @staticmethod
    def forward(*given: Any) -> tuple[Tensor, ...]:
        return _FORWARD(*given, True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        kept = output[__after_states__]
        ctx.mark_non_differentiable(*kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:__tensor_count__], *kept)
        ctx.rest = inputs[__tensor_count__:]

    @staticmethod
    def backward(ctx: Any, *by_results: Tensor | None) -> tuple[Tensor | None, ...]:
        given, kept = ctx.saved_tensors[:__tensor_count__], ctx.saved_tensors[__tensor_count__:]
        wanted = ctx.needs_input_grad[:__trained_count__]
        gradients = _Gradients.apply if torch.is_grad_enabled() and not torch.compiler.is_compiling() else _BACKWARD
        found = gradients(*by_results[__before_kept__], *kept, *given, *ctx.rest, [*wanted])
        return *(each if asked else None for each, asked in zip(found, wanted, strict=True)), *[None] * __others_count__


__gradients_once__
