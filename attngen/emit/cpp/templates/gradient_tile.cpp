// ---- the gradients of one query tile

struct GradientTile : QueryTile {
  KeySums& sums;

  const int64_t D_padded = rounded_up(D, LANES), E_factors = rounded_up(E, DEPTH) / DEPTH;
  const Factor* dy_factors = nullptr;
  // For each panel of keys of the tile that is visited: the rows of queries that see any of them.
  std::array<Span, KEY_TILE / PANEL> seen_by{};

  // The rows of dy, what scores are relative to, and no sums yet.
  void begin() {
    if (TILED && rows < QUERY_TILE) {  // tiles multiply what stands behind the last row
      std::fill_n(&space.dy_rows[0], KEY_TILE * rounded_up(E, PANEL), Piece{});
      // % for row in packed_queries
      std::fill_n(&space.__row___rows[0], KEY_TILE * rounded_up(D, PANEL), Piece{});
      // % endfor
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t place = (int64_t{b} * H + h) * N + row_at(r);
      float* dy = &space.dy[r * E];
      read_row(call.dy.of(b, h) + row_at(r) * call.dy.token, call.dy.channel, E, dy);
      const float share = call.stats[2 * place + 1];
      // Rounded as products take it, so that what cancels of them and of delta does.
      for (int64_t e = 0; e < E; ++e) dy[e] = as_piece(dy[e] * share);
      // % if softmax
      space.base[r] = call.stats[2 * place];
      // % endif
      // % if centred
      read_row(call.y.of(b, h) + row_at(r) * call.y.token, call.y.channel, E, &space.row[0]);
      space.delta[r] = sum_of_products(dy, &space.row[0], E);
      // % endif
      // % if softmax
      if (call.dlse) space.delta[r] -= share * call.dlse[place];
      // % endif
      // % if sink_landings
      // % for line in sink_lines
      __line__
      // % endfor
      // % for row, slope in sink_landings
      if (call.__row__) call.__row__[place] = by_sink * __slope__;
      // % endfor
      // % endif
    }
    pack_rows(&space.dy[0], rows, E, &space.dy_rows[0]);
    // % for row in steady_queries
    pack_rows(&space.__row__[0], rows, D, &space.__row___rows[0]);
    // % endfor
    dy_factors = as_factors(&space.dy[0], rows, E, &space.dy_pieces[0]);
    // % for row in queries
    std::fill_n(&space.d___row__[0], (rows + BLOCK) * D_padded, 0.0f);
    // % endfor
    // % for row in row_landings
    std::fill_n(&space.__row__[0], QUERY_TILE, 0.0f);
    // % endfor
  }

