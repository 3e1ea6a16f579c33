// ---- pieces of a head's tokens, each of some segments: where there are more threads than heads, several share one

// How many tokens a piece has, where a head is taken in so many.
inline int64_t piece_of(int64_t tokens, int64_t pieces) {
  const int64_t segments = (tokens + TOGETHER - 1) / TOGETHER;
  return (segments + pieces - 1) / pieces * TOGETHER;
}

// Pieces `first` to `stop` - 1 of all heads: each thread takes the next that is left, in a workspace of its own.
template <typename Head, typename Call, typename Space, typename Ends, typename Work>
void run_pieces(
    const Call& call, std::vector<Space>& spaces, Ends& ends, int64_t first, int64_t stop, const Work& work) {
  const int64_t pieces = stop - first;
  if (pieces == 0) return;
  std::atomic<int64_t> next{0};
#pragma omp parallel for num_threads(call.threads) schedule(static, 1)
  for (int64_t thread = 0; thread < call.threads; ++thread)
    for (int64_t task = next++; task < call.B * call.H * pieces; task = next++) {
      [[maybe_unused]] const NoDenormals mode;
      const int64_t head = task / pieces;
      Head made{ { call, spaces[thread], ends, head / call.H, head % call.H, first + task % pieces } };
      work(made);
    }
}

// left *= what is left behind a chunk.
inline void leave(int64_t count, const float* since, float* left) {
  for (int64_t c = 0; c < count; ++c) left[c] *= since[c];
}

// A matrix that leaves everything as it is.
inline void leave_all(int64_t count, int64_t width, float* left) {
  std::fill_n(left, count * width, 0.0f);
  for (int64_t c = 0; c < count; ++c) left[c * width + c] = 1;
}

// state = left * state + made: past a piece. What is left is a number for each row, `apart` from each other.
inline void carry_on(int64_t count, int64_t width, const float* left, int64_t apart, const float* made, float* state) {
  for (int64_t c = 0; c < count; ++c)
    for (int64_t e = c * width; e < (c + 1) * width; ++e) state[e] = left[c * apart] * state[e] + made[e];
}

// The same where what is left is a matrix; ACROSS: its columns are what is given as rows.
template <bool ACROSS>
void pass_through(
    int64_t count, int64_t width, const float* left, int64_t stride, const float* made, const float* ones,
    float* before, float* state) {
  std::copy_n(state, count * width, before);
  std::copy_n(made, count * width, state);
  product<ACROSS>(count, count, left, stride, before, width, ones, state);
}
