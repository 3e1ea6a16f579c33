__opening__

__chunks__
// % if functions
// ---- functions of the language

__functions__
// % endif
__given__

struct Call : Given {
  // % if in_order
  const int64_t* order;  // [H, N], contiguous: tokens in the order of time
  // % endif
  Element* y;  // [B, H, N, E], contiguous
  // % for state_name, state_shape, state_lines in states
  const float* __state_name___in;  // [B, H, __state_shape__], contiguous: what is carried in, or null for 0
  float* __state_name___out;       // what is carried out
  // % endfor
};

struct Workspace {  // of one thread
  // % for line in buffers
  __line__
  // % endfor

  Workspace(int64_t D, int64_t E, int64_t D_lanes, int64_t E_lanes)
      // % for member in members
      __member__
      // % endfor
  {
    std::fill_n(&ones[0], std::max(D_lanes, CHUNK), 1.0f);
    static_cast<void>(E), static_cast<void>(E_lanes);
  }
};

// ---- the tokens of one head

struct Head {
  const Call& call;
  Workspace& space;
  const Index b, h;

  [[maybe_unused]] const Index B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t offset = call.offsets ? call.offsets[b] : call.offset;
  [[maybe_unused]] const int64_t D_lanes = rounded_up(D, LANES), E_lanes = rounded_up(E, LANES);
  int64_t first = 0, rows = 0;  // tokens of the chunk that is at hand

  // % if in_order
  int64_t token_at(int64_t step) const { return call.order[h * N + step]; }

  // % endif
  // % for row_name, row_lines in rows
  void load___row_name__() {
    // % for line in row_lines
    __line__
    // % endfor
  }
  // % endfor

  // The rows of a chunk's tokens.
  void load() {
    // % for row_name, row_lines in rows
    load___row_name__();
    // % endfor
  }
  // % for state_name, state_shape, state_lines in states

  // What tokens read from __state_name__, and __state_name__ behind the last of them.
  void carry___state_name__() {
    // % for line in state_lines
    __line__
    // % endfor
  }
  // % endfor

  // What the tokens of a chunk give.
  void give() const {
    // % for line in give_lines
    __line__
    // % endfor
  }

  void run() {
    // % for line in start_lines
    __line__
    // % endfor
    for (first = 0; first < N; first += CHUNK) {
      rows = std::min<int64_t>(CHUNK, N - first);
      load();
      // % for state_name, state_shape, state_lines in states
      carry___state_name__();
      // % endfor
      give();
    }
    // % for line in finish_lines
    __line__
    // % endfor
  }
};

// ---- a call

int forward(Packed packed) {
  Call call;
  take(call, packed);
  // % if in_order
  call.order = static_cast<const int64_t*>(*packed.tensors++);
  // % endif
  call.y = static_cast<Element*>(*packed.tensors++);
  // % for state_name, state_shape, state_lines in states
  call.__state_name___in = static_cast<const float*>(*packed.tensors++);
  call.__state_name___out = static_cast<float*>(*packed.tensors++);
  // % endfor
  const int64_t D_lanes = rounded_up(call.D, LANES), E_lanes = rounded_up(call.E, LANES);
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(call.D, call.E, D_lanes, E_lanes);
  std::atomic<int64_t> next{0};
#pragma omp parallel for num_threads(call.threads) schedule(static, 1)
  for (int64_t thread = 0; thread < call.threads; ++thread)
    for (int64_t head = next++; head < call.B * call.H; head = next++) {
      const Index b = head / call.H, h = head % call.H;
      [[maybe_unused]] const NoDenormals mode;
      Head{ call, spaces[thread], b, h }.run();
    }
  return 0;
}

}  // namespace

// 0, or 2: there was not enough memory.
extern "C" int __variant___forward(
    void* const* tensors, const int64_t* integers, const double* reals) try {
  return forward({ tensors, integers, reals });
} catch (const std::bad_alloc&) {
  return 2;
}
