TileTest = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of tiles by batch row, head, query tile and key tile: can a pair be live, and are all of them?"""


@dataclass(frozen=True, eq=False)
class LiveTiles:
    """The tiles that calls of one kind walk, for all layers that share them: made by `prepare___variant__`.

    tiles: int32, the key tiles of each query tile, one query tile after the other.
    starts: int64 [batch rows, heads, query tiles, 3]: where its tiles begin, where its full ones begin, and their end.
    # % if ordered
    query_order, key_order: int32 [batch rows, heads, N or M], tokens in the order of the walk; as they lie if `None`.
    costs: what the tiles cost as tokens lie, and in each other order; the cheapest is taken.
    # % endif
    sizes: queries and keys of a tile.
    made_for: what the call gave, lengths first; versions: how often its tensors had been written to.
    number: no other list has it.
    """

    tiles: Tensor
    starts: Tensor
    # % if ordered
    query_order: Tensor | None
    key_order: Tensor | None
    costs: tuple[float, ...]
    # % endif
    sizes: tuple[int, int]
    made_for: tuple[object, ...]
    versions: tuple[int, ...]
    number: int = field(default_factory=itertools.count().__next__)

    # % if by_keys
    @cached_property
    def by_keys(self) -> tuple[Tensor, Tensor]:
        """The same for key tiles: the query tiles that visit each, and where these begin, as in `starts`."""
        N, M = self.made_for[2:4]
        return _by_keys_first(self.tiles, self.starts, -(-M // self.sizes[1]), N // self.sizes[0])

    # % endif
    def __post_init__(self) -> None:
        _LISTS[self.number] = self


_LISTS: WeakValueDictionary[int, LiveTiles] = WeakValueDictionary()
"""Those that are still around, by their numbers: operators of torch take no other objects than tensors and numbers."""


def prepare___variant__(
    q: Tensor,
    k: Tensor,
    v: Tensor | None = None,
    *,
    # % for argument in signature
    __argument__,
    # % endfor
    # % if list_scaled
    scale: float | None = None,
    # % endif
    offset: int | Tensor | None = None,
    # % if debugged
    debug: bool = False,
    # % endif
) -> LiveTiles:
    """The tiles of calls with these arguments, whatever the numbers in q, k and v are: give it to them as `prepared`.

    Without v, the one of calls is taken to have the shape of k.

    Raises:
        ValueError: an argument does not fit.
    """
    v = k if v is None else v
    _tensor("__variant__", "q", q)
    _tensor("__variant__", "k", k)
    _tensor("__variant__", "v", v)
    # % for line in typed
    __line__
    # % endfor
    B, H, N, M, D, E = _sizes("__variant__", q, k, v)
    # % if list_scaled
    scale = _scale("__variant__", scale)
    scale = 1 / math.sqrt(D) if scale is None else scale
    # % endif
    offset = _offset("__variant__", *_first("__variant__", offset), B, M - N, q.device)
    # % for line in shapes + axis_lines
    __line__
    # % endfor
    # % for line in checks
    __line__
    # % endfor
    # % for line in list_host_lines
    __line__
    # % endfor
    return _list_tiles(
        q.device,
        __tile_sizes__,
        # % for argument in list_arguments
        __argument__,
        # % endfor
    )


def _list_tiles(device: torch.device, sizes: tuple[int, int], *given: Any) -> LiveTiles:
    """The live tiles of a call with the lengths, parameters and inputs `given`."""
    __list_names__ = given
    kept = _kept(given)
    rows = torch.arange(N, device=device)[None, None, :]
    j = torch.arange(M, device=device)[None, None, :]
    # % if ordered
    h = torch.arange(H, device=device)[None, :, None]
    i = rows + (offset[:, None, None] if isinstance(offset, Tensor) else offset)
    # Where each token stands in an order; the order in which they lie comes first.
    orders = [
        (i, j),
        # % for queries, keys in orders
        (
            __queries__,
            __keys__,
        ),
        # % endfor
    ]
    found = []
    for queries, keys in orders:
        moved = bool(found)
        query_order, key_order = (torch.argsort(x, dim=-1, stable=True) for x in (queries, keys))
        tests = _tile_tests(device, query_order, key_order, *given)
        tiles, starts = _live_tiles(tests, __shared__, (N, M), sizes, device, moved)
        # A tile that needs the mask costs about a fifth more than a full one.
        cost = 1.2 * len(tiles) - 0.2 * float((starts[..., 2] - starts[..., 1]).sum())
        found.append((cost, tiles, starts, query_order.int(), key_order.int()))
    _, tiles, starts, query_order, key_order = min(found, key=lambda each: each[0])
    taken = (None, None) if tiles is found[0][1] else (query_order, key_order)
    return LiveTiles(tiles, starts, *taken, tuple(each[0] for each in found), sizes, kept, _versions(kept))
    # % else
    tests = _tile_tests(device, rows, j, *given)
    tiles, starts = _live_tiles(tests, __shared__, (N, M), sizes, device)
    return LiveTiles(tiles, starts, sizes, kept, _versions(kept))
    # % endif


def _tile_tests(device: torch.device, rows: Tensor, j: Tensor, *given: Any) -> Callable[[int, int], TileTest]:
    """For tiles of some size: the test whether a pair of a tile can be live, and whether all of them are."""
    __list_names__ = given
    # % for line in value_lines
    __line__
    # % endfor

    def tests(query_tile: int, key_tile: int) -> TileTest:
        # % for line in span_lines
        __line__
        # % endfor

        def test(b: Tensor, h: Tensor, tile: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
            # % for line in test_lines
            __line__
            # % endfor
            return possible, always

        return test

    return tests
