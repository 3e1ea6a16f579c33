// ---- sums over the queries of a tile

constexpr float ONES[BLOCK] = {1, 1, 1, 1, 1, 1};

// Rows of a tile of queries as columns: as they are, or two queries together.
inline const Factor* as_columns(const float* tile, int64_t rows, Piece* pieces) {
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
  int64_t count = 0;
  for (int64_t x = first_x; x < last_x; x += count) {
    count = next_block(last_x - x);
    const auto block = count == BLOCK ? value_block<BLOCK, true> : value_block<BLOCK - 1, true>;
    block(count, columns + first / DEPTH * KEY_TILE + x, KEY_TILE, panels, first, last, ONES, acc + x * width, width);
  }
}

// weights = 2^(scores - base) for the keys `first` to `last`, in place.
inline void to_weights(float* scores, int64_t first, int64_t last, float base) {
  for (int64_t x = first; x < last; x += LANES) store(scores + x, exp2_of(load(scores + x) - all(base)));
}

inline float sum_of_products(const float* x, const float* y, int64_t count) {
  float total = 0;
  for (int64_t e = 0; e < count; ++e) total += x[e] * y[e];
  return total;
}
