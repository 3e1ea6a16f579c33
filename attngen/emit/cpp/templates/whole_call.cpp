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
  const int64_t tile_bytes = KEY_TILE * (__key_widths__ + rounded_up(call.E, PANEL)) * sizeof(Piece);
  const int64_t most = PANEL_BYTES / call.threads / tile_bytes;
  const int64_t slots = call.few_rows ? 1 : std::max<int64_t>(1, std::min(most, key_tiles));
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

int forward(Packed packed) {
  Call call;
  take(call, packed);
  call.y = static_cast<Element*>(*packed.tensors++);
  // % if softmax
  call.lse = static_cast<float*>(*packed.tensors++);
  // % endif
  call.stats = static_cast<float*>(*packed.tensors++);
  call.few_rows = __few_rows_test__;
  if (call.stats) call.few_rows = false;  // a backward pass packs keys, and its scores must be these to the last bit
  // % if key_rows
  make_key_rows(call);
  // % endif
  return attend_all(call);
}

}  // namespace

// 0, or what went wrong: 1, an input was needed outside of its axes; 2, there was not enough memory.
extern "C" int __variant___forward(
    void* const* tensors, const int64_t* integers, const double* reals) try {
  return forward({ tensors, integers, reals });
} catch (const std::bad_alloc&) {
  return 2;
}
