// ---- gradients of a chunk

// out = rescale * from + columns . matrix.
template <bool BY_COLUMN>
void add_product(
    int64_t count, int64_t depth, const float* columns, int64_t stride, const float* matrix, int64_t width,
    const float* rescale, const float* from, float* out) {
  multiply_blocks<true, BY_COLUMN>(count, depth, columns, stride, matrix, width, rescale, from, out);
}

// sums[c] += sum of x[r][c] * y[r][c] over r.
[[gnu::noinline]] inline void sum_columns(int64_t count, const float* x, const float* y, int64_t width, float* sums) {
  for (int64_t r = 0; r < count; ++r)
    for (int64_t c = 0; c < width; ++c) sums[c] += x[r * width + c] * y[r * width + c];
}

inline float sum_of_products(const float* x, const float* y, int64_t width) {
  Floats sums = {};
  for (int64_t c = 0; c < width; c += LANES) sums = multiply_add(load(x + c), load(y + c), sums);
  return sum_of(sums);
}

// x[j] += sum of weights[i][j] * x[i] over the tokens i behind j: what `solve` does, the other way.
[[gnu::noinline]] inline void solve_back(int64_t count, const float* weights, float* x, int64_t width) {
  for (int64_t i = count - 1; i > 0; --i)
    for (int64_t j = 0; j < i; ++j) add_scaled(x + i * width, weights[i * CHUNK + j], width, x + j * width);
}

// What rows read is row . key * value, so far without what decays: `weights` are row . key, `slopes` are gradient .
// value. Both get their decays, and `joined`, where there is one, their products; `time` is how many tokens have
// written what is read.
[[gnu::noinline]] inline void join(
    int64_t count, Decays& decays, bool before, float* weights, float* slopes, float* joined) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t time = i + !before;
    const float* between = &decays.between[time * CHUNK];
    float *weight = weights + i * CHUNK, *slope = slopes + i * CHUNK;
    if (joined)
      for (int64_t j = 0; j < time; ++j) joined[time * CHUNK + j] += weight[j] * slope[j];
    for (int64_t j = 0; j < CHUNK; ++j) weight[j] = j < time ? weight[j] * between[j] : 0;
    for (int64_t j = 0; j < CHUNK; ++j) slope[j] = j < time ? slope[j] * between[j] : 0;
  }
}

// From what rows read of the state in front of the chunk: `read` is gradient . state^T.
[[gnu::noinline]] inline void return_to_rows(
    int64_t count, const float* rows, const float* read, int64_t width, Decays& decays, bool before, float* d_rows,
    float* from_state) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t time = i + !before;
    add_scaled(read + i * width, decays.since[time], width, d_rows + i * width);
    if (from_state) from_state[time] += sum_of_products(rows + i * width, read + i * width, width);
  }
}

// From what later chunks read of what tokens have written: `read` is value . gradient^T of the state behind the chunk.
[[gnu::noinline]] inline void return_to_keys(
    int64_t count, const float* keys, const float* read, int64_t width, Decays& decays, float* d_keys, float* joined) {
  for (int64_t j = 0; j < count; ++j) {
    add_scaled(read + j * width, decays.between[count * CHUNK + j], width, d_keys + j * width);
    if (joined) joined[count * CHUNK + j] += sum_of_products(keys + j * width, read + j * width, width);
  }
}

// The gradient by the decay of each token: what is read behind it of what was there before it, without itself. No
// logarithms, no quotients: factors may be 0 and of any sign.
[[gnu::noinline]] inline void return_to_decays(
    int64_t count, Decays& decays, const float* joined, const float* from_state, float* d_decay, int64_t apart) {
  for (int64_t l = 0; l < count; ++l) {
    std::array<float, CHUNK> of_tokens = {};
    float total = 0;
    for (int64_t time = l + 1; time <= count; ++time) {
      const float since = decays.between[time * CHUNK + l];
      total += since * from_state[time];
      for (int64_t j = 0; j < CHUNK; ++j) of_tokens[j] += since * joined[time * CHUNK + j];
    }
    total *= decays.since[l];
    for (int64_t j = 0; j < l; ++j) total += decays.between[l * CHUNK + j] * of_tokens[j];
    d_decay[l * apart] += total;
  }
}

// All of that where each channel decays in its own way: on from token to token what row i reads, starting with `start`
// of the state or with 0, and back what its gradient gives to keys and decays.
[[gnu::noinline]] inline void return_by_channel(
    int64_t count, const float* rows, const float* keys, const float* decay, int64_t width, bool before,
    const float* slopes, const float* start, float* d_rows, float* d_keys, float* d_decay) {
  Floats reached[CHUNK];
  for (int64_t c = 0; c < width; c += LANES)
    for (int64_t i = 0; i < count; ++i) {
      const int64_t time = i + !before, place = i * width + c;
      const float* slope = slopes + i * CHUNK;
      Floats sum = start ? load(start + place) : Floats{};
      for (int64_t l = 0; l < time; ++l) {
        reached[l] = sum;
        sum = multiply_add(sum, load(decay + l * width + c), all(slope[l]) * load(keys + l * width + c));
      }
      store(d_rows + place, load(d_rows + place) + sum);
      Floats row = load(rows + place);
      for (int64_t l = time - 1; l >= 0; --l) {
        float *d_key = d_keys + l * width + c, *by_decay = d_decay + l * width + c;
        store(d_key, multiply_add(all(slope[l]), row, load(d_key)));
        store(by_decay, multiply_add(reached[l], row, load(by_decay)));
        row *= load(decay + l * width + c);
      }
    }
}

// The same from what later chunks read: `read` is value . gradient^T of the state behind the chunk, and `start` is the
// sum of state * gradient over values.
[[gnu::noinline]] inline void return_from_end(
    int64_t count, const float* keys, const float* decay, int64_t width, const float* read, const float* start,
    float* d_keys, float* d_decay) {
  Floats reached[CHUNK];
  for (int64_t c = 0; c < width; c += LANES) {
    Floats sum = start ? load(start + c) : Floats{}, kept = all(1.0f);
    for (int64_t l = 0; l < count; ++l) {
      const int64_t place = l * width + c;
      reached[l] = sum;
      sum = multiply_add(sum, load(decay + place), load(keys + place) * load(read + place));
    }
    for (int64_t l = count - 1; l >= 0; --l) {
      const int64_t place = l * width + c;
      store(d_keys + place, multiply_add(load(read + place), kept, load(d_keys + place)));
      store(d_decay + place, multiply_add(reached[l], kept, load(d_decay + place)));
      kept *= load(decay + place);
    }
  }
}

// sums += part, which is 0 behind that.
[[gnu::noinline]] inline void add_to_matrix(int64_t count, int64_t width, int64_t apart, float* part, double* sums) {
  for (int64_t r = 0; r < count; ++r)
    for (int64_t c = 0; c < width; ++c) sums[r * width + c] += std::exchange(part[r * apart + c], 0.0f);
}
