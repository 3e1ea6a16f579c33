__opening__

__chunks__

__pieces__

__chunk_gradients__
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
  Rows<Element> dy;  // [B, H, N, E]
  // % for state_name, state_shape in states
  const float* __state_name___kept;   // [B, H, segments, __state_shape__]: in front of each segment
  const float* d___state_name___out;  // [B, H, __state_shape__], or null for 0
  float* d___state_name___in;         // or null where nobody asks for it
  // % endfor
  // Null where nobody asks for them; zero at first, where shares are only added.
  float *dq, *dk, *dv;  // [B, H, N, D] and [..., E]
  // % for landing_type, landing_name, landing_shape in landings
  __landing_type__* __landing_name__;  // [__landing_shape__]
  // % endfor
};

__tokens__
struct Head : Tokens {
  int64_t slot = 0;  // of the chunk in its segment

  // % for state_name, state_names, advance_lines in advanced
  // __state_names__ behind a chunk of a segment, unless that is the last.
  [[gnu::noinline]] void advance___state_name__([[maybe_unused]] bool last) {
    // % for line in advance_lines
    __line__
    // % endfor
  }

  // % endfor
  // % for state_name, state_names, read_lines in reread
  // What tokens read from __state_names__.
  [[gnu::noinline]] void read___state_name__() {
    // % for line in read_lines
    __line__
    // % endfor
  }

  // % endfor
  // % for state_name, state_names, back_lines in carried_back
  // From the gradients by what tokens read from __state_names__ to those by their rows.
  [[gnu::noinline]] void carry_back___state_name__() {
    // % for line in back_lines
    __line__
    // % endfor
  }

  // % endfor
  // % for row_name, return_lines in returned
  // From the gradients by __row_name__ to those by what it is made of.
  [[gnu::noinline]] void return___row_name__() {
    // % for line in return_lines
    __line__
    // % endfor
  }

  // % endfor
  // States in front of all chunks of a segment.
  void advance(int64_t start, int64_t stop) {
    for (slot = 0; start + slot * CHUNK < stop; ++slot) {
      load(start + slot * CHUNK);
      // % for state_name, _, _ in advanced
      advance___state_name__(first + rows == stop);
      // % endfor
    }
  }

  // The rows of a chunk, and the gradients by what they read.
  void reach(int64_t start) {
    load(start);
    // % for gradient_name, gradient_size in summed
    std::fill_n(&space.__gradient_name__[0], __gradient_size__, 0.0f);
    // % endfor
    // % for state_name, _, _ in reread
    read___state_name__();
    // % endfor
    return_y();
  }

  // The gradients of the tokens of a chunk.
  void differentiate(int64_t start) {
    reach(start);
    // % for state_name, _, _ in carried_back
    carry_back___state_name__();
    // % endfor
    // % for row_name in row_returns
    return___row_name__();
    // % endfor
  }

  // % for state_name, state_names, pass_lines in passed_back
  // The gradients by __state_names__ in front of a chunk.
  [[gnu::noinline]] void pass_back___state_name__() {
    // % for line in pass_lines
    __line__
    // % endfor
  }

  // % endfor
  // From the states in front of a segment to those in front of each of its chunks.
  void recall(int64_t segment) {
    const int64_t segments = (N + TOGETHER - 1) / TOGETHER;
    // % for line in recall_lines
    __line__
    // % endfor
    advance(segment * TOGETHER, std::min<int64_t>((segment + 1) * TOGETHER, N));
  }

  // The gradients by states behind the last token; none, where a piece does not know yet what comes behind it.
  void enter() {
    if (piece == call.pieces - 1) {
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
    for (int64_t segment = (end - 1) / TOGETHER; segment >= begin / TOGETHER; --segment) {
      recall(segment);
      while (--slot >= 0) {
        reach(segment * TOGETHER + slot * CHUNK);
        // % for state_name, _, _ in passed_back
        pass_back___state_name__();
        // % endfor
      }
    }
    [[maybe_unused]] const int64_t place = head * call.pieces + piece;
    // % for line in stored_lines
    __line__
    // % endfor
    if (piece < call.pieces - 1) leave_states();
  }

  // From what the pieces behind have come to, to the gradients by the states in front of them.
  void follow() {
    for (int64_t place = (head + 1) * call.pieces - 1; place > head * call.pieces + piece; --place) {
      // % for line in passed_lines
      __line__
      // % endfor
    }
    // % for line in turned_lines
    __line__
    // % endfor
  }

  void run() {
    // % if matrix_lines
    load_matrices();
    // % endif
    enter();
    follow();
    for (int64_t segment = (end + TOGETHER - 1) / TOGETHER - 1; segment >= begin / TOGETHER; --segment) {
      recall(segment);
      while (--slot >= 0) differentiate(segment * TOGETHER + slot * CHUNK);
      // % for line in flush_lines
      __line__
      // % endfor
    }
    if (piece > 0) return;
    // % for line in finish_lines
    __line__
    // % endfor
  }
};

int backward(Packed packed) {
  Call call;
  take(call, packed);
  call.pieces = *packed.integers++;
  auto& tensors = packed.tensors;
  // % if in_order
  call.order = static_cast<const int64_t*>(*tensors++);
  // % endif
  call.dy = take_rows(packed);
  // % for state_name, state_shape in states
  call.__state_name___kept = static_cast<const float*>(*tensors++);
  call.d___state_name___out = static_cast<const float*>(*tensors++);
  call.d___state_name___in = static_cast<float*>(*tensors++);
  // % endfor
  for (float** field : { &call.dq, &call.dk, &call.dv }) *field = static_cast<float*>(*tensors++);
  // % for landing_type, landing_name, landing_shape in landings
  call.__landing_name__ = static_cast<__landing_type__*>(*tensors++);
  // % endfor
  std::vector<Workspace> spaces;
  for (int64_t thread = 0; thread < call.threads; ++thread) spaces.emplace_back(call);
  Ends ends(call, call.pieces > 1 ? call.B * call.H * call.pieces : 0);
  Call silent = call;  // gives nothing yet
  silent.dq = silent.dk = silent.dv = nullptr;
  // % for landing_type, landing_name, landing_shape in landings
  silent.__landing_name__ = nullptr;
  // % endfor
  run_pieces<Head>(silent, spaces, ends, 1, call.pieces, [](Head& head) { head.pass(); });
  run_pieces<Head>(call, spaces, ends, 0, call.pieces, [](Head& head) { head.run(); });
  return 0;
}

}  // namespace

// 0, or 2: there was not enough memory.
extern "C" int __variant___backward(
    void* const* tensors, const int64_t* integers, const double* reals) try {
  return backward({ tensors, integers, reals });
} catch (const std::bad_alloc&) {
  return 2;
}
