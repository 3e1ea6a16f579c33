// ---- the same for few rows, for which packing keys and values would cost more than it saves

constexpr int64_t FEW_ROWS = 4;
constexpr int64_t SPAN = 2 * LANES;  // channels that are read side by side
constexpr int64_t LINE = 64;         // bytes of memory that come together
constexpr int64_t AHEAD = 12;        // keys, or values, by which memory is asked for more

// The channels of a span: as they lie, or of bfloat16 the even ones and then the odd ones, which takes no shuffles.
inline void load_span(const float* from, Floats& one, Floats& other) {
  one = load(from);
  other = load(from + LANES);
}
inline void load_span(const BFloat16* from, Floats& one, Floats& other) {
  typedef uint32_t TwoChannels __attribute__((vector_size(4 * LANES), aligned(2), may_alias));
  const TwoChannels both = *reinterpret_cast<const TwoChannels*>(from);
  one = reinterpret_cast<Floats>(both << 16);
  other = reinterpret_cast<Floats>(both & 0xffff0000u);
}
inline void load_span(const Half* from, Floats& one, Floats& other) {
  for (int lane = 0; lane < LANES; ++lane) {
    one[lane] = to_float(from[lane]);
    other[lane] = to_float(from[LANES + lane]);
  }
}

// Where a channel of a span is then.
template <typename T>
constexpr int64_t place_in_span(int64_t c) {
  return std::is_same_v<T, BFloat16> ? c / 2 + c % 2 * LANES : c;
}

// `row`: in each whole span, channels stand in the order in which the key's are loaded.
template <typename T>
inline float dot(const float* row, const T* key, int64_t D) {
  Floats sum = {}, other_sum = {}, one, other;
  int64_t d = 0;
  for (; d + SPAN <= D; d += SPAN) {
    load_span(key + d, one, other);
    sum = multiply_add(load(row + d), one, sum);
    other_sum = multiply_add(load(row + d + LANES), other, other_sum);
  }
  float total = sum_of(sum + other_sum);
  for (; d < D; ++d) total += row[d] * to_float(key[d]);
  return total;
}

// products = factor * rows . keys, for the keys `first` to `last`, whose channels lie side by side.
template <typename T>
void score_few(
    int64_t count, const float* rows, const T* keys, int64_t token, int64_t D, int64_t first, int64_t last,
    float factor, float* row, float* products) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t d = 0; d < D; ++d) {
      const int64_t start = d / SPAN * SPAN, place = start + SPAN <= D ? place_in_span<T>(d - start) : d - start;
      row[start + place] = rows[r * D + d];
    }
    for (int64_t x = first; x < last; ++x) {
      for (int64_t c = 0; c < D; c += LINE / sizeof(T)) __builtin_prefetch(keys + (x + AHEAD) * token + c);
      products[r * KEY_TILE + x] = factor * dot(row, keys + x * token, D);
    }
  }
}

// acc = acc * rescale + weights . values, for SPANS spans of channels and one row.
template <int SPANS, typename T>
inline void add_spans(
    const float* weights, const T* values, int64_t token, int64_t first, int64_t last, float rescale, float* acc) {
  Floats sums[SPANS][2] = {};
  for (int64_t x = first; x < last; ++x) {
#pragma GCC unroll 8
    for (int n = 0; n < SPANS * SPAN; n += LINE / sizeof(T)) __builtin_prefetch(values + (x + AHEAD) * token + n);
#pragma GCC unroll 8
    for (int n = 0; n < SPANS; ++n) {
      Floats one, other;
      load_span(values + x * token + n * SPAN, one, other);
      sums[n][0] = multiply_add(all(weights[x]), one, sums[n][0]);
      sums[n][1] = multiply_add(all(weights[x]), other, sums[n][1]);
    }
  }
  for (int n = 0; n < SPANS; ++n)
    for (int64_t c = 0; c < SPAN; ++c) {
      const int64_t place = place_in_span<T>(c);
      acc[n * SPAN + c] = acc[n * SPAN + c] * rescale + sums[n][place / LANES][place % LANES];
    }
}

template <typename T>
void add_few(
    int64_t count, const float* weights, const T* values, int64_t token, int64_t E, int64_t first, int64_t last,
    const float* rescale, float* acc, int64_t width) {
  for (int64_t r = 0; r < count; ++r) {
    const float* row = weights + r * KEY_TILE;
    float* target = acc + r * width;
    int64_t e = 0;
    for (; e + 4 * SPAN <= E; e += 4 * SPAN) add_spans<4>(row, values + e, token, first, last, rescale[r], target + e);
    for (; e + SPAN <= E; e += SPAN) add_spans<1>(row, values + e, token, first, last, rescale[r], target + e);
    for (; e < E; ++e) {
      float sum = 0;
      for (int64_t x = first; x < last; ++x) sum += row[x] * to_float(values[x * token + e]);
      target[e] = target[e] * rescale[r] + sum;
    }
  }
}
