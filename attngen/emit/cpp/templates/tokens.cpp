struct Workspace {  // of one thread
  // % for line in buffers
  __line__
  // % endfor

  Workspace(int64_t D, int64_t E, int64_t D_lanes, int64_t E_lanes)
      // % for member in members
      __member__
      // % endfor
  {
    std::fill_n(&ones[0], std::max({ D_lanes, E_lanes, CHUNK }), 1.0f);
    static_cast<void>(D), static_cast<void>(E);
  }
};

// ---- the tokens of one head

struct Tokens {
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
  [[gnu::noinline]] void load___row_name__() {
    // % for line in row_lines
    __line__
    // % endfor
  }
  // % endfor

  // The rows of the tokens from `start` on.
  void load(int64_t start) {
    first = start;
    rows = std::min<int64_t>(CHUNK, N - first);
    // % for row_name, row_lines in rows
    load___row_name__();
    // % endfor
  }
};
