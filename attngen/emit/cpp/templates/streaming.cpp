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

constexpr int64_t QUERY_TILE = __query_tile__;
constexpr int64_t KEY_TILE = __key_tile__;
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

struct Partial {};  // a key tile whose pairs are tested
struct Full {};     // a key tile whose pairs are all live

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

// ---- one query tile of one head; true if an input was needed outside of its axes

bool attend(const Call& call, Index b, Index h, int64_t tile, int64_t part_index, Workspace& space) {
  [[maybe_unused]] const Index B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t first_row = tile * QUERY_TILE;
  const int64_t rows = std::min<int64_t>(QUERY_TILE, N - first_row);
  const int64_t offset = call.offsets[b];
  const int64_t E_padded = rounded_up(E, LANES), D_factors = rounded_up(D, DEPTH) / DEPTH;
  bool fault = false;
  // % if listed
  const int64_t* starts = call.starts + b * call.starts_batch + h * call.starts_head + tile * 3;
  // % endif
  // % if ordered

  // Tokens may be walked in another order than their own; then what stands in a slot is looked up.
  const int32_t* query_order = call.query_order + b * call.query_order_batch + h * call.query_order_head;
  const int32_t* key_order = call.key_order + b * call.key_order_batch + h * call.key_order_head;
  auto row_at = [&](int64_t r) -> Index { return call.query_order ? query_order[first_row + r] : first_row + r; };
  // % else
  auto row_at = [&](int64_t r) -> Index { return first_row + r; };
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
  for (int64_t r = 0; r < rows; ++r) read_row(q + row_at(r) * call.q.token, call.q.channel, D, &space.q[r * D]);
  // % endif
  // % for line in query_row_lines
  __line__
  // % endfor
  // % for row in steady_queries
  const Factor* __row___factors = as_factors(&space.__row__[0], rows, D, &space.__row___pieces[0]);
  // % endfor

  std::fill_n(&space.acc[0], (rows + BLOCK) * E_padded, 0.0f);
  std::fill_n(space.sums.begin(), rows, Sums{});
  // % if sink
  if (part_index == 0) std::fill_n(space.sums.begin(), rows, Sums{ __sink__, 1 });
  // % endif

  // One key tile: __visit_summary__.
  auto visit = [&](int64_t key_tile, auto kind) {
    constexpr bool FULL = std::is_same_v<decltype(kind), Full>;
    const int64_t first_key = key_tile * KEY_TILE;
    const int64_t keys = FULL ? KEY_TILE : std::min<int64_t>(KEY_TILE, M - first_key);
    // Behind the last key the last key is read again, and counts nowhere.
    // % if ordered
    auto key_at = [&](Index x) -> Index {
      const Index place = FULL ? first_key + x : std::min<int64_t>(first_key + x, M - 1);
      return call.key_order ? key_order[place] : place;
    };
    // % else
    auto key_at = [&](Index x) -> Index {
      return FULL ? static_cast<Index>(first_key) + x : std::min<Index>(static_cast<Index>(first_key) + x, M - 1);
    };
    // % endif
    const Element* v = call.v.of(b, h);
    // % for row in keys
    const auto* __row__ = call.__row__.of(b, h);
    // % endfor
    // % if not ordered
    const bool few_rows = N <= FEW_ROWS && __contiguous__;
    // % else
    constexpr bool few_rows = false;
    // % endif

    const int64_t panel_slot = key_tile % space.slots, panel_head = (b * H + h) / call.panel_heads;
    const int64_t panel_owner = panel_head * ((M + KEY_TILE - 1) / KEY_TILE) + key_tile;
    // % for row in keys
    Piece* __row___panels = &space.__row__[panel_slot * KEY_TILE * D_factors * DEPTH];
    // % endfor
    Piece* v_panels = &space.v[panel_slot * KEY_TILE * rounded_up(E, PANEL)];
    if (!few_rows && space.owner[panel_slot] != panel_owner) {
      for (int64_t x = 0; x < KEY_TILE; ++x) {
        // % for row in keys
        read_row(__row__ + key_at(x) * call.__row__.token, call.__row__.channel, D, &space.row[0]);
        pack_key(&space.row[0], D, x, __row___panels);
        // % endfor
        read_row(v + key_at(x) * call.v.token, call.v.channel, E, &space.row[0]);
        pack_value(&space.row[0], E, x, v_panels);
      }
      space.owner[panel_slot] = panel_owner;
    }
    // % for line in key_lines
    __line__
    // % endfor
    // % if diagonal_lines
    // What depends on i - j alone, for the diagonals of the tile.
    // % endif
    // % for line in diagonal_lines
    __line__
    // % endfor
    // % if bridges
    const int64_t key_anchor = first_key / __keys_per_anchor__ * __keys_per_anchor__ + __keys_per_anchor__ / 2;
    // % endif
    // % for line in bridge_lines
    __line__
    // % endfor
    // % for row in bridges
    const Factor* __row___factors =
      as_factors(&space.__row__[0], rows, D, &space.__row___pieces[0]);
    // % endfor

    // The rows of a block are handled side by side, for the keys that any of them sees.
    int64_t block_rows = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += block_rows) {
      block_rows = next_block(rows - r0);
      int64_t first_x = 0, last_x = rounded_up(keys, PANEL);
      // % if counted
      int64_t seen_keys[BLOCK];
      std::fill_n(seen_keys, BLOCK, keys);
      // % endif
      // % if tested
      if (__looked_at__) {
        bool some_live[KEY_TILE] = {};  // keys that a row of the block sees
        for (int64_t r = 0; r < block_rows; ++r) {
          [[maybe_unused]] const Index row = row_at(r0 + r), i = row + offset;
          bool* live = &space.live[r * KEY_TILE];
          // % for line in mask_query_lines
          __line__
          // % endfor
#pragma omp simd__fault_clause__
          for (Index x = 0; x < KEY_TILE; ++x) {
            [[maybe_unused]] const Index j = key_at(x);
            // % for line in mask_lines
            __line__
            // % endfor
          }
          std::fill(live + keys, live + KEY_TILE, 0);
          // % if counted
          seen_keys[r] = std::count(live, live + KEY_TILE, 1);
          // % endif
          for (int64_t x = 0; x < KEY_TILE; ++x) some_live[x] = some_live[x] | live[x];
        }
        while (first_x < last_x && !any_of(some_live, first_x)) first_x += PANEL;
        while (first_x < last_x && !any_of(some_live, last_x - PANEL)) last_x -= PANEL;
        if (first_x == last_x) continue;
      }
      // % else
      if (!FULL)
        for (int64_t x = 0; x < block_rows * KEY_TILE; ++x) space.live[x] = x % KEY_TILE < keys;
      // % endif

      // % for target, factor, query, key in products
      if (few_rows)
        score_few(
            block_rows, &space.__query__[r0 * D],
            __key__ + first_key * call.__key__.token, call.__key__.token, D, first_x, std::min(last_x, keys),
            __factor__, &space.__target__[0]);
      else
        score_rows(
            block_rows, __query___factors + r0 * D_factors,
            as_factors(__key___panels), D_factors, first_x, last_x, __factor__, &space.__target__[0]);
      // % endfor
      float rescale[BLOCK_LANES];
      // % if softmax
      float top[BLOCK_LANES], base[BLOCK_LANES];  // the largest scores before this tile, and with it
      std::fill_n(top, BLOCK_LANES, NOTHING);
      std::fill_n(base, BLOCK_LANES, NOTHING);
      // % else
      std::fill_n(rescale, BLOCK_LANES, 1.0f);
      // % endif
      for (int64_t r = 0; r < block_rows; ++r) {
        [[maybe_unused]] const Index row = row_at(r0 + r), i = row + offset;
        [[maybe_unused]] const bool* live = &space.live[r * KEY_TILE];
        float* scores = &space.scores[r * KEY_TILE];
        // % for product in separate
        const float* __product___row = &space.__product__[r * KEY_TILE];
        // % endfor
        // % for line in query_lines
        __line__
        // % endfor
        // % if softmax
        float new_top = space.sums[r0 + r].top;
        top[r] = new_top;
#pragma omp simd reduction(max : new_top)
        // % else
#pragma omp simd
        // % endif
        for (Index x = first_x; x < last_x; ++x) {
          // % for line in pair_lines
          __line__
          // % endfor
          scores[x] = FULL || live[x] ? score : __dead__;
          // % if softmax
          new_top = scores[x] > new_top ? scores[x] : new_top;
          // % endif
        }
        // % if softmax
        base[r] = space.sums[r0 + r].top = new_top;
        // % endif
        // % if summed
        space.sums[r0 + r].total += total_of(scores, first_x, last_x);
        // % endif
        // % if counted
        space.sums[r0 + r].seen += seen_keys[r];
        // % endif
      }
      // % if softmax
      rebase(top, base, rescale);
      for (int64_t r = 0; r < block_rows; ++r) {
        float& total = space.sums[r0 + r].total;
        total = total * rescale[r] + exponentials(&space.scores[r * KEY_TILE], first_x, last_x, base[r]);
      }
      // % endif
      float* acc = &space.acc[r0 * E_padded];
      if (few_rows) {
        add_few(
            block_rows, &space.scores[0], v + first_key * call.v.token, call.v.token, E, first_x,
            std::min(last_x, keys), rescale, acc, E_padded);
      } else {
        const Factor* weights = as_factors(&space.scores[0], block_rows, KEY_TILE, &space.weights[0]);
        add_values(block_rows, weights, as_factors(v_panels), first_x, last_x, rescale, acc, E_padded);
      }
    }
  };

  // The walk: tiles whose pairs are tested, then full ones.
  std::vector<int64_t>& walked = space.walk;
  walked.clear();
  // % for start, stop, holes in partial_runs
  for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) {
    // % for hole_start, hole_stop in holes
    if (__hole_start__ <= key_tile && key_tile < __hole_stop__) continue;
    // % endfor
    walked.push_back(key_tile);
  }
  // % endfor
  // % if listed
  walked.assign(call.tiles + starts[0], call.tiles + starts[2]);
  const int64_t partial = starts[1] - starts[0];
  // % elif periodic
  // The mask repeats: in each period a run of tiles, without those that the period before has visited.
  std::vector<int64_t>& full = space.full;
  full.clear();
  for (int64_t period = first_period; period < stop_period; ++period) {
    // % for line in period_lines
    __line__
    // % endfor
    for (int64_t key_tile = start; key_tile < full_start; ++key_tile) walked.push_back(key_tile);
    for (int64_t key_tile = full_stop; key_tile < stop; ++key_tile) walked.push_back(key_tile);
    for (int64_t key_tile = full_start; key_tile < full_stop; ++key_tile) full.push_back(key_tile);
  }
  const int64_t partial = walked.size();
  walked.insert(walked.end(), full.begin(), full.end());
  // % else
  const int64_t partial = walked.size();
  // % endif
  // % for start, stop in full_runs
  for (int64_t key_tile = __start__; key_tile < __stop__; ++key_tile) walked.push_back(key_tile);
  // % endfor
  const int64_t visits = walked.size(), first_visit = visits * part_index / call.parts;
  const int64_t last_visit = visits * (part_index + 1) / call.parts;
  for (int64_t step = first_visit; step < std::min(partial, last_visit); ++step) visit(walked[step], Partial{});
  for (int64_t step = std::max(partial, first_visit); step < last_visit; ++step) visit(walked[step], Full{});

  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = (int64_t{b} * H + h) * N + row_at(r);
    const float* acc = &space.acc[r * E_padded];
    if (call.parts == 1) {
      finish(call, h, row, space.sums[r], acc);
    } else {
      const int64_t place = part_index * B * H * N + row;
      call.part_sums[place] = space.sums[r];
      std::copy_n(acc, E, call.part_acc + place * E);
    }
  }
  return fault;
}

