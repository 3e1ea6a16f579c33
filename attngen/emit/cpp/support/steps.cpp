// ---- one token

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
// token erases. `step`: from one decay to the next, 0 where all rows decay alike.
[[gnu::noinline]] inline void write_state(
    int64_t depth, int64_t width, const float* __restrict__ state, const float* decay, int64_t step, const float* key,
    const float* value, const float* erased, const float* found, float* __restrict__ next) {
  for (int64_t c = 0; c < depth; ++c) {
    const float kept = decay[c * step], written = key[c], back = erased ? erased[c] : 0;
    const float* from = state + c * width;
    float* to = next + c * width;
    if (erased)
      for (int64_t e = 0; e < width; ++e) to[e] = kept * from[e] + (written * value[e] + back * found[e]);
    else
      for (int64_t e = 0; e < width; ++e) to[e] = kept * from[e] + written * value[e];
  }
}
