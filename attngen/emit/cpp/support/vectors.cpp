// ---- vectors

#if defined(__AVX512F__)
constexpr int LANES = 16, STRIP = 4;  // floats in a vector; vectors that a product handles side by side
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int LANES = 8, STRIP = 2;
#elif defined(__ARM_FEATURE_FMA)
constexpr int LANES = 4, STRIP = 4;
#else
constexpr int LANES = 4, STRIP = 2;
#endif
constexpr int64_t PANEL = LANES * STRIP;  // keys, or channels of values, that are packed together

typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t Pairs __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Floats all(float x) { return x - Floats{}; }
inline Pairs all(uint32_t x) { return x - Pairs{}; }
inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline Pairs load(const uint32_t* from) { return *reinterpret_cast<const Pairs*>(from); }
inline void store(float* to, Floats x) { *reinterpret_cast<Floats*>(to) = x; }

// One instruction, where the CPU has one.
inline Floats multiply_add(Floats x, Floats y, Floats sum) { return x * y + sum; }
#if defined(__AVX512BF16__)
inline Floats multiply_add(Pairs x, Pairs y, Floats sum) {
  return reinterpret_cast<Floats>(_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y));
}
#endif

// While this lives, numbers below 1e-38 are 0: some CPUs take a hundred times as long for what they make of them.
struct NoDenormals {
#if defined(__SSE2__)
  const unsigned before = __builtin_ia32_stmxcsr();
  NoDenormals() { __builtin_ia32_ldmxcsr(before | 0x8040); }
  ~NoDenormals() { __builtin_ia32_ldmxcsr(before); }
#endif
};

inline float sum_of(Floats x) {
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) x[lane] += x[lane + half];
  return x[0];
}

// Each lane is the sum of two: of those of x where its number has no bit HALF, and of those of y where it has.
template <int HALF, int... LANE>
inline Floats folded(Floats x, Floats y, std::integer_sequence<int, LANE...>) {
#if defined(__clang__)
  return __builtin_shufflevector(x, y, (LANE & HALF ? LANES + LANE : LANE)...) +
         __builtin_shufflevector(x, y, ((LANE & HALF ? LANES + LANE : LANE) ^ HALF)...);
#else
  const Ints near = { (LANE & HALF ? LANES + LANE : LANE)... }, far = near ^ HALF;
  return __builtin_shuffle(x, y, near) + __builtin_shuffle(x, y, far);
#endif
}

// Lane n is the sum of all lanes of x[n].
template <int HALF = LANES / 2>
inline Floats sums_of(const Floats* x) {
  if constexpr (HALF == 0)
    return *x;
  else {
    Floats folds[HALF];
    for (int n = 0; n < HALF; ++n)
      folds[n] = folded<HALF>(x[n], x[n + HALF], std::make_integer_sequence<int, LANES>());
    return sums_of<HALF / 2>(folds);
  }
}

// 2^x for x <= 0, by a minimax polynomial on [-1/2, 1/2] (relative error 1e-7); exactly 0 from -127 down.
inline Floats exp2_of(Floats x) {
  const Floats least = all(-127.0f), rounding = all(12582912.0f);  // 1.5 * 2^23: a sum with it has no fraction
  x = x < least ? least : x;
  const Floats rounded = x + rounding, f = x - (rounded - rounding);
  Floats power = all(1.3264727e-3f);
  power = multiply_add(power, f, all(9.671513e-3f));
  power = multiply_add(power, f, all(5.5507336e-2f));
  power = multiply_add(power, f, all(2.4022242e-1f));
  power = multiply_add(power, f, all(6.93147e-1f));
  power = multiply_add(power, f, all(1.0f));
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(power) + (reinterpret_cast<Ints>(rounded) << 23));
}
