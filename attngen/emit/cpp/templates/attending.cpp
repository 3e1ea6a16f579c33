// ---- a query tile that sums weighted values

struct Attending : QueryTile {
  const int64_t part_index;

  // Nothing is summed yet.
  void begin() {
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
    turn_to<FULL>(key_tile);
    int64_t block_rows = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += block_rows) {
      block_rows = next_block(rows - r0, BLOCK);
      const Span key_span = mark<FULL>(r0, block_rows);
      if (key_span.first == key_span.last) continue;
      score_block_of(r0, block_rows, key_span);
      float rescale[BLOCK_LANES];
      weigh<FULL>(r0, block_rows, key_span, rescale);
      add_block_of(r0, block_rows, key_span, rescale);
    }
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

  // This task's part of the walk.
  void walk() {
    const int64_t partial = list_visits(), visits = space.walk.size();
    const int64_t first_visit = visits * part_index / call.parts, last_visit = visits * (part_index + 1) / call.parts;
    for (int64_t step = first_visit; step < std::min(partial, last_visit); ++step) visit<false>(space.walk[step]);
    for (int64_t step = std::max(partial, first_visit); step < last_visit; ++step) visit<true>(space.walk[step]);
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
  [[maybe_unused]] const NoDenormals mode;
  [[maybe_unused]] const Tiles tiles;
  Attending queries{ { call, space, b, h, tile }, part_index };
  queries.load();
  queries.begin();
  queries.walk();
  queries.give();
  return queries.faulty;
}
