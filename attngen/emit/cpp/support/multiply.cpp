// ---- products of tiles

// What a product multiplies: floats, or where the CPU can, pairs of bfloat16: of two channels, or of two tokens.
#if defined(__AVX512BF16__)
constexpr bool PAIRED = std::is_same_v<Element, BFloat16>;
#else
constexpr bool PAIRED = false;
#endif
using Piece = std::conditional_t<PAIRED, BFloat16, float>;
using Factor = std::conditional_t<PAIRED, uint32_t, float>;
constexpr int64_t DEPTH = PAIRED ? 2 : 1;  // pieces in a factor
constexpr int64_t BLOCK = TILED ? SIDE : HELD;  // query rows that are handled side by side
constexpr int64_t BLOCK_LANES = rounded_up(BLOCK, LANES);

inline float as_piece(float x) {
  Piece y;
  assign(y, x);
  return to_float(y);
}

inline const Factor* as_factors(const Piece* pieces) { return reinterpret_cast<const Factor*>(pieces); }

// Rows as products take them: as they are, or rounded to pairs.
inline const Factor* as_factors(const float* rows, int64_t count, int64_t width, Piece* pieces) {
  if (!PAIRED) return reinterpret_cast<const Factor*>(rows);
  const int64_t step = rounded_up(width, DEPTH);
  for (int64_t r = 0; r < count; ++r) {
    int64_t c = 0;
#if defined(__AVX512BF16__)
    for (; c + 2 * LANES <= width; c += 2 * LANES) {
      const Pairs rounded = neighbours(rows + r * width + c);
      std::memcpy(pieces + r * step + c, &rounded, sizeof rounded);
    }
#endif
    for (; c < width; ++c) assign(pieces[r * step + c], rows[r * width + c]);
  }
  return as_factors(pieces);
}

// How many keys or values, one row after the other, are packed together.
constexpr int64_t TOGETHER = PAIRED ? LANES : 1;

// Keys from x on, D channels: panels of PANEL keys, in each of them one factor of all its keys after the other.
inline void pack_keys(const float* rows, int64_t D, int64_t x, Piece* panels) {
  Piece* panel = panels + x / PANEL * rounded_up(D, DEPTH) * PANEL + x % PANEL * DEPTH;
  int64_t start = 0;
#if defined(__AVX512BF16__)
  if constexpr (PAIRED)
    for (; start + 2 * LANES <= D; start += 2 * LANES) {
      Pairs square[LANES];
      for (int64_t row = 0; row < LANES; ++row) square[row] = neighbours(rows + row * D + start);
      transpose(square);
      for (int64_t pair = 0; pair < LANES; ++pair)
        std::memcpy(panel + (start + 2 * pair) * PANEL, &square[pair], sizeof square[pair]);
    }
#endif
  for (int64_t row = 0; row < TOGETHER; ++row)
    for (int64_t d = start; d < D; ++d)
      assign(panel[d / DEPTH * DEPTH * PANEL + row * DEPTH + d % DEPTH], rows[row * D + d]);
}

// Value x of a tile, E channels: panels of PANEL channels, in each of them one factor of all its channels after the
// other.
inline void pack_value(const float* row, int64_t E, int64_t x, Piece* panels) {
  for (int64_t first = 0; first < E; first += PANEL) {
    Piece* panel = panels + (first * KEY_TILE / DEPTH + x / DEPTH * PANEL) * DEPTH + x % DEPTH;
    const int64_t count = std::min(PANEL, E - first);
    for (int64_t e = 0; e < count; ++e) assign(panel[e * DEPTH], row[first + e]);
  }
}

// Values from x on.
inline void pack_values(const float* rows, int64_t E, int64_t x, Piece* panels) {
  int64_t first = 0;
#if defined(__AVX512BF16__)
  if constexpr (PAIRED)
    for (; first + LANES <= E; first += LANES)
      for (int64_t row = 0; row < TOGETHER; row += DEPTH) {
        const Pairs both = paired(load(rows + row * E + first), load(rows + (row + 1) * E + first));
        const int64_t panel = first / PANEL * PANEL * (KEY_TILE / DEPTH) + (x + row) / DEPTH * PANEL;
        std::memcpy(panels + (panel + first % PANEL) * DEPTH, &both, sizeof both);
      }
#endif
  for (int64_t row = 0; row < TOGETHER; ++row)
    for (int64_t e = first; e < E; ++e) {
      const int64_t panel = e / PANEL * PANEL * (KEY_TILE / DEPTH) + (x + row) / DEPTH * PANEL;
      assign(panels[(panel + e % PANEL) * DEPTH + (x + row) % DEPTH], rows[row * E + e]);
    }
}

// products = factor * rows . keys, for the keys `first` to `last` of a tile, both multiples of PANEL.
template <int ROWS>
[[gnu::noinline]] void score_block(
    const Factor* rows, const Factor* panels, int64_t depth, int64_t first, int64_t last, float factor,
    float* products) {
  for (int64_t x = first; x < last; x += PANEL)
    multiply<ROWS, STRIP>(depth, rows, depth, panels + x * depth, PANEL, [&](int r, int n, Floats sum) {
      store(products + r * KEY_TILE + x + n * LANES, all(factor) * sum);
    });
}

