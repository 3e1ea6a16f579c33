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
  call.few_rows = __few_rows_test__;
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
