// ---- one query tile of one head, on its way through the keys

struct Span {  // keys of a tile
  int64_t first, last;
};

struct QueryTile {
  const Call& call;
  Workspace& space;
  const Index b, h;
  const int64_t tile;

  [[maybe_unused]] const Index B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t first_row = tile * QUERY_TILE;
  const int64_t rows = std::min<int64_t>(QUERY_TILE, N - first_row);
  const int64_t offset = call.offsets ? call.offsets[b] : call.offset;
  const int64_t E_padded = rounded_up(E, LANES), D_factors = rounded_up(D, DEPTH) / DEPTH;
  // % if listed
  const int64_t* const starts = call.starts + b * call.starts_batch + h * call.starts_head + tile * 3;
  // % endif
  // % if ordered
  // Tokens may be walked in another order than their own; then what stands in a slot is looked up.
  const int32_t* const query_order = call.query_order + b * call.query_order_batch + h * call.query_order_head;
  const int32_t* const key_order = call.key_order + b * call.key_order_batch + h * call.key_order_head;
  // % endif
  // % if not listed
  // Positions stand in the key sequence: this tile holds the queries q0 to q1.
  [[maybe_unused]] const int64_t q0 = first_row + offset, q1 = first_row + rows - 1 + offset;
  // % endif
  // % for line in head_lines
  __line__
  // % endfor
  // % if bridges
  // Rows that grow with the position are relative to an anchor, so that none overflows.
  const int64_t query_anchor = first_row + QUERY_TILE / 2 + offset;
  // % endif
  // % for line in bridge_members
  __line__
  // % endfor

  // % for row in multiplied
  const Factor* __row___factors = nullptr;
  // % endfor
  // The key tile that is visited now.
  int64_t first_key = 0, keys = 0;
  // % for row, width, taken in packed_rows
  // % for pack_rows, target, step in taken
  Piece* __target___panels = nullptr;
  // % endfor
  // % endfor
  // % for line in key_arrays
  __line__
  // % endfor
  // % if counted
  int64_t seen_keys[BLOCK] = {};
  // % endif
  // % if alike
  const bool* marked = nullptr;  // the live keys of the row before, and what they depend on
  // % endif
  // % for line in marked_members
  __line__
  // % endfor
  bool faulty = false;  // an input was needed outside of its axes

  // % if ordered
  Index row_at(int64_t r) const { return call.query_order ? query_order[first_row + r] : first_row + r; }
  // % else
  Index row_at(int64_t r) const { return first_row + r; }
  // % endif

  // Behind the last key the last key is read again, and counts nowhere.
  template <bool FULL>
  Index key_at(Index x) const {
    const Index place = FULL ? static_cast<Index>(first_key) + x : std::min(static_cast<Index>(first_key) + x, M - 1);
    // % if ordered
    return call.key_order ? key_order[place] : place;
    // % else
    return place;
    // % endif
  }

  // The rows of queries, as products take them.
  void load() {
    const Element* q = call.q.of(b, h);
    // % if "q" in queries
    for (int64_t r = 0; r < rows; ++r) read_row(q + row_at(r) * call.q.token, call.q.channel, D, &space.q[r * D]);
    // % endif
    // % for line in query_row_lines
    __line__
    // % endfor
    // % for row in steady_queries
    __row___factors = as_factors(&space.__row__[0], rows, D, &space.__row___pieces[0]);
    // % endfor
    // % for line in bridge_head_lines
    __line__
    // % endfor
  }

  template <bool FULL>
  void turn_to(int64_t key_tile) {
    first_key = key_tile * KEY_TILE;
    keys = FULL ? KEY_TILE : std::min<int64_t>(KEY_TILE, M - first_key);
    // % if few
    if (!call.few_rows) pack<FULL>(key_tile);
    // % else
    pack<FULL>(key_tile);
    // % endif
    // % if prepared
    prepare<FULL>();
    // % endif
  }

  // Keys and values as products take them, unless this thread has packed them before.
  template <bool FULL>
  void pack(int64_t key_tile) {
    const int64_t panel_slot = key_tile % space.slots, panel_head = (b * H + h) / call.panel_heads;
    const int64_t panel_owner = panel_head * ((M + KEY_TILE - 1) / KEY_TILE) + key_tile;
    // % for row, width, taken in packed_rows
    // % for _, target, step in taken
    __target___panels = &space.__target__[panel_slot * KEY_TILE * __step__];
    // % endfor
    // % endfor
    if (space.owner[panel_slot] == panel_owner) return;
    // % for row, width, taken in packed_rows
    const auto* __row__ = call.__row__.of(b, h);
    // % endfor
    for (int64_t x = 0; x < KEY_TILE; x += TOGETHER) {
      // % for row, width, taken in packed_rows
      for (int64_t r = 0; r < TOGETHER; ++r)
        read_row(
            __row__ + key_at<FULL>(x + r) * call.__row__.token, call.__row__.channel, __width__,
            &space.row[r * __width__]);
      // % for pack_rows, target, step in taken
      __pack_rows__(&space.row[0], __width__, x, __target___panels);
      // % endfor
      // % endfor
    }
    space.owner[panel_slot] = panel_owner;
  }

