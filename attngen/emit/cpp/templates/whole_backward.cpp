// ---- a call

// % for row, lines in key_gradients
// The gradients by k of the tokens `first` to `last`, from those by what was multiplied.
void return___row__(
    const Call& call, int64_t b, int64_t h, int64_t first, int64_t last, const float* d___row__, float* dk) {
  [[maybe_unused]] const int64_t B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  [[maybe_unused]] const Element* k = call.k.of(b, h);
  // % for line in lines
  __line__
  // % endfor
}

// % endfor
// The sums of all tasks for the keys of one group of heads, in the order of the tokens.
void gather(
    const Call& call, std::vector<KeySums>& sums, int64_t group, int64_t first, int64_t last__gathered__) {
  const int64_t M = call.M, D = call.D, E = call.E;
  // % if ordered
  const int64_t head = group * call.panel_heads, b = head / call.H, h = head % call.H;
  const int32_t* const key_order = call.key_order + b * call.key_order_batch + h * call.key_order_head;
  // % endif
  for (int64_t part = 0; part < call.parts; ++part) {
    KeySums& found = sums[group * call.parts + part];
    for (int64_t slot = first; slot < last; ++slot) {
      // % if ordered
      const int64_t token = group * M + (call.key_order ? key_order[slot] : slot);
      // % else
      const int64_t token = group * M + slot;
      // % endif
      for (int64_t e = 0; e < E; ++e) call.dv[token * E + e] += found.v[slot * rounded_up(E, LANES) + e];
      // % for row in keys
      for (int64_t c = 0; c < D; ++c) d___row__[token * D + c] += found.__row__[slot * rounded_up(D, LANES) + c];
      // % endfor
    }
  }
}

// Tasks are groups of heads that share keys, and every so many of their query tiles; the last ones first. What they sum
// for keys is added up in one order at the end, so results are the same to the last bit. True if any was at fault.
bool differentiate_all(Call& call) {
  const int64_t tiles = (call.N + QUERY_TILE - 1) / QUERY_TILE, key_tiles = (call.M + KEY_TILE - 1) / KEY_TILE;
  const int64_t groups = call.B * call.H / call.panel_heads;
  call.parts = groups == 0 ? 1 : std::max<int64_t>(1, std::min(tiles, (2 * call.threads + groups - 1) / groups));
  std::vector<KeySums> sums;
  for (int64_t task = 0; task < groups * call.parts; ++task) sums.emplace_back(key_tiles * KEY_TILE, call.D, call.E);
  const int64_t tile_bytes = KEY_TILE * (__panel_widths__) * sizeof(Piece);
  const int64_t slots = std::max<int64_t>(1, std::min(PANEL_BYTES / call.threads / tile_bytes, key_tiles));
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(slots, call.D, call.E);
  std::atomic<bool> fault{false};
  std::atomic<int64_t> next{0};
#pragma omp parallel for num_threads(call.threads) schedule(static, 1)
  for (int64_t thread = 0; thread < call.threads; ++thread)
    for (int64_t task = next++; task < groups * call.parts; task = next++) {
      const int64_t first_head = task / call.parts * call.panel_heads;
      for (int64_t head = first_head; head < first_head + call.panel_heads; ++head)
        for (int64_t tile = tiles - 1 - task % call.parts; tile >= 0; tile -= call.parts)
          if (differentiate_tile(call, head / call.H, head % call.H, tile, spaces[thread], sums[task])) fault = true;
    }

  constexpr int64_t ROWS = 256;  // of keys, gathered by one thread at a time
  const int64_t blocks = (call.M + ROWS - 1) / ROWS;
  // % for row in keys
  Buffer<float> d___row__(groups * call.M * call.D);
  // % endfor
#pragma omp parallel for num_threads(call.threads)
  for (int64_t task = 0; task < groups * blocks; ++task) {
    const int64_t first = task % blocks * ROWS, last = std::min(first + ROWS, call.M);
    gather(call, sums, task / blocks, first, last__gathered_rows__);
  }
#pragma omp parallel for num_threads(call.threads)
  for (int64_t task = 0; task < groups * blocks; ++task) {
    const int64_t group = task / blocks, head = group * call.panel_heads, place = group * call.M * call.D;
    const int64_t first = task % blocks * ROWS, last = std::min(first + ROWS, call.M);
    // % for row in keys
    return___row__(call, head / call.H, head % call.H, first, last, &d___row__[place], call.dk + place);
    // % endfor
  }
  return fault;
}

int backward(Packed packed) {
  Call call;
  take(call, packed);
  auto& tensors = packed.tensors;
  call.dy = take_rows(packed);
  // % if centred
  call.y = take_rows(packed);
  // % endif
  call.stats = static_cast<const float*>(*tensors++);
  // % if softmax
  call.dlse = static_cast<const float*>(*tensors++);
  // % endif
  call.dq = static_cast<float*>(*tensors++);
  call.dk = static_cast<float*>(*tensors++);
  call.dv = static_cast<float*>(*tensors++);
  // % if key_rows
  make_key_rows(call);
  // % endif
  return differentiate_all(call);
}

}  // namespace

// 0, or what went wrong: 1, an input was needed outside of its axes; 2, there was not enough memory.
extern "C" int __variant___backward(
    void* const* tensors, const int64_t* integers, const double* reals) try {
  return backward({ tensors, integers, reals });
} catch (const std::bad_alloc&) {
  return 2;
}
