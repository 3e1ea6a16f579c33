// The rows `first` to `last` of a head of keys, as products with queries take them.
void make___rows__(const Given& call, int64_t b, int64_t h, int64_t first, int64_t last, float* __rows__) {
  [[maybe_unused]] const int64_t B = call.B, H = call.H, N = call.N, M = call.M, D = call.D, E = call.E;
  // % for line in unpacked
  __line__
  // % endfor
  const Element* k = call.k.data + b * call.k.batch + __head__ * call.k.head;
  // % for line in lines
  __line__
  // % endfor
}
