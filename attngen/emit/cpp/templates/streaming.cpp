// __summary__
//
// % for line in equation
//     __line__
// % endfor
//
// __header__
// Don't edit it: change the spec and compile that again.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace {

constexpr int64_t QUERY_TILE = __query_tile__;
constexpr int64_t KEY_TILE = __key_tile__;
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

// ---- numbers

struct BFloat16 {
  uint16_t bits;
};
using Half = _Float16;

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

// 2^x for x <= 0, by a minimax polynomial on [-1/2, 1/2], to 1e-7; 0 below the normal floats.
inline float exp2_fast(float x) {
  const float whole = std::nearbyint(x > -126.0f ? x : -126.0f);
  const float f = x - whole;
  float p = 1.5345811e-4f;
  p = p * f + 1.3399931e-3f;
  p = p * f + 9.618489e-3f;
  p = p * f + 5.5503286e-2f;
  p = p * f + 2.4022646e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -126.0f ? 0.0f : p * power;
}

// % if functions
__functions__
// % endif
// ---- what a call gives

template <typename Element>
struct Rows {  // [B, heads, tokens, channels]; head h reads head h / share
  const Element* data;
  int64_t batch, head, token, channel, share;

  const Element* of(int64_t b, int64_t h) const { return data + b * batch + h / share * head; }
};

// % if inputs
template <typename Element>
struct Input {  // a tensor with a stride for each axis; head h reads head h / share
  const Element* data;
  int64_t stride[__most_axes__], share;

  template <typename... Index>
  Element operator()(Index... index) const {
    int64_t place = 0;
    const int64_t* step = stride;
    ((place += index * *step++), ...);
    return data[place];
  }
};

// % endif
template <typename Element>
struct Call {
  Rows<Element> q, k, v;
  // % for row, heads, share in key_rows
  Rows<float> __row__;  // [B, heads, M, D], computed ahead
  // % endfor
  Element* y;              // [B, H, N, E], contiguous
  // % if softmax
  float* lse;              // [B, H, N], contiguous
  // % endif
  const int64_t* offsets;  // the position of query row 0, one for each batch row
  // % if listed
  const int32_t* tiles;    // the key tiles of each query tile, one query tile after the other
  const int64_t* starts;   // for each query tile: where its tiles begin, where its full ones begin, and their end
  int64_t starts_batch, starts_head;
  // % endif
  // % if ordered
  const int32_t *query_order, *key_order;  // tokens in the order of the walk; as they lie if null
  int64_t query_order_batch, query_order_head, key_order_batch, key_order_head;
  // % endif
  int64_t B, H, N, M, D, E, threads;
  // % for field in fields
  __field__;
  // % endfor
};

struct Workspace {  // the tiles of one thread
  std::vector<float> __workspace_vectors__, scores, sum, acc, top, total;
  // % if counted
  std::vector<int64_t> seen = std::vector<int64_t>(QUERY_TILE);  // live keys of each row
  // % endif

  Workspace(int64_t D, int64_t E)
      // % for line in workspace_sizes
      __line__
      // % endfor
        scores(QUERY_TILE * KEY_TILE),
        sum(E),
        acc(QUERY_TILE * E),
        top(QUERY_TILE),
        total(QUERY_TILE) {}
};

struct Partial {};  // a key tile whose pairs are tested
struct Full {};     // a key tile whose pairs are all live

// % if row_functions
__row_functions__
// % endif
// ---- one query tile of one head; true if an input was needed outside of its axes

