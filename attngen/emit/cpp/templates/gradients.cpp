__frame__

// % if pair_landings
constexpr int64_t MOST_COPIED = 1 << 26;  // elements that parts of a head may add to copies of

template <typename T>
struct Elements {  // of the gradient by an input, contiguous
  T* data;         // or null
  int64_t stride[__most_landing_axes__], share, count;

  template <typename... Place>
  int64_t place(Place... places) const {
    int64_t element = 0;
    const int64_t* step = stride;
    ((element += places * *step++), ...);
    return element;
  }
};

// % endif
struct Call : Given {
  Rows<Element> dy;  // [B, H, N, E]
  // % if centred
  Rows<Element> y;  // [B, H, N, E]
  // % endif
  const float* stats;  // [B, H, N, 2]: what scores are relative to, and what values were multiplied by
  // % if softmax
  const float* dlse;  // [B, H, N], or null
  // % endif
  // Zero at first, or null where nobody asks for them.
  float* dq;       // [B, H, N, D]
  float *dk, *dv;  // [B, H / panel_heads, M, D] and [..., E]
  // % for line in landing_fields
  __line__
  // % endfor
  int64_t batch_rounds, head_rounds;  // how many batch rows and groups of heads may add to the same elements
  int64_t parts;                      // how many tasks share the queries of the heads that share keys
};

// The sums of one task, over its queries, for the keys of a walk.
struct KeySums {
  int64_t tokens, diagonals;  // of a head
  Buffer<float> v;
  // % for row in keys
  Buffer<float> __row__;
  // % endfor
  // % for row in key_landings
  Buffer<double> __row__;
  // % endfor
  // % for row in band_landings
  Buffer<double> __row__;  // by i - j, from -(M - 1) - KEY_TILE on
  // % endfor
  // % for row, type, _ in pair_landings
  __type__* __row__ = nullptr;
  // % endfor

  KeySums(const Call& call, int64_t tokens)
      : tokens(tokens)
      , diagonals(call.N + call.M + QUERY_TILE + KEY_TILE)
      , v(call.dv ? tokens * rounded_up(call.E, LANES) : 0)
      // % for row in keys
      , __row__(call.dk ? tokens * rounded_up(call.D, LANES) : 0)
      // % endfor
      // % for row in key_landings
      , __row__(call.__row__ ? call.panel_heads * tokens : 0)
      // % endfor
      // % for row in band_landings
      , __row__(call.__row__ ? call.panel_heads * diagonals : 0)
      // % endfor
  {}
};

struct KeyGradients {  // by rows of keys: [B, H / panel_heads, M, D]
  // % for row in keys
  Buffer<float> __row__;
  // % endfor

  explicit KeyGradients([[maybe_unused]] int64_t count)__made_keys__ {}
};

struct Workspace {  // of one thread
  int64_t slots;               // key tiles that are kept packed; tile t in slot t % slots
  std::vector<int64_t> owner;  // the head and the tile that a slot holds
  // % for line in buffer_lines
  __line__
  // % endfor
  Buffer<bool> live;  // of the pairs of a block
  std::vector<int64_t> walk__periodic_walk__;  // key tiles, in the order of their visits

  Workspace(int64_t slots, int64_t D, int64_t E)
      : slots(slots),
        owner(slots, -1),
        // % for buffer, length in buffers
        __buffer__(__length__),
        // % endfor
        live(BLOCK * KEY_TILE) {}
};

__query_tile__

__gradient_tile__

__whole_backward__
