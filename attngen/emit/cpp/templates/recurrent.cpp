__opening__

__chunks__

__pieces__
// % if stepped

__steps__
// % endif
// % if functions
// ---- functions of the language

__functions__
// % endif
__given__

struct Call : Given {
  int64_t pieces;  // how many a head is taken in
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
  [[gnu::noinline]] void step___state_name__() {
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
    [[maybe_unused]] const int64_t segments = (N + TOGETHER - 1) / TOGETHER;
    // % for line in keep_lines
    __line__
    // % endfor
  }

  // % for state_name, state_names, unread_lines in unread
  // __state_names__ behind the last token of a chunk.
  [[gnu::noinline]] void pass___state_name__() {
    // % for line in unread_lines
    __line__
    // % endfor
  }

  // % endfor
  // The states that are carried in; none, where a piece does not know yet what it will find.
  void enter() {
    if (piece == 0) {
      // % for line in start_lines
      __line__
      // % endfor
    } else {
      // % for line in emptied_lines
      __line__
      // % endfor
    }
  }

  // What a piece comes to.
  void pass() {
    // % if matrix_lines
    load_matrices();
    // % endif
    enter();
    for (int64_t start = begin; start < end; start += CHUNK) {
      turn_to(start);
      // % for row_name in rows_written
      load___row_name__();
      // % endfor
      // % for state_name, _, _ in unread
      pass___state_name__();
      // % endfor
    }
    [[maybe_unused]] const int64_t place = head * call.pieces + piece;
    // % for line in stored_lines
    __line__
    // % endfor
    if (piece > 0) leave_states();
  }

  // From what the pieces before have come to, to the states in front of this one.
  void follow() {
    for (int64_t place = head * call.pieces; place < head * call.pieces + piece; ++place) {
      // % for line in passed_lines
      __line__
      // % endfor
    }
  }

  void run() {
    // % if matrix_lines
    load_matrices();
    // % endif
    // % if stepped
    if (N == 1 && call.__first_state___in && !call.__first_state___kept) {
      load(0);
      // % for state_name, _ in stepped
      step___state_name__();
      // % endfor
      return give();
    }
    // % endif
    enter();
    follow();
    for (int64_t start = begin; start < end; start += CHUNK) {
      if (start % TOGETHER == 0) keep(start / TOGETHER);
      load(start);
      // % for state_name, _, _ in carried
      carry___state_name__();
      // % endfor
      give();
    }
    if (piece < call.pieces - 1) return;
    // % for line in finish_lines
    __line__
    // % endfor
  }
};

int forward(Packed packed) {
  Call call;
  take(call, packed);
  call.pieces = *packed.integers++;
  // % if in_order
  call.order = static_cast<const int64_t*>(*packed.tensors++);
  // % endif
  call.y = static_cast<Element*>(*packed.tensors++);
  // % for state_name, state_shape in states
  call.__state_name___in = static_cast<const float*>(*packed.tensors++);
  call.__state_name___out = static_cast<float*>(*packed.tensors++);
  call.__state_name___kept = static_cast<float*>(*packed.tensors++);
  // % endfor
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(call);
  Ends ends(call, call.pieces > 1 ? call.B * call.H * call.pieces : 0);
  run_pieces<Head>(call, spaces, ends, 0, call.pieces - 1, [](Head& head) { head.pass(); });
  run_pieces<Head>(call, spaces, ends, 0, call.pieces, [](Head& head) { head.run(); });
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
