struct Widths {  // of rows, and how far apart rows lie
  const int64_t D, E, D_lanes = rounded_up(D, LANES), E_lanes = rounded_up(E, LANES);
  // % for own_lanes_name, own_size in own_lanes
  const int64_t __own_size__, __own_lanes_name__ = rounded_up(__own_size__, LANES);
  // % endfor
  const int64_t widest = std::max({ D_lanes, E_lanes__lanes_of_own__ });

  explicit Widths(const Call& call)
      : D(call.D)
      , E(call.E)
      // % for own_lanes_name, own_size in own_lanes
      , __own_size__(call.__own_size__)
      // % endfor
  {}
};

struct Workspace : Widths {  // of one thread
  // % for line in buffers
  __line__
  // % endfor

  explicit Workspace(const Call& call)
      : Widths(call),
        // % for member in members
        __member__
        // % endfor
  {
    std::fill_n(&ones[0], widest + CHUNK, 1.0f);
  }
};

struct Ends : Widths {  // what pieces of heads come to: what they make of states, and what they leave of them
  // % for line in ends
  __line__
  // % endfor

  Ends(const Call& call, int64_t count)
      : Widths(call),
        // % for member in end_members
        __member__
        // % endfor
  {}
};

// ---- the tokens of one head, or a piece of them

struct Tokens {
  const Call& call;
  Workspace& space;
  Ends& ends;
  const Index b, h;
  const int64_t piece;

  [[maybe_unused]] const Index B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const int64_t offset = call.offsets ? call.offsets[b] : call.offset;
  [[maybe_unused]] const int64_t D_lanes = space.D_lanes, E_lanes = space.E_lanes, widest = space.widest;
  // % for own_lanes_name, own_size in own_lanes
  [[maybe_unused]] const int64_t __own_lanes_name__ = space.__own_lanes_name__;
  // % endfor
  const int64_t head = int64_t{b} * H + h, of_piece = piece_of(N, call.pieces);
  const int64_t begin = piece * of_piece, end = std::min(begin + of_piece, N);
  int64_t first = 0, rows = 0;  // tokens of the chunk that is at hand

  // % if in_order
  int64_t token_at(int64_t step) const { return call.order[h * N + step]; }

  // % endif
  // % for row_name, row_lines in rows
  [[gnu::noinline]] void load___row_name__() {
    // % for line in row_lines
    __line__
    // % endfor
  }
  // % endfor

  // % if matrix_lines
  // Matrices that rows are multiplied with.
  void load_matrices() {
    // % for line in matrix_lines
    __line__
    // % endfor
  }

  // % endif
  void turn_to(int64_t start) {
    first = start;
    rows = std::min<int64_t>(CHUNK, N - first);
  }

  // The rows of the tokens from `start` on.
  void load(int64_t start) {
    turn_to(start);
    // % for row_name, row_lines in rows
    load___row_name__();
    // % endfor
  }

  // % for left_name, leave_lines in leaving
  // What is left of __left_name__ behind one more chunk.
  [[gnu::noinline]] void leave___left_name__() {
    // % for line in leave_lines
    __line__
    // % endfor
  }

  // % endfor
  // What a piece leaves of the states in front of it.
  void leave_states() {
    // % for line in nothing_left_lines
    __line__
    // % endfor
    // % if leaving
    for (int64_t start = begin; start < end; start += CHUNK) {
      turn_to(start);
      // % for row_name in rows_left
      load___row_name__();
      // % endfor
      // % for left_name, _ in leaving
      leave___left_name__();
      // % endfor
    }
    // % endif
    [[maybe_unused]] const int64_t place = head * call.pieces + piece;
    // % for line in left_lines
    __line__
    // % endfor
  }
};
