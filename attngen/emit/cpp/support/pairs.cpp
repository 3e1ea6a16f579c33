// ---- pairs of bfloat16

#if defined(__AVX512BF16__)
// Two vectors, rounded: lane by lane, the first in the low half and the second in the high one.
inline Pairs paired(Floats first, Floats second) {
  typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
  const __m512bh rounded = _mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  Halves halves[2];
  std::memcpy(halves, &rounded, sizeof rounded);
  return __builtin_convertvector(halves[0], Pairs) | __builtin_convertvector(halves[1], Pairs) << 16;
}

// Two vectors, rounded, one behind the other: pairs of neighbours.
inline Pairs neighbours(const float* from) {
  return reinterpret_cast<Pairs>(_mm512_cvtne2ps_pbh((__m512)load(from + LANES), (__m512)load(from)));
}

// 16 vectors of 16 pairs, the rows of a square, as its columns.
inline void transpose(Pairs* square) {
  Ints lanes;
  for (int lane = 0; lane < LANES; ++lane) lanes[lane] = lane;
#pragma GCC unroll 4
  for (int step = LANES / 2; step > 0; step /= 2) {
    const Ints upper = (lanes & step) != 0;
    const auto low = reinterpret_cast<__m512i>(upper ? lanes - step + LANES : lanes);
    const auto high = reinterpret_cast<__m512i>(upper ? lanes + LANES : lanes + step);
#pragma GCC unroll 16
    for (int row = 0; row < LANES; ++row) {
      if (row & step) continue;
      const auto first = reinterpret_cast<__m512i>(square[row]), second = reinterpret_cast<__m512i>(square[row + step]);
      square[row] = reinterpret_cast<Pairs>(_mm512_permutex2var_epi32(first, low, second));
      square[row + step] = reinterpret_cast<Pairs>(_mm512_permutex2var_epi32(first, high, second));
    }
  }
}
#endif
