inline double rounded(double product) {  // not to be fused with a sum: what decides is float64, step by step
#if defined(__x86_64__)
  asm("" : "+x"(product));  // compilers do not look through this
  return product;
#else
  volatile double kept = product;
  return kept;
#endif
}

template <typename X, typename Y>
inline std::common_type_t<X, Y> floor_div(X x, Y y) {  // C++ rounds towards zero, the language down
  if (y == 0) return 0;                                // has no meaning, and must not end the process
  const auto quotient = x / y;
  return quotient - (x % y != 0 && (x < 0) != (y < 0));
}

template <typename X, typename Y>
inline std::common_type_t<X, Y> floor_mod(X x, Y y) {
  if (y == 0) return 0;
  const auto remainder = x % y;
  return remainder + (remainder != 0 && (remainder < 0) != (y < 0) ? y : 0);
}

template <typename X, typename Y>
inline std::common_type_t<X, Y> smaller(X x, Y y) {
  return x < y ? x : y;
}

template <typename X, typename Y>
inline std::common_type_t<X, Y> larger(X x, Y y) {
  return x > y ? x : y;
}

inline float sine(double turns) {  // sin(2 pi turns), to 1e-7; double is for the whole turns alone
  const double halves = std::floor(turns * 2 + 0.5);
  const float rest = static_cast<float>(turns - halves * 0.5), square = rest * rest;
  const float series = 81.601004f + square * (-76.549783f + square * 39.536708f);
  const float value = rest * (6.2831852f + square * (-41.341655f + square * series));
  return halves * 0.5 == std::floor(halves * 0.5) ? value : -value;
}

inline float cosine(double turns) { return sine(turns + 0.25); }

template <typename X, typename Y>
inline std::common_type_t<X, Y> inside(X index, Y size) {  // what is read in place of what is not there counts nowhere
  return index < 0 || size == 0 ? 0 : index < size ? index : size - 1;
}

// Without branches and calls, so that loops over keys become vector code.
inline float exp_of(float x) {  // to 1e-7 of the value; 0 below the normal floats
  const float within = x < -87.3f ? -87.3f : x > 88.7f ? 88.7f : x;
  const float rounded = within * 1.442695f + 12582912.0f;  // 1.5 * 2^23: a sum with it has no fraction
  const float n = rounded - 12582912.0f, rest = within - n * 0.69314575f - n * 1.4286068e-6f;
  float power = 1.3814467e-3f;
  power = power * rest + 8.3687808e-3f;
  power = power * rest + 4.1668393e-2f;
  power = power * rest + 0.1666652f;
  power = power * rest + 0.49999994f;
  power = power * rest * rest + rest + 1.0f;
  int32_t shift, bits;
  std::memcpy(&shift, &rounded, sizeof shift);
  std::memcpy(&bits, &power, sizeof bits);
  bits += static_cast<int32_t>(static_cast<uint32_t>(shift) << 23);
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.3f ? 0.0f : x > 88.7f ? std::numeric_limits<float>::infinity() : x != x ? x : power;
}

inline float tanh_of(float x) {  // a minimax quotient, to 3e-7 of the value; beyond 8.7 it is exactly 1
  const float within = x < -8.02f ? -8.02f : x > 8.02f ? 8.02f : x, square = within * within;
  float above = 2.3390982e-11f;
  above = above * square - 1.4664026e-8f;
  above = above * square + 9.866537e-6f;
  above = above * square + 2.9846085e-3f;
  above = above * square + 0.12978078f;
  above = above * square + 1.0f;
  float below = 2.3702586e-4f;
  below = below * square + 2.402286e-2f;
  below = below * square + 0.46311393f;
  below = below * square + 1.0f;
  const float value = within * above / below;
  return x > 8.7f ? 1.0f : x < -8.7f ? -1.0f : value;
}

inline float sigmoid(float x) { return 1 / (1 + exp_of(-x)); }
inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <typename Float>
inline Float softplus(Float x) {
  return larger(x, Float{0}) + std::log1p(std::exp(-std::abs(x)));
}

template <typename Float>
inline Float relu(Float x) {
  return x > 0 ? x : 0;
}

inline double elu(double x) { return x > 0 ? x : std::expm1(x); }
inline float elu(float x) {  // e^x - 1 is to 1e-7 of the value also where that is small
  const float within = x < -17.0f ? -17.0f : x > 0 ? 0.0f : x;
  const float rounded = within * 1.442695f + 12582912.0f;
  const float n = rounded - 12582912.0f, rest = within - n * 0.69314575f - n * 1.4286068e-6f;
  float series = 1.3814467e-3f;
  series = series * rest + 8.3687808e-3f;
  series = series * rest + 4.1668393e-2f;
  series = series * rest + 0.1666652f;
  series = series * rest + 0.49999994f;
  series = series * rest * rest + rest;  // e^rest - 1
  int32_t bits;
  std::memcpy(&bits, &rounded, sizeof bits);
  bits = static_cast<int32_t>((static_cast<uint32_t>(bits) << 23) + 0x3f800000u);
  float power;  // 2^n
  std::memcpy(&power, &bits, sizeof power);
  return x > 0 ? x : x != x ? x : series * power + (power - 1.0f);
}

inline float silu(float x) { return x * sigmoid(x); }
inline double silu(double x) { return x * sigmoid(x); }