  // % if prepared
  // What is computed once for the key tile.
  template <bool FULL>
  void prepare() {
    // % for line in key_lines
    __line__
    // % endfor
    // % if diagonal_lines
    // What depends on i - j alone, for the diagonals of the tile.
    // % endif
    // % for line in diagonal_lines
    __line__
    // % endfor
    // % if bridges
    const int64_t key_anchor = first_key / __keys_per_anchor__ * __keys_per_anchor__ + __keys_per_anchor__ / 2;
    // % endif
    // % for line in bridge_lines
    __line__
    // % endfor
    // % for row in bridges
    __row___factors = as_factors(&space.__row__[0], rows, D, &space.__row___pieces[0]);
    // % endfor
  }

  // % endif
  // Which pairs of a block are live, and the panels of keys among which they are.
  template <bool FULL>
  Span mark([[maybe_unused]] int64_t r0, int64_t block_rows) {
    // % if counted
    std::fill_n(seen_keys, block_rows, keys);
    // % endif
    // % if tested
    if (!__looked_at__) return { 0, KEY_TILE };
    bool fault = false;
    for (int64_t r = 0; r < block_rows; ++r) {
      [[maybe_unused]] const Index row = row_at(r0 + r), i = row + offset;
      bool* live = &space.live[r * KEY_TILE];
      // % for line in mask_query_lines
      __line__
      // % endfor
      // % if alike
      // % for line in again_lines
      __line__
      // % endfor
      if (again) std::copy_n(marked, KEY_TILE, live);
      marked = live;
      if (again) continue;
      // % endif
      // % for line in marked_lines
      __line__
      // % endfor
#pragma omp simd__fault_clause__
      for (Index x = 0; x < KEY_TILE; ++x) {
        [[maybe_unused]] const Index j = key_at<FULL>(x);
        // % for line in mask_lines
        __line__
        // % endfor
      }
      std::fill(live + keys, live + KEY_TILE, 0);
    }
    faulty |= fault;
    return live_panels(block_rows);
    // % else
    if (!FULL)
      for (int64_t x = 0; x < block_rows * KEY_TILE; ++x) space.live[x] = x % KEY_TILE < keys;
    return { 0, rounded_up(keys, PANEL) };
    // % endif
  }

  // % if tested
  Span live_panels(int64_t block_rows) {
    bool some_live[KEY_TILE] = {};  // keys that a row of the block sees
    for (int64_t r = 0; r < block_rows; ++r) {
      const bool* live = &space.live[r * KEY_TILE];
      for (int64_t x = 0; x < KEY_TILE; ++x) some_live[x] = some_live[x] | live[x];
      // % if counted
      seen_keys[r] = std::count(live, live + KEY_TILE, 1);
      // % endif
    }
    int64_t first = 0, last = KEY_TILE;
    while (first < last && !any_of(some_live, first)) first += PANEL;
    while (first < last && !any_of(some_live, last - PANEL)) last -= PANEL;
    return { first, last };
  }

  // % endif
  // The products of a block.
  void score_block_of(int64_t r0, int64_t block_rows, Span key_span) {
    const auto [first, last] = key_span;
    // % for target, place, factor, query, key in products
    // % if few
    if (call.few_rows)
      score_few(
          block_rows, &space.__query__[r0 * D], call.__key__.of(b, h) + first_key * call.__key__.token,
          call.__key__.token, D, first, std::min(last, keys), __factor__, &space.row[0],
          &space.__target__[__place__]);
    else
      score_rows(
          block_rows, __query___factors + r0 * D_factors, as_factors(__key___panels), D_factors, first, last,
          __factor__, &space.__target__[__place__]);
    // % else
    score_rows(
        block_rows, __query___factors + r0 * D_factors, as_factors(__key___panels), D_factors, first, last,
        __factor__, &space.__target__[__place__]);
    // % endif
    // % endfor
  }

  // The key tiles to visit: those whose pairs are tested, then full ones. Gives the number of the former.
  int64_t list_visits() {
    std::vector<int64_t>& walked = space.walk;
    walked.clear();
    // % for start, stop, holes in partial_runs
    for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) {
      // % for hole_start, hole_stop in holes
      if (__hole_start__ <= key_tile && key_tile < __hole_stop__) continue;
      // % endfor
      walked.push_back(key_tile);
    }
    // % endfor
    // % if listed
    walked.assign(call.tiles + starts[0], call.tiles + starts[2]);
    const int64_t partial = starts[1] - starts[0];
    // % elif periodic
    // The mask repeats: in each period a run of tiles, without those that the period before has visited.
    std::vector<int64_t>& full = space.full;
    full.clear();
    for (int64_t period = first_period; period < stop_period; ++period) {
      // % for line in period_lines
      __line__
      // % endfor
      for (int64_t key_tile = start; key_tile < full_start; ++key_tile) walked.push_back(key_tile);
      for (int64_t key_tile = full_stop; key_tile < stop; ++key_tile) walked.push_back(key_tile);
      for (int64_t key_tile = full_start; key_tile < full_stop; ++key_tile) full.push_back(key_tile);
    }
    const int64_t partial = walked.size();
    walked.insert(walked.end(), full.begin(), full.end());
    // % else
    const int64_t partial = walked.size();
    // % endif
    // % for start, stop in full_runs
    for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) walked.push_back(key_tile);
    // % endfor
    return partial;
  }
};
