"""Tensors with named axes."""

from __future__ import annotations

import torch

from attngen.reference.values import Value, aligned, contract, elementwise, gather, ordered, short_circuit

ROWS = Value(torch.arange(6.0).reshape(2, 3), ("i", "c"))
KEYS = Value(torch.arange(12.0).reshape(4, 3), ("j", "c"))


def test_positions_come_first() -> None:
    assert ordered({"c", "j", "m", "b", "i"}) == ("b", "i", "j", "c", "m")


def test_alignment_by_name() -> None:
    assert aligned(ROWS.tensor, ROWS.axes, ("i", "j", "c")).shape == (2, 1, 3)
    product = elementwise(torch.mul, [KEYS, ROWS])
    assert product.axes == ("i", "j", "c")
    assert torch.equal(product.tensor, ROWS.tensor[:, None] * KEYS.tensor[None])
    assert product.invalid is None


def test_contraction() -> None:
    dot = contract(ROWS, KEYS, frozenset("c"))
    assert dot.axes == ("i", "j") and torch.equal(dot.tensor, ROWS.tensor @ KEYS.tensor.T)
    outer = contract(Value(torch.ones(3), ("c",)), Value(torch.ones(2), ("e",)), frozenset())
    assert outer.axes == ("c", "e") and outer.tensor.shape == (3, 2)


def test_marks_follow_the_values() -> None:
    marked = Value(ROWS.tensor, ROWS.axes, torch.tensor([[False, False, True], [False, False, False]]))
    product = elementwise(torch.add, [marked, KEYS])
    assert product.invalid is not None and product.invalid.shape == (2, 4, 3)
    assert product.invalid.any((1, 2)).tolist() == [True, False]
    dot = contract(marked, KEYS, frozenset("c"))
    assert dot.invalid is not None and dot.invalid.tolist() == [[True] * 4, [False] * 4]
    outer = contract(marked, Value(torch.ones(2), ("e",)), frozenset())
    assert outer.invalid is not None and outer.invalid.sum() == 2


def test_an_index_outside_is_marked() -> None:
    index = Value(torch.tensor([-1, 0, 2, 3]), ("j",))
    found = gather(torch.tensor([10, 20, 30]), [index])
    assert found.tensor.tolist() == [10, 10, 30, 30]
    assert found.invalid is not None and found.invalid.tolist() == [True, False, False, True]
    nothing = gather(torch.zeros(0), [index])
    assert nothing.tensor.tolist() == [0, 0, 0, 0]
    assert nothing.invalid is not None and nothing.invalid.all()


def test_what_is_not_looked_at_is_valid() -> None:
    first = Value(torch.tensor([True, False]), ("i",))
    bad = Value(torch.tensor([True, True]), ("i",), torch.tensor([True, True]))
    good = Value(torch.tensor([True, True]), ("i",))

    def marks(function: str, *values: Value) -> list[bool] | None:
        found = short_circuit(function, list(values), ("i",))
        return None if found is None else found.tolist()

    assert marks("and", first, bad) == [True, False]
    assert marks("or", first, bad) == [False, True]
    assert marks("if", first, bad, good) == [True, False]
    assert marks("if", first, good, bad) == [False, True]
    assert marks("and", bad, good) == marks("or", bad, good) == [True, True]
    assert marks("and", first, good) is None