  // One key tile: scores, weights and gradients by products for all rows, which are then summed over keys (dq) and, for
  // each key, over the queries (dk, dv).
  template <bool FULL>
  void visit(int64_t key_tile) {
    turn_to<FULL>(key_tile);
    // % for row in bridges
    pack_rows(&space.__row__[0], rows, D, &space.__row___rows[0]);
    std::fill_n(&space.d___row__[0], (rows + BLOCK) * D_padded, 0.0f);
    // % endfor
    clear<FULL>();
    int64_t block_rows = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += block_rows) {
      block_rows = next_block(rows - r0, BLOCK);
      const Span key_span = mark<FULL>(r0, block_rows);
      if (key_span.first == key_span.last) continue;
      for (int64_t panel = key_span.first / PANEL; panel < key_span.last / PANEL; ++panel)
        seen_by[panel] = { std::min(seen_by[panel].first, r0), r0 + block_rows };
      score_block_of(r0, block_rows, key_span);
      // A short block spills over into the row behind it, which may be multiplied with that before it.
      std::fill(
          &space.scores[(r0 + block_rows) * KEY_TILE + key_span.first],
          &space.scores[(r0 + block_rows) * KEY_TILE + key_span.last], 0.0f);
      score_rows(
          block_rows, dy_factors + r0 * E_factors, as_factors(v_panels), E_factors, key_span.first, key_span.last, 1.0f,
          &space.dp[0]);
      differentiate<FULL>(r0, block_rows, key_span);
      if (call.dq) add_to_queries(r0, block_rows, key_span);
    }
    add_to_keys();
    // % for row in tile_bands
    if (call.__row__) add_diagonals(&space.__row__[0], &sums.__row__[0]);
    // % endfor
    // % for bridged, query, bridge in bridged_sums
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < D; ++c)
        space.d___query__[r * D_padded + c] += space.d___bridged__[r * D_padded + c] * space.__bridge__[c];
    // % endfor
  }

  // % if tile_bands
  // Sums for the diagonals of a tile, to those of its head.
  void add_diagonals(float* of_tile, double* of_heads) const {
    const int64_t first = (b * H + h) % call.panel_heads * sums.diagonals + KEY_TILE + M - 1 + first_row - first_key;
    for (int64_t x = 0; x < QUERY_TILE + KEY_TILE; ++x) of_heads[first + QUERY_TILE - 1 - x] += of_tile[x];
    std::fill_n(of_tile, QUERY_TILE + KEY_TILE, 0.0f);
  }

  // % endif
  // Pairs that no block visits weigh nothing; where two rows are multiplied together, nor does a row behind the last.
  template <bool FULL>
  void clear() {
    const int64_t first = FULL ? rows : 0;
    std::fill_n(&space.scores[first * KEY_TILE], (rows + 1 - first) * KEY_TILE, 0.0f);
    // % for d, slope in differentials
    std::fill_n(&space.__d__[first * KEY_TILE], (rows + 1 - first) * KEY_TILE, 0.0f);
    // % endfor
    seen_by.fill({ rows, 0 });
  }

  // The weights of a block, and the gradients by its products.
  template <bool FULL>
  void differentiate(int64_t r0, int64_t block_rows, Span key_span) {
    const auto [first, last] = key_span;
    for (int64_t r = 0; r < block_rows; ++r) {
      [[maybe_unused]] const Index row = row_at(r0 + r), i = row + offset;
      const bool* live = &space.live[r * KEY_TILE];
      float* scores = &space.scores[(r0 + r) * KEY_TILE];
      // % for product in separate
      const float* __product___row = &space.__product__[r * KEY_TILE];
      // % endfor
      // % for d, slope in differentials
      float* __d___row = &space.__d__[(r0 + r) * KEY_TILE];
      // % endfor
      // % for line in query_lines
      __line__
      // % endfor
      // % if pair_lines
#pragma omp simd
      for (Index x = first; x < last; ++x) {
        // % for line in pair_lines
        __line__
        // % endfor
      }
      // % endif
      if (!FULL) keep_live(scores, live, first, last, __dead__);
      // % if softmax
      to_weights(scores, first, last, space.base[r0 + r]);
      // % endif
      const float* dp_row = &space.dp[r * KEY_TILE];
      // % if centred
      const float delta = space.delta[r0 + r];
      // % endif
#pragma omp simd
      for (Index x = first; x < last; ++x) {
        const float by_score = __by_score__;
        // % for d, slope in differentials
        __d___row[x] = __slope__;
        // % endfor
      }
      // % for d, slope in differentials
      if (!FULL) keep_live(__d___row, live, first, last, 0);
      // % endfor
      // % if landing_loops
      float* of_elements = &space.of_elements[0];
      // % endif
      // % for condition, lines, handed_over in landing_loops
      if (__condition__) {
#pragma omp simd
        for (Index x = first; x < last; ++x) {
          // % for line in lines
          __line__
          // % endfor
        }
        if (!FULL) keep_live(of_elements, live, first, last, 0);
        // % for line in handed_over
        __line__
        // % endfor
      }
      // % endfor
    }
  }

  // dq += gradients . keys
  void add_to_queries(int64_t r0, int64_t block_rows, Span key_span) {
    const auto [first, last] = key_span;
    // % for d, row, key in product_sums
    add_values(
        block_rows, as_factors(&space.__d__[r0 * KEY_TILE], block_rows, KEY_TILE, &space.weights[0]),
        as_factors(__key___rows_panels), first, last, ONES, &space.d___row__[r0 * D_padded], D_padded);
    // % endfor
  }

  // dv += weights . dy, dk += gradients . queries: each for the keys of the tile, over the rows that see them.
  void add_to_keys() {
    if (call.dv) add_panels(&space.scores[0], &space.dy_rows[0], &sums.v[first_key * E_padded], E_padded);
    if (!call.dk) return;
    // % for d, row, key in product_sums
    add_panels(&space.__d__[0], &space.__row___rows[0], &sums.__key__[first_key * D_padded], D_padded);
    // % endfor
  }

  // Panels that the same rows see are handled together.
  void add_panels(const float* tile, const Piece* packed_rows, float* acc, int64_t width) {
    const Factor* columns = as_columns(tile, rounded_up(rows, DEPTH), &space.columns[0]);
    constexpr int64_t PANELS = KEY_TILE / PANEL;
    for (int64_t panel = 0, next = 0; panel < PANELS; panel = next) {
      const auto [first, last] = seen_by[panel];
      for (next = panel + 1; next < PANELS && seen_by[next].first == first && seen_by[next].last == last;) ++next;
      if (first < last)
        add_across(
            columns, as_factors(packed_rows), panel * PANEL, next * PANEL, first / DEPTH * DEPTH,
            rounded_up(last, DEPTH), acc, width);
    }
  }

  void walk() {
    const int64_t partial = list_visits(), visits = space.walk.size();
    for (int64_t step = 0; step < partial; ++step) visit<false>(space.walk[step]);
    for (int64_t step = partial; step < visits; ++step) visit<true>(space.walk[step]);
  }

  // % for row, lines in query_gradients
  // The gradients by q, from those by what was multiplied.
  void return___row__() const {
    [[maybe_unused]] const Element* q = call.q.of(b, h);
    // % for line in lines
    __line__
    // % endfor
  }

  // % endfor
  // What the walk has summed for queries.
  void give() const {
    // % for row in row_landings
    if (call.__row__)
      for (int64_t r = 0; r < rows; ++r) call.__row__[(int64_t{b} * H + h) * N + row_at(r)] = space.__row__[r];
    // % endfor
    if (!call.dq) return;
    // % for row, _ in query_gradients
    return___row__();
    // % endfor
  }
};

// True if an input was needed outside of its axes.
bool differentiate_tile(const Call& call, Index b, Index h, int64_t tile, Workspace& space, KeySums& sums) {
  [[maybe_unused]] const NoDenormals mode;
  [[maybe_unused]] const Tiles tiles;
  GradientTile queries{ { call, space, b, h, tile }, sums };
  queries.load();
  queries.begin();
  queries.walk();
  queries.give();
  return queries.faulty;
}
