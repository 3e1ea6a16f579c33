// AVX-512 with products of bfloat16, for CPUs that lack them: what kernels use of it, and the macros by which they ask.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

static inline float from_bfloat16(uint32_t bits) {
  bits <<= 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint16_t to_bfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline __m512 emulated_dpbf16(__m512 sum, __m512bh x, __m512bh y) {
  uint32_t left[16], right[16];
  std::memcpy(left, &x, sizeof left);
  std::memcpy(right, &y, sizeof right);
  for (int lane = 0; lane < 16; ++lane) {
    sum[lane] += from_bfloat16(left[lane] >> 16) * from_bfloat16(right[lane] >> 16);
    sum[lane] += from_bfloat16(left[lane] & 0xffff) * from_bfloat16(right[lane] & 0xffff);
  }
  return sum;
}

static inline __m512bh emulated_cvtne2ps(__m512 high, __m512 low) {
  uint16_t rounded[32];
  for (int lane = 0; lane < 16; ++lane) {
    rounded[lane] = to_bfloat16(low[lane]);
    rounded[16 + lane] = to_bfloat16(high[lane]);
  }
  __m512bh both;
  std::memcpy(&both, rounded, sizeof both);
  return both;
}

static inline __m512i emulated_permutex2var(__m512i first, __m512i places, __m512i second) {
  uint32_t from[32], to[16], wanted[16];
  std::memcpy(from, &first, sizeof first);
  std::memcpy(from + 16, &second, sizeof second);
  std::memcpy(wanted, &places, sizeof places);
  for (int lane = 0; lane < 16; ++lane) to[lane] = from[wanted[lane] % 32];
  __m512i all;
  std::memcpy(&all, to, sizeof all);
  return all;
}

#define _mm512_permutex2var_epi32 emulated_permutex2var
#define _mm512_dpbf16_ps emulated_dpbf16
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps
#ifndef __AVX512BF16__
#define __AVX512F__ 1
#define __AVX512BF16__ 1
#endif
