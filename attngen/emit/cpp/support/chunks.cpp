// ---- chunks of tokens

constexpr int64_t CHUNK = 16;  // tokens; what they read of each other costs less than what they read of the state
constexpr int64_t SEGMENT = 16;  // chunks; gradients start from a state that the forward pass keeps for each segment
constexpr int64_t TOGETHER = SEGMENT * CHUNK;  // tokens of a segment
constexpr int64_t BLOCK = 4;  // tokens whose rows and keys are in registers, where each channel decays in its own way
constexpr int64_t SLACK = HELD * LANES;  // what products may read behind the last row

// out = rescale * from + rows . matrix, for `count` rows of `depth` factors and a matrix as wide as `out`; without
// `rescale`, the product alone. ACROSS: the rows are the columns of what is given. BY_COLUMN: `rescale` has a factor
// for each column, not for each row.
template <int ROWS, bool ACROSS, bool BY_COLUMN, int VECTORS = STRIP>
inline void multiply_columns(
    int64_t count, int64_t vectors, int64_t depth, const float* rows, int64_t stride, const float* matrix,
    int64_t width, const float* rescale, const float* from, float* out) {
  if constexpr (VECTORS > 1)
    if (vectors < VECTORS)
      return multiply_columns<ROWS, ACROSS, BY_COLUMN, VECTORS - 1>(
          count, vectors, depth, rows, stride, matrix, width, rescale, from, out);
  multiply<ROWS, VECTORS, ACROSS>(depth, rows, stride, matrix, width, [&](int r, int n, Floats sum) {
    if (r >= count) return;
    const int64_t place = r * width + n * LANES;
    if (rescale) sum = multiply_add(load(from + place), BY_COLUMN ? load(rescale + n * LANES) : all(rescale[r]), sum);
    store(out + place, sum);
  });
}

template <int ROWS, bool ACROSS, bool BY_COLUMN>
[[gnu::noinline]] inline void multiply_rows(
    int64_t count, int64_t depth, const float* rows, int64_t stride, const float* matrix, int64_t width,
    const float* rescale, const float* from, float* out) {
  for (int64_t e = 0; e < width; e += STRIP * LANES)
    multiply_columns<ROWS, ACROSS, BY_COLUMN>(
        count, (width - e) / LANES, depth, rows, stride, matrix + e, width, BY_COLUMN ? rescale + e : rescale, from + e,
        out + e);
}

template <bool ACROSS, bool BY_COLUMN>
void multiply_blocks(
    int64_t count, int64_t depth, const float* rows, int64_t stride, const float* matrix, int64_t width,
    const float* rescale, const float* from, float* out) {
  for (int64_t r = 0, taken = 0; r < count; r += taken) {
    taken = next_block(count - r, HELD);
    const auto all_held = multiply_rows<HELD, ACROSS, BY_COLUMN>, one_less = multiply_rows<HELD - 1, ACROSS, BY_COLUMN>;
    const auto some = taken == HELD ? all_held : one_less;
    some(
        taken, depth, ACROSS ? rows + r : rows + r * stride, stride, matrix, width,
        BY_COLUMN || !rescale ? rescale : rescale + r, from + r * width, out + r * width);
  }
}

// out = rescale * out + rows . matrix.
template <bool ACROSS = false>
void product(
    int64_t count, int64_t depth, const float* rows, int64_t stride, const float* matrix, int64_t width,
    const float* rescale, float* out) {
  multiply_blocks<ACROSS, false>(count, depth, rows, stride, matrix, width, rescale, out, out);
}

// A row of channels: as it lies, or as floats one behind the other.
template <typename T>
const float* as_floats(const T* row, int64_t step, int64_t count, float* room) {
  if constexpr (std::is_same_v<T, float>)
    if (step == 1) return row;
  read_row(row, step, count, room);
  return room;
}

inline float sum_of_terms(const float* terms, int64_t count) {
  Floats sums = {};
  int64_t c = 0;
  for (; c + LANES <= count; c += LANES) sums += load(terms + c);
  float total = sum_of(sums);
  for (; c < count; ++c) total += terms[c];
  return total;
}

// What decays from token to token of a chunk; everything starts one row before the first token.
struct Decays {
  // since[i]: from the state in front of the chunk to token i; of each channel, or the same for all.
  // between[i][j]: from token j to token i, 0 where j comes later.
  Buffer<float> since, between;

  explicit Decays(int64_t width) : since((CHUNK + 1) * width), between((CHUNK + 1) * CHUNK) {}

