__opening__

__chunks__
// % if stepped

__steps__
// % endif
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
  // % for state_name, state_shape in states
  const float* __state_name___in;  // [B, H, __state_shape__], contiguous: what is carried in, or null for 0
  float* __state_name___out;       // what is carried out
  float* __state_name___kept;      // [B, H, segments, __state_shape__]: in front of each segment, or null
  // % endfor
};

__tokens__
struct Head : Tokens {
  // % for state_name, state_names, carry_lines in carried
  // What tokens read from __state_names__, and __state_names__ behind the last of them.
  [[gnu::noinline]] void carry___state_name__() {
    // % for line in carry_lines
    __line__
    // % endfor
  }

  // % endfor
  // % for state_name, step_lines in stepped
  // What the only token of a call reads from __state_name__, and __state_name__ behind it.
  [[gnu::noinline]] void step___state_name__(int64_t head) {
    // % for line in step_lines
    __line__
    // % endfor
  }

  // % endfor
  // What the tokens of a chunk give.
  [[gnu::noinline]] void give() const {
    // % for line in give_lines
    __line__
    // % endfor
  }

  // States in front of a segment, from which gradients will start.
  void keep(int64_t segment) const {
    [[maybe_unused]] const int64_t head = int64_t{b} * H + h, segments = (N + SEGMENT * CHUNK - 1) / (SEGMENT * CHUNK);
    // % for line in keep_lines
    __line__
    // % endfor
  }

  void run() {
    const int64_t head = int64_t{b} * H + h;
    // % if matrix_lines
    load_matrices();
    // % endif
    // % if stepped
    if (N == 1 && !call.__first_state___kept) {
      load(0);
      // % for state_name, _ in stepped
      step___state_name__(head);
      // % endfor
      return give();
    }
    // % endif
    // % for line in start_lines
    __line__
    // % endfor
    for (int64_t start = 0; start < N; start += CHUNK) {
      if (start % (SEGMENT * CHUNK) == 0) keep(start / (SEGMENT * CHUNK));
      load(start);
      // % for state_name, _, _ in carried
      carry___state_name__();
      // % endfor
      give();
    }
    // % for line in finish_lines
    __line__
    // % endfor
  }
};

int forward(Packed packed) {
  Call call;
  take(call, packed);
  // % if in_order
  call.order = static_cast<const int64_t*>(*packed.tensors++);
  // % endif
  call.y = static_cast<Element*>(*packed.tensors++);
  // % for state_name, state_shape in states
  call.__state_name___in = static_cast<const float*>(*packed.tensors++);
  call.__state_name___out = static_cast<float*>(*packed.tensors++);
  call.__state_name___kept = static_cast<float*>(*packed.tensors++);
  // % endfor
  run_heads<Head, Workspace>(call);
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
