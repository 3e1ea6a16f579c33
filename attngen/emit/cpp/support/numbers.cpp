// ---- numbers

struct BFloat16 {
  uint16_t bits;
};
using Half = _Float16;
using Element = ELEMENT;  // of q, k, v and y
using Index = INDEX;      // of positions

// Whether the CPU multiplies tiles of 16 rows of 16 pairs at once (AMX).
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
constexpr bool TILED = std::is_same_v<Element, BFloat16>;
#else
constexpr bool TILED = false;
#endif

inline float to_float(float x) { return x; }
inline float to_float(Half x) { return static_cast<float>(x); }
inline float to_float(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float y;
  std::memcpy(&y, &bits, sizeof y);
  return y;
}

inline void assign(float& y, float x) { y = x; }
inline void assign(Half& y, float x) { y = static_cast<Half>(x); }
inline void assign(BFloat16& y, float x) {  // rounds to nearest, ties to even; a NaN stays one
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  y.bits = static_cast<uint16_t>(x != x ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <typename T>
void read_row(const T* row, int64_t step, int64_t count, float* target) {  // `step`: from one channel to the next
  if (step == 1)
    for (int64_t c = 0; c < count; ++c) target[c] = to_float(row[c]);
  else
    for (int64_t c = 0; c < count; ++c) target[c] = to_float(row[c * step]);
}