// ---- a call

// Tasks are (head, part, query tile), the last tiles first: under a causal mask they are the longest. True if any was
// at fault.
bool attend_all(Call& call) {
  const int64_t tiles = (call.N + QUERY_TILE - 1) / QUERY_TILE, key_tiles = (call.M + KEY_TILE - 1) / KEY_TILE;
  const int64_t whole = call.B * call.H * tiles;
  call.parts = whole == 0 ? 1 : std::max<int64_t>(1, std::min(key_tiles, 4 * call.threads / whole));
  std::vector<Sums> part_sums(call.parts == 1 ? 0 : call.parts * call.B * call.H * call.N);
  std::vector<float> part_acc(part_sums.size() * call.E);
  call.part_sums = part_sums.data();
  call.part_acc = part_acc.data();

  // Packed keys and values: of a whole head, or as much of it as a thread may keep.
  const int64_t tile_bytes = KEY_TILE * (__panel_widths__ + rounded_up(call.E, PANEL)) * sizeof(Piece);
  const int64_t most = PANEL_BYTES / call.threads / tile_bytes, slots = std::max<int64_t>(1, std::min(most, key_tiles));
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(slots, call.D, call.E);
  std::atomic<bool> fault{false};
  std::atomic<int64_t> next{0};
#pragma omp parallel for num_threads(call.threads) schedule(static, 1)
  for (int64_t thread = 0; thread < call.threads; ++thread)
    for (int64_t task = next++; task < call.parts * whole; task = next++) {
      const int64_t head = task / tiles / call.parts, part = task / tiles % call.parts, tile = tiles - 1 - task % tiles;
      if (attend(call, head / call.H, head % call.H, tile, part, spaces[thread])) fault = true;
    }
  if (call.parts > 1) {
#pragma omp parallel for num_threads(call.threads)
    for (int64_t row = 0; row < call.B * call.H * call.N; ++row) merge(call, row / call.N % call.H, row);
  }
  return fault;
}

int forward(void* const* tensors, const int64_t* integers, const double* reals) {
  auto rows = [&] {
    Rows<Element> given;
    given.data = static_cast<const Element*>(*tensors++);
    for (int64_t* field : {&given.batch, &given.head, &given.token, &given.channel, &given.share}) *field = *integers++;
    return given;
  };
  Call call;
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
  for (int64_t* field : {&call.B, &call.H, &call.N, &call.M, &call.D, &call.E, &call.threads, &call.panel_heads})
    *field = *integers++;
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
  return attend_all(call);
}

}  // namespace

// 0, or what went wrong: 1, an input was needed outside of its axes; 2, there was not enough memory.
extern "C" int __variant___forward(
    void* const* tensors, const int64_t* integers, const double* reals) try {
  return forward(tensors, integers, reals);
} catch (const std::bad_alloc&) {
  return 2;
}