  // One number for each token, `apart` from each other; without decay, 1.
  [[gnu::noinline]] void by_token(int64_t rows, const float* decay, int64_t apart) {
    since[0] = 1;
    for (int64_t i = 0; i < rows; ++i) {
      const float kept = decay ? decay[i * apart] : 1;
      since[i + 1] = since[i] * kept;
      for (int64_t j = 0; j < CHUNK; ++j) between[(i + 1) * CHUNK + j] = between[i * CHUNK + j] * kept;
      between[(i + 1) * CHUNK + i] = 1;
    }
  }
  [[gnu::noinline]] void by_channel(int64_t rows, const float* decay, int64_t width) {
    for (int64_t c = 0; c < width; ++c) since[c] = 1;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < width; ++c) since[(i + 1) * width + c] = since[i * width + c] * decay[i * width + c];
  }
};

// across[c][r] = rows[r][c], with room for all tokens of a chunk.
[[gnu::noinline]] inline void turn(int64_t count, const float* rows, int64_t width, float* across) {
  for (int64_t c = 0; c < width; ++c)
    for (int64_t r = 0; r < CHUNK; ++r) across[c * CHUNK + r] = r < count ? rows[r * width + c] : 0;
}

// weights[i][j] = (row i . key j) * decay from j to i, where rows read `before` tokens write, or behind that.
[[gnu::noinline]] inline void weigh_by_token(
    int64_t count, const float* rows, const float* keys_across, int64_t width, Decays& decays, bool before,
    float* weights) {
  product(count, width, rows, width, keys_across, CHUNK, nullptr, weights);
  for (int64_t i = 0; i < count; ++i) {
    const float* between = &decays.between[(i + !before) * CHUNK];
    float* of_token = weights + i * CHUNK;
    for (int64_t j = 0; j < CHUNK; ++j) of_token[j] = j < i + !before ? of_token[j] * between[j] : 0;
  }
}

// tile[r][n] = sum of the lanes of terms[r][n].
inline void put_sums(Floats (&terms)[BLOCK * BLOCK], float* tile) {
  float sums[BLOCK * BLOCK];
  for (int64_t p = 0; p < BLOCK * BLOCK; p += LANES) store(sums + p, sums_of(terms + p));
  for (int64_t r = 0; r < BLOCK; ++r) std::copy_n(sums + r * BLOCK, BLOCK, tile + r * CHUNK);
}

// weights[i][j] = row i . (key j * decays from j to i), where rows read BEFORE their tokens write, or behind that, for
// a block of tokens, and their keys as they are left behind it. FULL: there are as many; without, those behind them
// keep all. `faded` gets rows times what decays since the block has begun, and behind them what is left of all at its
// end.
template <bool BEFORE, bool FULL>
[[gnu::noinline]] inline void weigh_in_block(
    int64_t count, const float* rows, const float* keys, int64_t width, const float* decay, float* weights,
    float* decayed, float* faded) {
  Floats terms[BLOCK * BLOCK] = {};
  for (int64_t c = 0; c < width; c += LANES) {
    Floats kept = all(1.0f), key[BLOCK];
#pragma GCC unroll 4
    for (int64_t i = 0; i < BLOCK; ++i) {
      const int64_t place = i * width + c;
      const Floats row = load(rows + place), step = FULL || i < count ? load(decay + place) : all(1.0f);
      if (BEFORE) store(faded + place, row * kept);
#pragma GCC unroll 4
      for (int64_t j = 0; j < i; ++j) {
        const Floats then = key[j];
        key[j] *= step;
        terms[i * BLOCK + j] = multiply_add(BEFORE ? then : key[j], row, terms[i * BLOCK + j]);
      }
      key[i] = load(keys + place);
      kept *= step;
      if (BEFORE) continue;
      store(faded + place, row * kept);
      terms[i * BLOCK + i] = multiply_add(key[i], row, terms[i * BLOCK + i]);
    }
    for (int64_t i = 0; i < BLOCK; ++i) store(decayed + i * width + c, key[i]);
    store(faded + BLOCK * width + c, kept);
  }
  put_sums(terms, weights);
}

