// ---- sums over the queries of a tile

constexpr float ONES[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// Rows of a tile of queries as columns: as they are, or two queries together; with tiles, as rows of keys.
inline const Factor* as_columns(const float* tile, int64_t rows, Piece* pieces) {
  if constexpr (TILED)
    if (has_tiles()) return as_rows_of_keys(tile, rows, reinterpret_cast<Factor*>(pieces));
  if (!PAIRED) return reinterpret_cast<const Factor*>(tile);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t x = 0; x < KEY_TILE; ++x)
      assign(pieces[(r / DEPTH * KEY_TILE + x) * DEPTH + r % DEPTH], tile[r * KEY_TILE + x]);
  return as_factors(pieces);
}

// acc += columns . values for the keys `first_x` to `last_x` of a tile: sums over the queries `first` to `last`.
inline void add_across(
    const Factor* columns, const Factor* panels, int64_t first_x, int64_t last_x, int64_t first, int64_t last,
    float* acc, int64_t width) {
  if (TILED && has_tiles()) {  // which take 32 queries at a time; those that see no key of the tile weigh nothing
    constexpr int64_t apart = QUERY_TILE / DEPTH;
    first = first / (2 * SIDE) * (2 * SIDE), last = rounded_up(last, 2 * SIDE);
    for (int64_t x = first_x; x < last_x; x += SIDE)
      value_tiles(
          SIDE, columns + x * apart + first / DEPTH, apart, panels, first, last, ONES, acc + x * width, width);
    return;
  }
  int64_t count = 0;
  for (int64_t x = first_x; x < last_x; x += count) {
    count = next_block(last_x - x, HELD);
    const auto block = count == HELD ? value_block<HELD, true> : value_block<HELD - 1, true>;
    block(count, columns + first / DEPTH * KEY_TILE + x, KEY_TILE, panels, first, last, ONES, acc + x * width, width);
  }
}

// weights = 2^(scores - base) for the keys `first` to `last`, in place.
inline void to_weights(float* scores, int64_t first, int64_t last, float base) {
  for (int64_t x = first; x < last; x += LANES) store(scores + x, exp2_of(load(scores + x) - all(base)));
}

inline float sum_of_products(const float* x, const float* y, int64_t count) {
  Floats sums = {};
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES) sums = multiply_add(load(x + e), load(y + e), sums);
  float total = sum_of(sums);
  for (; e < count; ++e) total += x[e] * y[e];
  return total;
}

// Rows of a tile of queries, packed like values.
static_assert(QUERY_TILE <= KEY_TILE);  // panels are as high as a tile of keys
inline void pack_rows(const float* rows, int64_t count, int64_t width, Piece* panels) {
  int64_t r = 0;
  for (; r + TOGETHER <= count; r += TOGETHER) pack_values(rows + r * width, width, r, panels);
  for (; r < count; ++r) pack_value(rows + r * width, width, r, panels);
}