template <typename Element>
bool attend(const Call<Element>& call, int64_t b, int64_t h, int64_t tile, Workspace& space) {
  [[maybe_unused]] const int64_t B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t first_row = tile * QUERY_TILE;
  const int64_t rows = std::min(QUERY_TILE, N - first_row);
  const int64_t offset = call.offsets[b];
  bool fault = false;
  // % if listed
  const int64_t* starts = call.starts + b * call.starts_batch + h * call.starts_head + tile * 3;
  // % endif
  // % if ordered

  // Tokens may be walked in another order than their own; then what stands in a slot is looked up.
  const int32_t* query_order = call.query_order + b * call.query_order_batch + h * call.query_order_head;
  const int32_t* key_order = call.key_order + b * call.key_order_batch + h * call.key_order_head;
  auto row_at = [&](int64_t slot) -> int64_t { return call.query_order ? query_order[slot] : slot; };
  auto key_at = [&](int64_t slot) -> int64_t { return call.key_order ? key_order[slot] : slot; };
  // % endif

  // % if not listed
  // Positions stand in the key sequence: this tile holds the queries q0 to q1.
  [[maybe_unused]] const int64_t q0 = first_row + offset, q1 = first_row + rows - 1 + offset;
  // % endif
  // % for line in head_lines
  __line__
  // % endfor
  // % if bridges
  // Rows that grow with the position are relative to an anchor, so that none overflows.
  const int64_t query_anchor = first_row + QUERY_TILE / 2 + offset;
  // % endif
  // % for line in bridge_head_lines
  __line__
  // % endfor

  const Element* q = call.q.of(b, h);
  // % if "q" in queries
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t d = 0; d < D; ++d)
      space.q[r * D + d] = to_float(q[(__row_place__) * call.q.token + d * call.q.channel]);
  // % endif
  // % for line in query_row_lines
  __line__
  // % endfor

  std::fill_n(space.acc.begin(), rows * E, 0.0f);
  // % if softmax
  std::fill_n(space.top.begin(), rows, __initial_top__);
  std::fill_n(space.total.begin(), rows, __initial_total__);
  // % endif
  // % if summed
  std::fill_n(space.total.begin(), rows, 0.0f);
  // % endif
  // % if counted
  std::fill_n(space.seen.begin(), rows, 0);
  // % endif

  // One key tile: __visit_summary__.
  auto visit = [&](int64_t key_tile, auto kind) {
    constexpr bool FULL = std::is_same_v<decltype(kind), Full>;
    const int64_t first_key = key_tile * KEY_TILE;
    const int64_t keys = FULL ? KEY_TILE : std::min(KEY_TILE, M - first_key);
    const Element* v = call.v.of(b, h);
    // % for row in keys
    const auto* __row__ = call.__row__.of(b, h);
    for (int64_t x = 0; x < keys; ++x) {
      const auto* key = __row__ + (__key_place__) * call.__row__.token;
      for (int64_t d = 0; d < D; ++d) space.__row__[d * KEY_TILE + x] = to_float(key[d * call.__row__.channel]);
    }
    // % endfor
    for (int64_t x = 0; x < keys; ++x)
      for (int64_t e = 0; e < E; ++e)
        space.v[x * E + e] = to_float(v[(__key_place__) * call.v.token + e * call.v.channel]);
    // % for line in key_lines
    __line__
    // % endfor
    // % if bridges
    const int64_t key_anchor = first_key / __keys_per_anchor__ * __keys_per_anchor__ + __keys_per_anchor__ / 2;
    // % endif
    // % for line in bridge_lines
    __line__
    // % endfor

    for (int64_t r = 0; r < rows; ++r) {
      [[maybe_unused]] const int64_t row = __row_place__, i = row + offset;
      float* scores = &space.scores[r * KEY_TILE];
      // % for product, query, key in products
      float __product___row[KEY_TILE] = {};
      for (int64_t d = 0; d < D; ++d) {
        const float channel = space.__query__[r * D + d];
        const float* column = &space.__key__[d * KEY_TILE];
#pragma omp simd
        for (int64_t x = 0; x < KEY_TILE; ++x) __product___row[x] += channel * column[x];
      }
      // % endfor
      // % for line in query_lines
      __line__
      // % endfor
#pragma omp simd
      for (int64_t x = 0; x < keys; ++x) {
        [[maybe_unused]] const int64_t j = __key_place__;
        // % for product, query, key in products
        [[maybe_unused]] const float __product__ = __product___row[x];
        // % endfor
        // % for line in score_lines
        __line__
        // % endfor
      }
      // % if counted
      int64_t seen = keys;
      // % endif
      // % for line in mask_lines
      __line__
      // % endfor

      // % if softmax
      float top = space.top[r];
#pragma omp simd reduction(max : top)
      for (int64_t x = 0; x < keys; ++x) top = top > scores[x] ? top : scores[x];
      const float base = top == NOTHING ? 0.0f : top;
      const float rescale = exp2_fast(space.top[r] - base);
      float total = 0.0f;
#pragma omp simd reduction(+ : total)
      for (int64_t x = 0; x < keys; ++x) {
        scores[x] = exp2_fast(scores[x] - base);
        total += scores[x];
      }
      space.top[r] = top;
      space.total[r] = space.total[r] * rescale + total;
      // % else
      constexpr float rescale = 1.0f;
      // % if summed
      float total = 0.0f;
#pragma omp simd reduction(+ : total)
      for (int64_t x = 0; x < keys; ++x) total += scores[x];
      space.total[r] += total;
      // % endif
      // % if counted
      space.seen[r] += seen;
      // % endif
      // % endif
      // Summed per tile first: one long sum of floats would lose digits.
      std::fill_n(space.sum.begin(), E, 0.0f);
      for (int64_t x = 0; x < keys; ++x) {
        const float weight = scores[x];
        const float* value = &space.v[x * E];
#pragma omp simd
        for (int64_t e = 0; e < E; ++e) space.sum[e] += weight * value[e];
      }
      float* acc = &space.acc[r * E];
      for (int64_t e = 0; e < E; ++e) acc[e] = acc[e] * rescale + space.sum[e];
    }
  };

  // % for start, stop, holes in partial_runs
  for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) {
    // % for hole_start, hole_stop in holes
    if (__hole_start__ <= key_tile && key_tile < __hole_stop__) continue;
    // % endfor
    visit(key_tile, Partial{});
  }
  // % endfor
  // % if listed
  for (int64_t step = starts[0]; step < starts[1]; ++step) visit(call.tiles[step], Partial{});
  for (int64_t step = starts[1]; step < starts[2]; ++step) visit(call.tiles[step], Full{});
  // % endif
  // % for start, stop in full_runs
  for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) visit(key_tile, Full{});
  // % endfor
  // % if periodic
  // The mask repeats: in each period a run of tiles, without those that the period before has visited.
  for (int64_t period = first_period; period < stop_period; ++period) {
    // % for line in period_lines
    __line__
    // % endfor
    for (int64_t key_tile = start; key_tile < full_start; ++key_tile) visit(key_tile, Partial{});
    for (int64_t key_tile = full_stop; key_tile < stop; ++key_tile) visit(key_tile, Partial{});
    for (int64_t key_tile = full_start; key_tile < full_stop; ++key_tile) visit(key_tile, Full{});
  }
  // % endif

  // % if softmax
  // A row that sees no key gives 0, and -inf as its log-sum-exp.
  // % endif
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = (b * H + h) * N + __row_place__;
    // % if softmax
    const float total = space.total[r];
    const float share = total == 0.0f ? 0.0f : 1.0f / total;
    call.lse[row] = total == 0.0f ? NOTHING : (space.top[r] + std::log2(total)) * 0.69314718f;
    // % else
    const float share = __share__;
    // % endif
    for (int64_t e = 0; e < E; ++e) assign(call.y[row * E + e], space.acc[r * E + e] * share);
  }
  return fault;
}

