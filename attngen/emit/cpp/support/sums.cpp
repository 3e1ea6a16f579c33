// ---- sums of products, held in registers

// ROWS rows times VECTORS vectors of a panel whose factors are `apart`; `take` gets each sum with its row and vector.
// ACROSS: the rows are the columns of what is given.
template <int ROWS, int VECTORS, bool ACROSS = false, typename T, typename Take>
inline void multiply(int64_t depth, const T* rows, int64_t stride, const T* panel, int64_t apart, Take take) {
  Floats sums[ROWS][VECTORS] = {};
#pragma GCC unroll 4
  for (int64_t step = 0; step < depth; ++step) {
    decltype(load(panel)) column[VECTORS];
#pragma GCC unroll 8
    for (int n = 0; n < VECTORS; ++n) column[n] = load(panel + step * apart + n * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const auto factor = all(ACROSS ? rows[step * stride + r] : rows[r * stride + step]);
#pragma GCC unroll 8
      for (int n = 0; n < VECTORS; ++n) sums[r][n] = multiply_add(factor, column[n], sums[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
    for (int n = 0; n < VECTORS; ++n) take(r, n, sums[r][n]);
}
