// ---- one query tile of one head, on its way through the keys

struct Span {  // keys of a tile
  int64_t first, last;
};

struct QueryTile {
  const Call& call;
  Workspace& space;
  const Index b, h;
  const int64_t tile, part_index;

  [[maybe_unused]] const Index B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t first_row = tile * QUERY_TILE;
  const int64_t rows = std::min<int64_t>(QUERY_TILE, N - first_row);
  const int64_t offset = call.offsets[b];
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
  // % for row in keys
  Piece* __row___panels = nullptr;
  // % endfor
  Piece* v_panels = nullptr;
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

  // The rows of queries, as products take them; nothing is summed yet.
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
    std::fill_n(&space.acc[0], (rows + BLOCK) * E_padded, 0.0f);
    std::fill_n(space.sums.begin(), rows, Sums{});
    // % if sink
    if (part_index == 0) std::fill_n(space.sums.begin(), rows, Sums{ __sink__, 1 });
    // % endif
  }

  // One key tile: __visit_summary__.
  // A block of rows is handled side by side, for the keys that any of them sees.
  template <bool FULL>
  void visit(int64_t key_tile) {
    first_key = key_tile * KEY_TILE;
    keys = FULL ? KEY_TILE : std::min<int64_t>(KEY_TILE, M - first_key);
    if (!call.few_rows) pack<FULL>(key_tile);
    // % if prepared
    prepare<FULL>();
    // % endif
    int64_t block_rows = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += block_rows) {
      block_rows = next_block(rows - r0);
      const Span key_span = mark<FULL>(r0, block_rows);
      if (key_span.first == key_span.last) continue;
      score_block_of(r0, block_rows, key_span);
      float rescale[BLOCK_LANES];
      weigh<FULL>(r0, block_rows, key_span, rescale);
      add_block_of(r0, block_rows, key_span, rescale);
    }
  }

  // Keys and values as products take them, unless this thread has packed them before.
  template <bool FULL>
  void pack(int64_t key_tile) {
    const int64_t panel_slot = key_tile % space.slots, panel_head = (b * H + h) / call.panel_heads;
    const int64_t panel_owner = panel_head * ((M + KEY_TILE - 1) / KEY_TILE) + key_tile;
    // % for row in keys
    __row___panels = &space.__row__[panel_slot * KEY_TILE * D_factors * DEPTH];
    // % endfor
    v_panels = &space.v[panel_slot * KEY_TILE * rounded_up(E, PANEL)];
    if (space.owner[panel_slot] == panel_owner) return;
    // % for row in keys
    const auto* __row__ = call.__row__.of(b, h);
    // % endfor
    const Element* v = call.v.of(b, h);
    for (int64_t x = 0; x < KEY_TILE; ++x) {
      // % for row in keys
      read_row(__row__ + key_at<FULL>(x) * call.__row__.token, call.__row__.channel, D, &space.row[0]);
      pack_key(&space.row[0], D, x, __row___panels);
      // % endfor
      read_row(v + key_at<FULL>(x) * call.v.token, call.v.channel, E, &space.row[0]);
      pack_value(&space.row[0], E, x, v_panels);
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
    // % for target, factor, query, key in products
    if (call.few_rows)
      score_few(
          block_rows, &space.__query__[r0 * D], call.__key__.of(b, h) + first_key * call.__key__.token,
          call.__key__.token, D, first, std::min(last, keys), __factor__, &space.row[0],
          &space.__target__[0]);
    else
      score_rows(
          block_rows, __query___factors + r0 * D_factors, as_factors(__key___panels), D_factors, first, last,
          __factor__, &space.__target__[0]);
    // % endfor
  }

  // The weights of a block from its products, and how much what was summed before counts from now on.
  template <bool FULL>
  void weigh(int64_t r0, int64_t block_rows, Span key_span, float* rescale) {
    // % if softmax
    float top[BLOCK_LANES], base[BLOCK_LANES];  // the largest scores before this tile, and with it
    std::fill_n(top, BLOCK_LANES, NOTHING);
    std::fill_n(base, BLOCK_LANES, NOTHING);
    // % else
    std::fill_n(rescale, BLOCK_LANES, 1.0f);
    // % endif
    for (int64_t r = 0; r < block_rows; ++r) {
      [[maybe_unused]] const Index row = row_at(r0 + r), i = row + offset;
      const bool* live = &space.live[r * KEY_TILE];
      float* scores = &space.scores[r * KEY_TILE];
      // % for product in separate
      const float* __product___row = &space.__product__[r * KEY_TILE];
      // % endfor
      // % for line in query_lines
      __line__
      // % endfor
      // % if pair_lines
#pragma omp simd
      for (Index x = key_span.first; x < key_span.last; ++x) {
        // % for line in pair_lines
        __line__
        // % endfor
      }
      // % endif
      if (!FULL) keep_live(scores, live, key_span.first, key_span.last, __dead__);
      // % if softmax
      top[r] = space.sums[r0 + r].top;
      base[r] = space.sums[r0 + r].top = largest(scores, key_span.first, key_span.last, top[r]);
      // % endif
      // % if summed
      space.sums[r0 + r].total += total_of(scores, key_span.first, key_span.last);
      // % endif
      // % if counted
      space.sums[r0 + r].seen += seen_keys[r];
      // % endif
    }
    // % if softmax
    rebase(top, base, rescale);
    for (int64_t r = 0; r < block_rows; ++r) {
      float& total = space.sums[r0 + r].total;
      total = total * rescale[r] + exponentials(&space.scores[r * KEY_TILE], key_span.first, key_span.last, base[r]);
    }
    // % endif
  }

  // The weighted values of a block.
  void add_block_of(int64_t r0, int64_t block_rows, Span key_span, const float* rescale) {
    const auto [first, last] = key_span;
    const float* scores = &space.scores[0];
    float* acc = &space.acc[r0 * E_padded];
    if (call.few_rows) {
      const Element* v = call.v.of(b, h) + first_key * call.v.token;
      add_few(block_rows, scores, v, call.v.token, E, first, std::min(last, keys), rescale, acc, E_padded);
    } else {
      const Factor* weights = as_factors(scores, block_rows, KEY_TILE, &space.weights[0]);
      add_values(block_rows, weights, as_factors(v_panels), first, last, rescale, acc, E_padded);
    }
  }

  // This task's part of the walk: tiles whose pairs are tested, then full ones.
  void walk() {
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
    const int64_t visits = walked.size(), first_visit = visits * part_index / call.parts;
    const int64_t last_visit = visits * (part_index + 1) / call.parts;
    for (int64_t step = first_visit; step < std::min(partial, last_visit); ++step) visit<false>(walked[step]);
    for (int64_t step = std::max(partial, first_visit); step < last_visit; ++step) visit<true>(walked[step]);
  }

  // What the walk has found, to the call's outputs or, where tasks share a walk, to where it is merged.
  void give() const {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = (int64_t{b} * H + h) * N + row_at(r);
      const float* acc = &space.acc[r * E_padded];
      if (call.parts == 1) {
        finish(call, h, row, space.sums[r], acc);
      } else {
        const int64_t place = part_index * B * H * N + row;
        call.part_sums[place] = space.sums[r];
        std::copy_n(acc, E, call.part_acc + place * E);
      }
    }
  }
};

// True if an input was needed outside of its axes.
bool attend(const Call& call, Index b, Index h, int64_t tile, int64_t part_index, Workspace& space) {
  QueryTile queries{ call, space, b, h, tile, part_index };
  queries.load();
  queries.walk();
  queries.give();
  return queries.faulty;
}