template <typename Element>
int forward(void* const* tensors, const int64_t* integers, const double* reals) {
  auto rows = [&] {
    Rows<Element> given;
    given.data = static_cast<const Element*>(*tensors++);
    for (int64_t* field : {&given.batch, &given.head, &given.token, &given.channel, &given.share}) *field = *integers++;
    return given;
  };
  Call<Element> call;
  call.q = rows();
  call.k = rows();
  call.v = rows();
  call.y = static_cast<Element*>(*tensors++);
  // % if softmax
  call.lse = static_cast<float*>(*tensors++);
  // % endif
  call.offsets = static_cast<const int64_t*>(*tensors++);
  // % if listed
  call.tiles = static_cast<const int32_t*>(*tensors++);
  call.starts = static_cast<const int64_t*>(*tensors++);
  // % endif
  // % if ordered
  call.query_order = static_cast<const int32_t*>(*tensors++);
  call.key_order = static_cast<const int32_t*>(*tensors++);
  // % endif
  for (int64_t* field : {&call.B, &call.H, &call.N, &call.M, &call.D, &call.E, &call.threads}) *field = *integers++;
  // % if listed
  for (int64_t* field : {&call.starts_batch, &call.starts_head}) *field = *integers++;
  // % endif
  // % if ordered
  for (int64_t* field : {&call.query_order_batch, &call.query_order_head}) *field = *integers++;
  for (int64_t* field : {&call.key_order_batch, &call.key_order_head}) *field = *integers++;
  // % endif
  // % for line in packed
  __line__
  // % endfor
  static_cast<void>(reals);

  // % if key_rows
  constexpr int64_t ROWS = 256;  // of keys, computed by one thread at a time
  const int64_t key_blocks = (call.M + ROWS - 1) / ROWS;
  // % endif
  // % for row, heads, share in key_rows
  const int64_t __row___heads = __heads__;
  std::vector<float> __row__(call.B * __row___heads * call.M * call.D);
  call.__row__ = { __row__.data(), __row___heads * call.M * call.D, call.M * call.D, call.D, 1, __share__ };
#pragma omp parallel for num_threads(call.threads)
  for (int64_t task = 0; task < call.B * __row___heads * key_blocks; ++task) {
    const int64_t head = task / key_blocks, first = task % key_blocks * ROWS, last = std::min(first + ROWS, call.M);
    float* rows = &__row__[head * call.M * call.D];
    make___row__(call, head / __row___heads, head % __row___heads, first, last, rows);
  }
  // % endfor
  const int64_t tiles = (call.N + QUERY_TILE - 1) / QUERY_TILE;
  std::atomic<bool> fault{false};
#pragma omp parallel num_threads(call.threads)
  {
    Workspace space(call.D, call.E);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < call.B * call.H * tiles; ++task) {
      const int64_t head = task / tiles, tile = tiles - 1 - task % tiles;
      if (attend(call, head / call.H, head % call.H, tile, space)) fault = true;
    }
  }
  return fault;
}

}  // namespace

extern "C" int __variant___float32(void* const* tensors, const int64_t* integers, const double* reals) {
  return forward<float>(tensors, integers, reals);
}
extern "C" int __variant___bfloat16(void* const* tensors, const int64_t* integers, const double* reals) {
  return forward<BFloat16>(tensors, integers, reals);
}
extern "C" int __variant___float16(void* const* tensors, const int64_t* integers, const double* reals) {
  return forward<Half>(tensors, integers, reals);
}
