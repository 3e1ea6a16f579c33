// ---- one token

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

constexpr int64_t FAR = int64_t{1} << 24;  // floats of all states that no cache holds

// To memory past caches, which would read each line before it is written over.
inline void write_far(const float* from, int64_t count, float* to) {
#if defined(__SSE2__)
  if (reinterpret_cast<uintptr_t>(to) % 16 == 0 && count % 4 == 0) {
    for (int64_t n = 0; n < count; n += 4) _mm_stream_ps(to + n, _mm_loadu_ps(from + n));
    return;
  }
#endif
  std::copy_n(from, count, to);
}

// What a row reads of a state: read[e] = sum of row[c] * state[c][e].
[[gnu::noinline]] inline void read_state(
    int64_t depth, int64_t width, const float* row, const float* __restrict__ state, float* __restrict__ read) {
  std::fill_n(read, width, 0.0f);
  int64_t c = 0;
  for (; c + 4 <= depth; c += 4) {  // four rows at once, for sums go through memory
    const float *first = state + c * width, *second = first + width, *third = second + width, *fourth = third + width;
    for (int64_t e = 0; e < width; ++e)
      read[e] += row[c] * first[e] + row[c + 1] * second[e] + (row[c + 2] * third[e] + row[c + 3] * fourth[e]);
  }
  for (; c < depth; ++c)
    for (int64_t e = 0; e < width; ++e) read[e] += row[c] * state[c * width + e];
}

// A state behind its next token: next[c][e] = decay[c] * state[c][e] + key[c] * value[e], and erased[c] * found[e] if a
// token erases; and what `row` reads of it, if there is one. `step`: from one decay to the next, 0 where all rows decay
// alike. `line` is room for a row on its way past caches, null where caches hold the states.
template <bool ERASES, bool READS>
[[gnu::noinline]] void write_state(
    int64_t depth, int64_t width, const float* __restrict__ state, const float* decay, int64_t step, const float* key,
    const float* __restrict__ value, const float* erased, const float* __restrict__ found, float* __restrict__ next,
    const float* row, float* __restrict__ read, float* line) {
  if (READS) std::fill_n(read, width, 0.0f);
  for (int64_t c = 0; c < depth; ++c) {
    const float kept = decay[c * step], written = key[c], back = ERASES ? erased[c] : 0, by = READS ? row[c] : 0;
    const float* __restrict__ from = state + c * width;
    float* __restrict__ to = line ? line : next + c * width;
    for (int64_t e = 0; e < width; ++e) {
      const float now = kept * from[e] + (ERASES ? written * value[e] + back * found[e] : written * value[e]);
      to[e] = now;
      if (READS) read[e] += by * now;
    }
    if (line) write_far(line, width, next + c * width);
  }
#if defined(__SSE2__)
  if (line) _mm_sfence();  // whoever reads next finds all of it
#endif
}
