// ---- products of the CPU's own tiles

constexpr int64_t SIDE = 16;  // rows of a tile, and factors of a row

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
// Whether the system gives tiles to this process, which has to ask for them: their registers are large.
inline bool has_tiles() {
  constexpr int REQUEST = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool given = TILED && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
  return given;
}

// What a thread has while it works with tiles, all of them of 16 rows.
struct Tiles {
  struct alignas(64) Shapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = { 64, 64, 64, 64, 64, 64, 64, 64 };
    uint8_t rows[16] = { SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE };
  };
  Tiles() {
    const Shapes shapes;
    if (has_tiles()) _tile_loadconfig(&shapes);
  }
  ~Tiles() {
    if (has_tiles()) _tile_release();
  }
};

// sums += rows . panel over 16 `steps` factors, for 16 rows, `width` apart, and the first `vectors` times 16 columns.
template <bool ADDED, typename T>
inline void multiply_tiles(
    int64_t steps, int64_t vectors, const T* rows, int64_t stride, const T* panel, float* sums, int64_t width) {
  const int64_t bytes = width * sizeof *sums;
  if (ADDED) {
    _tile_loadd(0, sums, bytes);
    if (vectors > 1) _tile_loadd(1, sums + SIDE, bytes);
    if (vectors > 2) _tile_loadd(2, sums + 2 * SIDE, bytes);
    if (vectors > 3) _tile_loadd(3, sums + 3 * SIDE, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < steps; ++step) {
    const T* columns = panel + step * SIDE * PANEL;
    _tile_loadd(4, rows + step * SIDE, stride * sizeof *rows);
    _tile_loadd(5, columns, PANEL * sizeof *rows);
    _tile_dpbf16ps(0, 4, 5);
    if (vectors == 1) continue;
    _tile_loadd(6, columns + SIDE, PANEL * sizeof *rows);
    _tile_dpbf16ps(1, 4, 6);
    if (vectors == 2) continue;
    _tile_loadd(5, columns + 2 * SIDE, PANEL * sizeof *rows);
    _tile_dpbf16ps(2, 4, 5);
    if (vectors == 3) continue;
    _tile_loadd(6, columns + 3 * SIDE, PANEL * sizeof *rows);
    _tile_dpbf16ps(3, 4, 6);
  }
  _tile_stored(0, sums, bytes);
  if (vectors > 1) _tile_stored(1, sums + SIDE, bytes);
  if (vectors > 2) _tile_stored(2, sums + 2 * SIDE, bytes);
  if (vectors > 3) _tile_stored(3, sums + 3 * SIDE, bytes);
}

// The first `rows` rows of a tile of queries as rows of keys, QUERY_TILE pieces each; zeros stand for other queries.
template <typename T>
inline const T* as_rows_of_keys(const float* tile, int64_t rows, T* factors) {
  for (int64_t r = 0; r < rows; r += 2 * SIDE)
    for (int64_t x = 0; x < KEY_TILE; x += SIDE) {
      Pairs square[SIDE];
      for (int64_t pair = 0; pair < SIDE; ++pair) {
        const float* row = tile + (r + 2 * pair) * KEY_TILE + x;
        square[pair] = r + 2 * pair < rows ? paired(load(row), load(row + KEY_TILE)) : Pairs{};
      }
      transpose(square);
      for (int64_t key = 0; key < SIDE; ++key)
        std::memcpy(factors + (x + key) * (QUERY_TILE / 2) + r / 2, &square[key], sizeof square[key]);
    }
  return factors;
}
#else
inline bool has_tiles() { return false; }
struct Tiles {};
template <bool ADDED, typename T>
void multiply_tiles(int64_t, int64_t, const T*, int64_t, const T*, float*, int64_t);
template <typename T>
const T* as_rows_of_keys(const float*, int64_t, T*);
#endif