// The same for what a block of tokens before has written: keys as they were left behind the block in between decay on.
[[gnu::noinline]] inline void weigh_block(const float* faded, int64_t width, float* weights, float* decayed) {
  Floats terms[BLOCK * BLOCK] = {};
  for (int64_t c = 0; c < width; c += LANES) {
    Floats row[BLOCK];
    for (int64_t i = 0; i < BLOCK; ++i) row[i] = load(faded + i * width + c);
    const Floats kept = load(faded + BLOCK * width + c);
#pragma GCC unroll 4
    for (int64_t j = 0; j < BLOCK; ++j) {
      const Floats key = load(decayed + j * width + c);
      store(decayed + j * width + c, key * kept);
#pragma GCC unroll 4
      for (int64_t i = 0; i < BLOCK; ++i) terms[i * BLOCK + j] = multiply_add(row[i], key, terms[i * BLOCK + j]);
    }
  }
  put_sums(terms, weights);
}

// The same for all tokens of a chunk; `decayed` are the keys behind the last of them.
template <bool BEFORE>
void weigh_by_channel(
    int64_t count, const float* rows, const float* keys, int64_t width, const float* decay, float* weights,
    float* decayed, float* faded) {
  for (int64_t first = 0; first < count; first += BLOCK) {
    const int64_t place = first * width;
    float* tile = weights + first * CHUNK + first;
    const auto within = count - first < BLOCK ? weigh_in_block<BEFORE, false> : weigh_in_block<BEFORE, true>;
    within(count - first, rows + place, keys + place, width, decay + place, tile, decayed + place, faded);
    for (int64_t earlier = 0; earlier < first; earlier += BLOCK)
      weigh_block(faded, width, weights + first * CHUNK + earlier, decayed + earlier * width);
    for (int64_t i = 0; i < BLOCK; ++i) std::fill(tile + i * CHUNK + BLOCK, weights + (first + i + 1) * CHUNK, 0.0f);
  }
}

// decayed[j] = key j behind the last token of a chunk, where all channels decay alike.
[[gnu::noinline]] inline void decay_keys(
    int64_t count, const float* keys, int64_t width, Decays& decays, float* decayed) {
  for (int64_t j = 0; j < count; ++j) {
    const float since = decays.between[count * CHUNK + j];
    for (int64_t c = 0; c < width; ++c) decayed[j * width + c] = keys[j * width + c] * since;
  }
}

// The same where each channel decays in its own way.
[[gnu::noinline]] inline void decay_keys_by_channel(
    int64_t count, const float* keys, int64_t width, const float* decay, float* decayed) {
  for (int64_t c = 0; c < width; c += LANES) {
    Floats kept = all(1.0f);
    for (int64_t j = count - 1; j >= 0; --j) {
      store(decayed + j * width + c, load(keys + j * width + c) * kept);
      kept *= load(decay + j * width + c);
    }
  }
}

// Rows times what has decayed of the state in front of the chunk when they read it.
[[gnu::noinline]] inline void fade(
    int64_t count, const float* rows, int64_t width, const float* since, bool by_channel, float* faded) {
  for (int64_t r = 0; r < count; ++r)
    for (int64_t c = 0; c < width; ++c)
      faded[r * width + c] = rows[r * width + c] * (by_channel ? since[r * width + c] : since[r]);
}

inline void add_scaled(const float* x, float factor, int64_t width, float* sum) {
  for (int64_t c = 0; c < width; c += LANES) store(sum + c, multiply_add(load(x + c), all(factor), load(sum + c)));
}

// x[i] += sum of weights[i][j] * x[j] over the tokens j before i, one token after the other.
[[gnu::noinline]] inline void solve(int64_t count, const float* weights, float* x, int64_t width) {
  for (int64_t i = 1; i < count; ++i)
    for (int64_t j = 0; j < i; ++j) add_scaled(x + j * width, weights[i * CHUNK + j], width, x + i * width);
}

// A state, whose rows of keys and of values are some steps from each other, to rows that lie `apart`; 0 if there is
// none.
inline void take_state(
    const float* given, int64_t depth, int64_t width, int64_t key_step, int64_t value_step, int64_t apart,
    float* state) {
  if (!given || width < apart) std::fill_n(state, depth * apart, 0.0f);
  for (int64_t c = 0; given && c < depth; ++c)
    if (value_step == 1)
      std::copy_n(given + c * key_step, width, state + c * apart);
    else
      for (int64_t e = 0; e < width; ++e) state[c * apart + e] = given[c * key_step + e * value_step];
}

inline void give_state(
    const float* state, int64_t depth, int64_t width, int64_t key_step, int64_t value_step, int64_t apart,
    float* given) {
  for (int64_t c = 0; c < depth; ++c)
    if (value_step == 1)
      std::copy_n(state + c * apart, width, given + c * key_step);
    else
      for (int64_t e = 0; e < width; ++e) given[c * key_step + e * value_step] = state[c * apart + e];
}
