__frame__

struct Call : Given {
  Rows<Element> dy;  // [B, H, N, E]
  // % if centred
  Rows<Element> y;  // [B, H, N, E]
  // % endif
  const float* stats;  // [B, H, N, 2]: what scores are relative to, and what values were multiplied by
  // % if softmax
  const float* dlse;  // [B, H, N], or null
  // % endif
  float* dq;       // [B, H, N, D], zero at first
  float *dk, *dv;  // [B, H / panel_heads, M, D] and [..., E], zero at first
  int64_t parts;   // how many tasks share the queries of the heads that share keys
};

// The sums of one task, over its queries, for the keys of a walk.
struct KeySums {
  Buffer<float> v;
  // % for row in keys
  Buffer<float> __row__;
  // % endfor

  KeySums(int64_t tokens, int64_t D, int64_t E)
      : v(tokens * rounded_up(E, LANES))
      // % for row in keys
      , __row__(tokens * rounded_up(D, LANES))
      // % endfor
  {}
};

struct Workspace {  // of one thread
  int64_t slots;               // key tiles that are kept packed; tile t in slot t % slots
  std::vector<int64_t> owner;  // the head and the tile that a slot holds
  Buffer<float> __workspace_floats____more_floats__row, dy, delta, base, dp;
  Buffer<float> scores;  // then weights, of all pairs of a tile
  Buffer<Piece> __workspace_pieces____more_pieces__dy_pieces, dy_rows, v, weights, columns;
  Buffer<bool> live;  // of the pairs of a block
  std::vector<int64_t> walk__periodic_walk__;  // key tiles, in the order of their visits

  Workspace(int64_t slots, int64_t D, int64_t E)
      : slots(slots),
        owner(slots, -1),
        // % for line in workspace_float_sizes
        __line__
        // % endfor
        // % for line in more_float_sizes
        __line__
        // % endfor
        row(std::max(D, E)),
        dy((QUERY_TILE + BLOCK) * E),
        delta(QUERY_TILE),
        base(QUERY_TILE),
        dp(BLOCK * KEY_TILE),
        scores((QUERY_TILE + 1) * KEY_TILE + BLOCK),
        // % for line in workspace_piece_sizes
        __line__
        // % endfor
        // % for line in more_piece_sizes
        __line__
        // % endfor
        dy_pieces((QUERY_TILE + BLOCK) * rounded_up(E, DEPTH)),
        dy_rows(KEY_TILE * rounded_up(E, PANEL)),
        v(slots * KEY_TILE * rounded_up(E, DEPTH)),
        weights(BLOCK * KEY_TILE),
        columns((QUERY_TILE + 1) * KEY_TILE),
        live(BLOCK * KEY_TILE) {}
};

__query_tile__

__gradient_tile__

__whole_backward__
