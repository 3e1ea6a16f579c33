// The multiply-adds that this CPU can do at most, with operands from the first-level cache.

#include <cstdint>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
constexpr int CHAINS = 12, SIZE = 1024;
typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

}  // namespace

// Runs `rounds` times over 4 KB on each thread; gives the floating-point operations that were done.
extern "C" double multiply_add(int64_t rounds, int64_t threads, float* sink) {
#pragma omp parallel for num_threads(threads)
  for (int64_t thread = 0; thread < threads; ++thread) {
    float data[SIZE];
    for (int k = 0; k < SIZE; ++k) data[k] = 1e-6f * k;
    Floats sums[CHAINS];
    for (int n = 0; n < CHAINS; ++n) sums[n] = 1.0f * n - Floats{};  // not alike, or one chain would do for all
    const Floats factor = 0.5f - Floats{};
    for (int64_t round = 0; round < rounds; ++round) {
      for (int k = 0; k < SIZE; k += LANES) {
        const Floats value = *reinterpret_cast<const Floats*>(data + k);
#pragma GCC unroll 12
        for (int n = 0; n < CHAINS; ++n) sums[n] = factor * value + sums[n];
      }
    }
    for (const Floats& sum : sums) sink[thread] += sum[0];
  }
  return 2.0 * rounds * SIZE * CHAINS * threads;
}
