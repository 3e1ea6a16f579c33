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
    const Call& call, KeySums* sums, int64_t group, int64_t first, int64_t last, KeyGradients& by_keys) {
  const int64_t M = call.M, D = call.D, E = call.E;
  // % if ordered
  const int64_t head = group * call.panel_heads, b = head / call.H, h = head % call.H;
  const int32_t* const key_order = call.key_order + b * call.key_order_batch + h * call.key_order_head;
  // % endif
  for (int64_t part = 0; part < call.parts; ++part) {
    KeySums& found = sums[part];
    for (int64_t slot = first; slot < last; ++slot) {
      // % if ordered
      const int64_t key = call.key_order ? key_order[slot] : slot, token = group * M + key;
      // % else
      const int64_t key = slot, token = group * M + key;
      // % endif
      if (call.dv)
        for (int64_t e = 0; e < E; ++e) call.dv[token * E + e] += found.v[slot * rounded_up(E, LANES) + e];
      // % for row in keys
      const float* __row___row = &found.__row__[slot * rounded_up(D, LANES)];
      if (call.dk)
        for (int64_t c = 0; c < D; ++c) by_keys.__row__[token * D + c] += __row___row[c];
      // % endfor
      // % for row in key_landings
      if (call.__row__)
        for (int64_t x = 0; x < call.panel_heads; ++x)
          call.__row__[(group * call.panel_heads + x) * M + key] += found.__row__[x * found.tokens + slot];
      // % endfor
    }
  }
}
// % if band_landings

// The sums of all tasks for the diagonals of the heads of one group: element i - j + M - 1 of each head.
void gather_diagonals(const Call& call, KeySums* sums, int64_t group) {
  const int64_t diagonals = call.N + call.M;
  for (int64_t part = 0; part < call.parts; ++part) {
    KeySums& found = sums[part];
    for (int64_t x = 0; x < call.panel_heads; ++x) {
      // % for row in band_landings
      double* __row__ = call.__row__ + (group * call.panel_heads + x) * diagonals;
      if (call.__row__)
        for (int64_t d = 0; d < diagonals - 1; ++d) __row__[d] += found.__row__[x * found.diagonals + KEY_TILE + d];
      // % endfor
    }
  }
}
// % endif

// The groups of heads that add to elements of their own, one such round after the other.
std::vector<std::vector<int64_t>> rounds_of(const Call& call) {
  std::vector<std::vector<int64_t>> rounds(call.batch_rounds * call.head_rounds);
  const int64_t in_row = call.H / call.panel_heads;
  for (int64_t group = 0; group < call.B * in_row; ++group)
    rounds[group / in_row % call.batch_rounds * call.head_rounds + group % in_row % call.head_rounds].push_back(group);
  return rounds;
}

// Tasks are groups of heads that share keys, and every so many of their query tiles; the last ones first. What they sum
// for keys is added up in one order behind each round, so results are the same to the last bit. True if any was at
// fault.
bool differentiate_all(Call& call) {
  const int64_t tiles = (call.N + QUERY_TILE - 1) / QUERY_TILE, key_tiles = (call.M + KEY_TILE - 1) / KEY_TILE;
  const int64_t groups = call.B * call.H / call.panel_heads;
  const std::vector<std::vector<int64_t>> rounds = rounds_of(call);
  const int64_t at_once = std::max<int64_t>(1, rounds[0].size());
  call.parts = std::max<int64_t>(1, std::min(tiles, (2 * call.threads + at_once - 1) / at_once));
  // % for row, type, apart in pair_landings
  if (call.__row__.data) call.parts = std::min(call.parts, 1 + MOST_COPIED / call.__row__.count);
  // Parts of a head add to copies, unless each has rows of its own.
  Buffer<__type__> __row___copies(__apart__ || !call.__row__.data ? 0 : (call.parts - 1) * call.__row__.count);
  // % endfor
  const int64_t packed_width = __key_widths__ + rounded_up(call.E, DEPTH);
  const int64_t tile_bytes = KEY_TILE * packed_width * sizeof(Piece);
  const int64_t slots = std::max<int64_t>(1, std::min(PANEL_BYTES / call.threads / tile_bytes, key_tiles));
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(slots, call.D, call.E);
  KeyGradients by_keys(call.dk ? groups * call.M * call.D : 0);
  constexpr int64_t ROWS = 256;  // of keys, gathered by one thread at a time
  const int64_t blocks = (call.M + ROWS - 1) / ROWS;
  std::atomic<bool> fault{false};
  for (const std::vector<int64_t>& round : rounds) {
    const int64_t groups_now = round.size(), tasks = groups_now * call.parts;
    std::vector<KeySums> sums;
    for (int64_t task = 0; task < tasks; ++task) sums.emplace_back(call, key_tiles * KEY_TILE);
    // % for row, type, apart in pair_landings
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t copied = __apart__ ? 0 : task % call.parts;
      sums[task].__row__ = copied == 0 ? call.__row__.data : &__row___copies[(copied - 1) * call.__row__.count];
    }
    // % endfor
    std::atomic<int64_t> next{0};
#pragma omp parallel for num_threads(call.threads) schedule(static, 1)
    for (int64_t thread = 0; thread < call.threads; ++thread)
      for (int64_t task = next++; task < tasks; task = next++) {
        const int64_t group = round[task / call.parts], part = task % call.parts;
        for (int64_t head = group * call.panel_heads; head < (group + 1) * call.panel_heads; ++head)
          for (int64_t tile = tiles - 1 - part; tile >= 0; tile -= call.parts)
            if (differentiate_tile(call, head / call.H, head % call.H, tile, spaces[thread], sums[task])) fault = true;
      }
#pragma omp parallel for num_threads(call.threads)
    for (int64_t task = 0; task < groups_now * blocks; ++task) {
      const int64_t place = task / blocks, first = task % blocks * ROWS, last = std::min(first + ROWS, call.M);
      gather(call, &sums[place * call.parts], round[place], first, last, by_keys);
    }
    // % if band_landings
#pragma omp parallel for num_threads(call.threads)
    for (int64_t place = 0; place < groups_now; ++place)
      gather_diagonals(call, &sums[place * call.parts], round[place]);
    // % endif
  }
  // % for row, type, apart in pair_landings
  for (int64_t copied = 1; call.__row__.data && !__apart__ && copied < call.parts; ++copied)
    for (int64_t x = 0; x < call.__row__.count; ++x)
      call.__row__.data[x] += __row___copies[(copied - 1) * call.__row__.count + x];
  // % endfor
  if (!call.dk) return fault;
#pragma omp parallel for num_threads(call.threads)
  for (int64_t task = 0; task < groups * blocks; ++task) {
    const int64_t group = task / blocks, head = group * call.panel_heads, place = group * call.M * call.D;
    const int64_t first = task % blocks * ROWS, last = std::min(first + ROWS, call.M);
    // % for row in keys
    return___row__(call, head / call.H, head % call.H, first, last, &by_keys.__row__[place], call.dk + place);
    // % endfor
  }
  return fault;
}

// % if pair_landings
template <typename T>
Elements<T> take_elements(Packed& packed, int axes) {
  Elements<T> found;
  found.data = static_cast<T*>(*packed.tensors++);
  for (int axis = 0; axis < axes; ++axis) found.stride[axis] = *packed.integers++;
  for (int64_t* field : {&found.share, &found.count}) *field = *packed.integers++;
  return found;
}

// % endif
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
  call.batch_rounds = *packed.integers++;
  call.head_rounds = *packed.integers++;
  // % for line in landing_packed
  __line__
  // % endfor
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
