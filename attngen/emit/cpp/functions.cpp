// Functions that C++ kernels call, each copied into a generated file that needs it.

inline int64_t floor_div(int64_t x, int64_t y) {  // C++ rounds towards zero, the language down
  if (y == 0) return 0;                           // has no meaning, and must not end the process
  const int64_t quotient = x / y;
  return quotient - (x % y != 0 && (x < 0) != (y < 0));
}

inline int64_t floor_mod(int64_t x, int64_t y) {
  if (y == 0) return 0;
  const int64_t remainder = x % y;
  return remainder + (remainder != 0 && (remainder < 0) != (y < 0) ? y : 0);
}

inline int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }
inline double smaller(double x, double y) { return x < y ? x : y; }
inline float smaller(float x, float y) { return x < y ? x : y; }

inline int64_t larger(int64_t x, int64_t y) { return x > y ? x : y; }
inline double larger(double x, double y) { return x > y ? x : y; }
inline float larger(float x, float y) { return x > y ? x : y; }

inline float sine(double turns) {  // sin(2 pi turns), to 1e-7; double is for the whole turns alone
  const double halves = std::floor(turns * 2 + 0.5);
  const float rest = static_cast<float>(turns - halves * 0.5), square = rest * rest;
  const float series = 81.601004f + square * (-76.549783f + square * 39.536708f);
  const float value = rest * (6.2831852f + square * (-41.341655f + square * series));
  return halves * 0.5 == std::floor(halves * 0.5) ? value : -value;
}

inline float cosine(double turns) { return sine(turns + 0.25); }

inline int64_t inside(int64_t index, int64_t size) {  // what is read in place of what is not there counts nowhere
  return index < 0 || size == 0 ? 0 : index < size ? index : size - 1;
}

template <typename Float>
inline Float sigmoid(Float x) {
  return 1 / (1 + std::exp(-x));
}

template <typename Float>
inline Float softplus(Float x) {
  return larger(x, Float{0}) + std::log1p(std::exp(-std::abs(x)));
}

template <typename Float>
inline Float relu(Float x) {
  return x > 0 ? x : 0;
}

template <typename Float>
inline Float elu(Float x) {
  return x > 0 ? x : std::expm1(x);
}

template <typename Float>
inline Float silu(Float x) {
  return x / (1 + std::exp(-x));
}
