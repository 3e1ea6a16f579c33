_LIBRARY = torch.library.Library("attngen", "FRAGMENT")
_NAME = f"__variant___{_digest(__digested__)}"
_DEVICES = __devices__
_RESULT = "(Tensor y, Tensor lse, Tensor stats)"
_GRADIENTS = ", ".join(["Tensor"] * __trained_count__)
_FORWARD = _operator(
    _LIBRARY, f"{_NAME}_forward", f"({TENSORS}, {NUMBERS}, bool trained) -> {_RESULT}", _DEVICES, _forward, _shapes
)
_BACKWARD = _operator(
    _LIBRARY,
    f"{_NAME}_backward",
    f"(Tensor dy, Tensor? dlse, Tensor y, Tensor stats, {TENSORS}, {NUMBERS}, bool[] wanted) -> ({_GRADIENTS})",
    _DEVICES,
    _backward,
    _gradient_shapes,
)
_operator(_LIBRARY, _NAME, f"({TENSORS}, {NUMBERS}) -> {_RESULT}", ["CompositeImplicitAutograd"], _attend)
