// ---- the same for few rows, for which packing keys and values would cost more than it saves

constexpr int64_t FEW_ROWS = 4;

inline Floats load_floats(const float* from) { return load(from); }
inline Floats load_floats(const BFloat16* from) {
  typedef uint16_t Bits __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
  return reinterpret_cast<Floats>(__builtin_convertvector(*reinterpret_cast<const Bits*>(from), Pairs) << 16);
}
inline Floats load_floats(const Half* from) {
  Floats x;
  for (int lane = 0; lane < LANES; ++lane) x[lane] = to_float(from[lane]);
  return x;
}

template <typename T>
inline float dot(const float* row, const T* key, int64_t D) {
  Floats even = {}, odd = {};
  int64_t d = 0;
  for (; d + 2 * LANES <= D; d += 2 * LANES) {
    even = multiply_add(load(row + d), load_floats(key + d), even);
    odd = multiply_add(load(row + d + LANES), load_floats(key + d + LANES), odd);
  }
  float sum = sum_of(even + odd);
  for (; d < D; ++d) sum += row[d] * to_float(key[d]);
  return sum;
}

// products = factor * rows . keys, for the keys `first` to `last`, whose channels lie side by side.
template <typename T>
void score_few(
    int64_t count, const float* rows, const T* keys, int64_t token, int64_t D, int64_t first, int64_t last,
    float factor, float* products) {
  for (int64_t x = first; x < last; ++x)
    for (int64_t r = 0; r < count; ++r) products[r * KEY_TILE + x] = factor * dot(rows + r * D, keys + x * token, D);
}

// acc = acc * rescale + weights . values, for VECTORS vectors of channels and one row.
template <int VECTORS, typename T>
inline void add_span(
    const float* weights, const T* values, int64_t token, int64_t first, int64_t last, float rescale, float* acc) {
  Floats sums[VECTORS] = {};
  for (int64_t x = first; x < last; ++x)
#pragma GCC unroll 8
    for (int n = 0; n < VECTORS; ++n)
      sums[n] = multiply_add(all(weights[x]), load_floats(values + x * token + n * LANES), sums[n]);
  for (int n = 0; n < VECTORS; ++n)
    store(acc + n * LANES, multiply_add(load(acc + n * LANES), all(rescale), sums[n]));
}

template <typename T>
void add_few(
    int64_t count, const float* weights, const T* values, int64_t token, int64_t E, int64_t first, int64_t last,
    const float* rescale, float* acc, int64_t width) {
  for (int64_t r = 0; r < count; ++r) {
    const float* row = weights + r * KEY_TILE;
    float* target = acc + r * width;
    int64_t e = 0;
    for (; e + 8 * LANES <= E; e += 8 * LANES) add_span<8>(row, values + e, token, first, last, rescale[r], target + e);
    for (; e + LANES <= E; e += LANES) add_span<1>(row, values + e, token, first, last, rescale[r], target + e);
    for (; e < E; ++e) {
      float sum = 0;
      for (int64_t x = first; x < last; ++x) sum += row[x] * to_float(values[x * token + e]);
      target[e] = target[e] * rescale[r] + sum;
    }
  }
}
