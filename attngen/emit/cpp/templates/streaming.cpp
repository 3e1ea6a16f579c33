__frame__

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

struct Call : Given {
  Element* y;  // [B, H, N, E], contiguous
  // % if softmax
  float* lse;  // [B, H, N], contiguous
  // % endif
  float* stats;     // [B, H, N, 2]: what scores are relative to, and what values are multiplied by; or null
  bool few_rows;    // keys and values are read as they lie, and not packed
  int64_t parts;    // how many tasks share the keys of a query tile
  float* part_acc;  // [parts, B, H, N, E], where there are several
  Sums* part_sums;  // [parts, B, H, N]
};

struct Workspace {  // of one thread
  int64_t slots;               // key tiles that are kept packed; tile t in slot t % slots
  std::vector<int64_t> owner;  // the head and the tile that a slot holds
  // % for line in buffer_lines
  __line__
  // % endfor
  Buffer<bool> live;  // of the pairs of a block
  std::vector<Sums> sums;
  std::vector<int64_t> walk__periodic_walk__;  // key tiles, in the order of their visits

  Workspace(int64_t slots, int64_t D, int64_t E)
      : slots(slots),
        owner(slots, -1),
        // % for buffer, length in buffers
        __buffer__(__length__),
        // % endfor
        live(BLOCK * KEY_TILE),
        sums(QUERY_TILE) {}
};

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
  // % if softmax
  const float relative_to = sums.total == 0 ? 0 : sums.top;
  // % else
  constexpr float relative_to = 0;
  // % endif
  if (call.stats) call.stats[2 * row] = relative_to, call.stats[2 * row + 1] = share;
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

__attending__

__whole_call__
