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
#include <new>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#ifndef ELEMENT  // float, BFloat16 or Half; a library is compiled for each that is needed
#define ELEMENT float
#endif
#ifndef INDEX  // int32_t, where all positions of a call fit into it
#define INDEX int64_t
#endif

namespace {

constexpr int64_t QUERY_TILE = __query_tile_rows__;
constexpr int64_t KEY_TILE = __key_tile_rows__;
constexpr int64_t PANEL_BYTES = 48 << 20;  // of keys and values that all threads together keep packed
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

__numbers__

__vectors__

__multiply__

__weights__

__few_rows__

// % if functions
// ---- functions of the language

__functions__
// % endif
// ---- what a call gives

template <typename T>
struct Rows {  // [B, heads, tokens, channels]; head h reads head h / share
  const T* data;
  int64_t batch, head, token, channel, share;

  const T* of(int64_t b, int64_t h) const { return data + b * batch + h / share * head; }
};

// % if inputs
template <typename T>
struct Input {  // a tensor with a stride for each axis; head h reads head h / share
  const T* data;
  int64_t stride[__most_axes__], share;

  template <typename... Place>
  T operator()(Place... place) const {
    int64_t element = 0;
    const int64_t* step = stride;
    ((element += place * *step++), ...);
    return data[element];
  }
};

// % endif
struct Sums {  // of one row: what its walk has found, beside the weighted values
  // % if softmax
  float top = NOTHING;  // the largest score
  // % endif
  // % if totalled
  float total = 0;  // of the weights
  // % endif
  // % if counted
  int64_t seen = 0;  // live keys
  // % endif
};

struct Call {
  Rows<Element> q, k, v;
  // % for row, heads, share in key_rows
  Rows<float> __row__;  // [B, heads, M, D], computed ahead
  // % endfor
  Element* y;  // [B, H, N, E], contiguous
  // % if softmax
  float* lse;  // [B, H, N], contiguous
  // % endif
  const int64_t* offsets;  // the position of query row 0, one for each batch row
  // % if listed
  const int32_t* tiles;   // the key tiles of each query tile, one query tile after the other
  const int64_t* starts;  // for each query tile: where its tiles begin, where its full ones begin, and their end
  int64_t starts_batch, starts_head;
  // % endif
  // % if ordered
  const int32_t *query_order, *key_order;  // tokens in the order of the walk; as they lie if null
  int64_t query_order_batch, query_order_head, key_order_batch, key_order_head;
  // % endif
  int64_t B, H, N, M, D, E, threads;
  bool few_rows;        // keys and values are read as they lie, and not packed
  int64_t panel_heads;  // how many heads in a row read the same keys and values
  int64_t parts;        // how many tasks share the keys of a query tile
  float* part_acc;      // [parts, B, H, N, E], where there are several
  Sums* part_sums;      // [parts, B, H, N]
  // % for field in fields
  __field__;
  // % endfor
};

struct Workspace {  // of one thread
  int64_t slots;               // key tiles that are kept packed; tile t in slot t % slots
  std::vector<int64_t> owner;  // the head and the tile that a slot holds
  Buffer<float> __workspace_floats__row, scores, acc;
  Buffer<Piece> __workspace_pieces__v, weights;
  Buffer<bool> live;  // of the pairs of a block
  std::vector<Sums> sums;
  std::vector<int64_t> walk__periodic_walk__;  // key tiles, in the order of their visits

  Workspace(int64_t slots, int64_t D, int64_t E)
      : slots(slots),
        owner(slots, -1),
        // % for line in workspace_float_sizes
        __line__
        // % endfor
        row(std::max(D, E)),
        scores(BLOCK * KEY_TILE),
        acc((QUERY_TILE + BLOCK) * rounded_up(E, LANES)),
        // % for line in workspace_piece_sizes
        __line__
        // % endfor
        v(slots * KEY_TILE * rounded_up(E, PANEL)),
        weights(BLOCK * KEY_TILE),
        live(BLOCK * KEY_TILE),
        sums(QUERY_TILE) {}
};

// % if row_functions
__row_functions__
// % endif
// ---- the end of a row

// % if softmax
// A row that sees no key gives 0, and -inf as its log-sum-exp.
// % endif
void finish(
    const Call& call, [[maybe_unused]] int64_t h, int64_t row, [[maybe_unused]] const Sums& sums, const float* acc) {
  // % for line in unpacked
  __line__
  // % endfor
  // % if softmax
  const float share = sums.total == 0 ? 0 : 1 / sums.total;
  call.lse[row] = sums.total == 0 ? NOTHING : (sums.top + std::log2(sums.total)) * 0.69314718f;
  // % else
  // % if counted
  const bool some = sums.seen > 0;
  // % endif
  const float share = __share__;
  // % endif
  for (int64_t e = 0; e < call.E; ++e) assign(call.y[row * call.E + e], acc[e] * share);
}

// What several tasks have found for one row, together.
void merge(const Call& call, int64_t h, int64_t row) {
  const int64_t step = call.B * call.H * call.N;
  Sums sums;
  // % if softmax
  for (int64_t part = 0; part < call.parts; ++part)
    sums.top = std::max(sums.top, call.part_sums[part * step + row].top);
  // % endif
  std::vector<float> acc(call.E);
  for (int64_t part = 0; part < call.parts; ++part) {
    [[maybe_unused]] const Sums& found = call.part_sums[part * step + row];
    const float* values = call.part_acc + (part * step + row) * call.E;
    // % if softmax
    const float rescale = found.top == NOTHING ? 0 : exp2_of(all(found.top - sums.top))[0];
    // % else
    constexpr float rescale = 1;
    // % endif
    // % if totalled
    sums.total += found.total * rescale;
    // % endif
    // % if counted
    sums.seen += found.seen;
    // % endif
    for (int64_t e = 0; e < call.E; ++e) acc[e] += values[e] * rescale;
  }
  finish(call, h, row, sums, acc.data());
}

__query_tile__

__whole_call__
