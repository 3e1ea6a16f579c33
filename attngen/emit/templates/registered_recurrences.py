_LIBRARY = torch.library.Library("attngen", "FRAGMENT")
_NAME = f"__variant___{_digest(__digested__)}"
_DEVICES = __devices__
_RESULTS = "(__result_schema__)"
_GRADIENTS = ", ".join(["Tensor"] * __trained_count__)
_FORWARD = _operator(
    _LIBRARY, f"{_NAME}_forward", f"({TENSORS}, {NUMBERS}, bool trained) -> {_RESULTS}", _DEVICES, _forward, _shapes
)
_BACKWARD = _operator(
    _LIBRARY,
    f"{_NAME}_backward",
    f"(Tensor? dy, {BY_STATES}, {TENSORS}, {NUMBERS}, bool[] wanted) -> ({_GRADIENTS})",
    _DEVICES,
    _backward,
    _gradient_shapes,
)
_operator(_LIBRARY, _NAME, f"({TENSORS}, {NUMBERS}) -> {_RESULTS}", ["CompositeImplicitAutograd"], _recur)
