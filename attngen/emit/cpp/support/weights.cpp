// ---- weights of a row

// Scores of keys that are not live become `dead`.
inline void keep_live(float* scores, const bool* live, int64_t first, int64_t last, float dead) {
  typedef int8_t Flags __attribute__((vector_size(LANES), aligned(1), may_alias));
  for (int64_t x = first; x < last; x += LANES) {
    const Ints lives = __builtin_convertvector(*reinterpret_cast<const Flags*>(live + x), Ints);
    store(scores + x, lives != 0 ? load(scores + x) : all(dead));
  }
}

// The largest of the scores and `top`.
inline float largest(const float* scores, int64_t first, int64_t last, float top) {
  Floats most = all(top);
  for (int64_t x = first; x < last; x += LANES) {
    const Floats next = load(scores + x);
    most = next > most ? next : most;
  }
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) most[lane] = std::max(most[lane], most[lane + half]);
  return most[0];
}

// What a running maximum makes of a block: scores are relative to `base`, and what was summed before is rescaled.
// Where a row has seen nothing, the maximum is -inf and the base 0.
inline void rebase(const float* top, float* base, float* rescale) {
  for (int64_t r = 0; r < BLOCK; r += LANES) {
    const Floats now = load(base + r), shift = now == all(NOTHING) ? Floats{} : now;
    store(rescale + r, exp2_of(load(top + r) - shift));
    store(base + r, shift);
  }
}

// scores = 2^(scores - base) for the keys `first` to `last`; gives their sum.
inline float exponentials(float* scores, int64_t first, int64_t last, float base) {
  Floats even = {}, odd = {};
  for (int64_t x = first; x < last; x += 2 * LANES) {
    const Floats low = exp2_of(load(scores + x) - all(base)), high = exp2_of(load(scores + x + LANES) - all(base));
    even += low;
    odd += high;
    store(scores + x, low);
    store(scores + x + LANES, high);
  }
  return sum_of(even + odd);
}

inline float total_of(const float* weights, int64_t first, int64_t last) {
  Floats total = {};
  for (int64_t x = first; x < last; x += LANES) total += load(weights + x);
  return sum_of(total);
}

// Whether any key of a panel is live.
inline bool any_of(const bool* live, int64_t first) {
  bool found = false;
  for (int64_t x = first; x < first + PANEL; ++x) found = found | live[x];
  return found;
}