inline void score_rows(
    int64_t count, const Factor* rows, const Factor* panels, int64_t depth, int64_t first, int64_t last, float factor,
    float* products) {
  if constexpr (TILED)
    if (depth % SIDE == 0 && has_tiles()) {
      alignas(64) float sums[SIDE * PANEL];
      for (int64_t x = first; x < last; x += PANEL) {
        const Factor* panel = panels + x * depth;
        if (count == SIDE && factor == 1) {
          multiply_tiles<false>(depth / SIDE, STRIP, rows, depth, panel, products + x, KEY_TILE);
          continue;
        }
        multiply_tiles<false>(depth / SIDE, STRIP, rows, depth, panel, sums, PANEL);
        for (int64_t r = 0; r < count; ++r)
          for (int64_t lane = 0; lane < PANEL; lane += LANES)
            store(products + r * KEY_TILE + x + lane, all(factor) * load(sums + r * PANEL + lane));
      }
      return;
    }
  for (int64_t r = 0, taken = 0; r < count; r += taken) {
    taken = next_block(count - r, HELD);
    const auto block = taken == HELD ? score_block<HELD> : score_block<HELD - 1>;
    block(rows + r * depth, panels, depth, first, last, factor, products + r * KEY_TILE);
  }
}

// acc = acc * rescale + weights . values, for one panel of channels. Rows beyond `count` are there for the block alone.
template <int ROWS, bool ACROSS, int VECTORS = STRIP>
inline void value_panel(
    int64_t count, int64_t vectors, int64_t depth, const Factor* weights, int64_t stride, const Factor* panel,
    const float* rescale, float* acc, int64_t width) {
  if constexpr (VECTORS > 1)
    if (vectors < VECTORS)
      return value_panel<ROWS, ACROSS, VECTORS - 1>(
          count, vectors, depth, weights, stride, panel, rescale, acc, width);
  multiply<ROWS, VECTORS, ACROSS>(depth, weights, stride, panel, PANEL, [&](int r, int n, Floats sum) {
    if (r >= count) return;
    float* target = acc + r * width + n * LANES;
    store(target, multiply_add(load(target), all(rescale[r]), sum));  // by tile: one long sum would lose digits
  });
}

// The same for all channels, and the rows `first` to `last` of what was packed.
template <int ROWS, bool ACROSS = false>
[[gnu::noinline]] void value_block(
    int64_t count, const Factor* weights, int64_t stride, const Factor* panels, int64_t first, int64_t last,
    const float* rescale, float* acc, int64_t width) {
  for (int64_t e = 0; e < width; e += PANEL)
    value_panel<ROWS, ACROSS>(
        count, (width - e) / LANES, (last - first) / DEPTH, weights, stride,
        panels + e * (KEY_TILE / DEPTH) + first / DEPTH * PANEL, rescale, acc + e, width);
}

// The same with tiles, for at most 16 rows.
inline void value_tiles(
    int64_t count, const Factor* weights, int64_t stride, const Factor* panels, int64_t first, int64_t last,
    const float* rescale, float* acc, int64_t width) {
  if constexpr (TILED) {
    alignas(64) float sums[SIDE * PANEL];
    const int64_t steps = (last - first) / DEPTH / SIDE;
    // Maxima change seldom; then sums go on where they stand.
    const bool added = count == SIDE && std::all_of(rescale, rescale + SIDE, [](float each) { return each == 1; });
    for (int64_t e = 0; e < width; e += PANEL) {
      const int64_t channels = std::min(PANEL, width - e);
      const Factor* panel = panels + e * (KEY_TILE / DEPTH) + first / DEPTH * PANEL;
      if (added) {
        multiply_tiles<true>(steps, channels / LANES, weights, stride, panel, acc + e, width);
        continue;
      }
      multiply_tiles<false>(steps, channels / LANES, weights, stride, panel, sums, PANEL);
      for (int64_t r = 0; r < count; ++r)
        for (int64_t lane = 0; lane < channels; lane += LANES) {
          float* target = acc + r * width + e + lane;
          store(target, multiply_add(load(target), all(rescale[r]), load(sums + r * PANEL + lane)));
        }
    }
  }
}

inline void add_values(
    int64_t count, const Factor* weights, const Factor* panels, int64_t first, int64_t last, const float* rescale,
    float* acc, int64_t width) {
  weights += first / DEPTH;
  constexpr int64_t apart = KEY_TILE / DEPTH;
  if (TILED && has_tiles()) return value_tiles(count, weights, apart, panels, first, last, rescale, acc, width);
  for (int64_t r = 0, taken = 0; r < count; r += taken) {
    taken = next_block(count - r, HELD);
    const auto block = taken == HELD ? value_block<HELD> : value_block<HELD - 1>;
    block(taken, weights + r * apart, apart, panels, first, last, rescale + r, acc + r * width, width);
  }
}
