// ---- what a call gives

template <typename T>
struct Rows {  // [B, heads, tokens, channels]; head h reads head h / share
  const T* data;
  int64_t batch, head, token, channel, share;

  const T* of(int64_t b, int64_t h) const { return data + b * batch + h / share * head; }
};

// % if inputs
template <typename T>
struct Input {  // a tensor with a stride for each axis; head h reads head h / share
  const T* data;
  int64_t stride[__most_axes__], share;

  template <typename... Place>
  int64_t at(Place... place) const {
    int64_t element = 0;
    const int64_t* step = stride;
    ((element += place * *step++), ...);
    return element;
  }
  template <typename... Place>
  T operator()(Place... place) const {
    return data[at(place...)];
  }
};

// % endif
struct Given {
  Rows<Element> q, k, v;
  // % for row, heads, share in key_rows
  Rows<float> __row__;  // [B, heads, M, D], computed ahead
  std::vector<float> __row___data;
  // % endfor
  const int64_t* offsets;  // the position of query row 0 for each batch row, or null: then `offset` is that of all
  int64_t offset;
  // % if listed
  const int32_t* tiles;   // the key tiles of each query tile, one query tile after the other
  const int64_t* starts;  // for each query tile: where its tiles begin, where its full ones begin, and their end
  int64_t starts_batch, starts_head;
  // % endif
  // % if ordered
  const int32_t *query_order, *key_order;  // tokens in the order of the walk; as they lie if null
  int64_t query_order_batch, query_order_head, key_order_batch, key_order_head;
  // % endif
  int64_t B, H, N, M, D, E, threads;
  int64_t panel_heads;  // how many heads in a row read the same keys and values
  // % for field in fields
  __field__;
  // % endfor
};

struct Packed {  // what a launcher passes, in the order in which it is taken
  void* const* tensors;
  const int64_t* integers;
  const double* reals;
};

Rows<Element> take_rows(Packed& packed) {
  Rows<Element> rows;
  rows.data = static_cast<const Element*>(*packed.tensors++);
  for (int64_t* field : {&rows.batch, &rows.head, &rows.token, &rows.channel, &rows.share})
    *field = *packed.integers++;
  return rows;
}

void take(Given& call, Packed& packed) {
  call.q = take_rows(packed);
  call.k = take_rows(packed);
  call.v = take_rows(packed);
  auto& [tensors, integers, reals] = packed;
  call.offsets = static_cast<const int64_t*>(*tensors++);
  // % if listed
  call.tiles = static_cast<const int32_t*>(*tensors++);
  call.starts = static_cast<const int64_t*>(*tensors++);
  // % endif
  // % if ordered
  call.query_order = static_cast<const int32_t*>(*tensors++);
  call.key_order = static_cast<const int32_t*>(*tensors++);
  // % endif
  for (int64_t* field :
       {&call.offset, &call.B, &call.H, &call.N, &call.M, &call.D, &call.E, &call.threads, &call.panel_heads})
    *field = *integers++;
  // % if listed
  for (int64_t* field : {&call.starts_batch, &call.starts_head}) *field = *integers++;
  // % endif
  // % if ordered
  for (int64_t* field : {&call.query_order_batch, &call.query_order_head}) *field = *integers++;
  for (int64_t* field : {&call.key_order_batch, &call.key_order_head}) *field = *integers++;
  // % endif
  // % for line in packed
  __line__
  // % endfor
  static_cast<void>(reals);
}
// % if key_rows

__row_functions__
// All rows of keys that are computed ahead.
void make_key_rows(Given& call) {
  constexpr int64_t ROWS = 256;  // computed by one thread at a time
  const int64_t key_blocks = (call.M + ROWS - 1) / ROWS;
  // % for row, heads, share in key_rows
  const int64_t __row___heads = __heads__;
  call.__row___data.resize(call.B * __row___heads * call.M * call.D);
  const int64_t __row___head = call.M * call.D;  // elements
  call.__row__ = { call.__row___data.data(), __row___heads * __row___head, __row___head, call.D, 1, __share__ };
#pragma omp parallel for num_threads(call.threads)
  for (int64_t task = 0; task < call.B * __row___heads * key_blocks; ++task) {
    const int64_t head = task / key_blocks, first = task % key_blocks * ROWS, last = std::min(first + ROWS, call.M);
    float* rows = &call.__row___data[head * call.M * call.D];
    make___row__(call, head / __row___heads, head % __row___heads, first, last, rows);
  }
  // % endfor
}
// % endif
