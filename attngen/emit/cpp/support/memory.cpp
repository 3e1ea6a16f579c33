// ---- memory, and rows of it that are handled together

constexpr int64_t HELD = 6;  // rows whose sums are held in registers; at times one less

constexpr int64_t rounded_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// How many of the rows that are left the next block takes: full blocks, and some with one row less.
constexpr int64_t next_block(int64_t left, int64_t most) {
  const int64_t blocks = (left + most - 1) / most;
  return (left + blocks - 1) / blocks;
}

template <typename T>
class Buffer {  // zero at first, and only what is touched takes memory
 public:
  explicit Buffer(int64_t count) : memory_(std::calloc(count * sizeof(T) + 64, 1)) {
    if (!memory_) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(rounded_up(reinterpret_cast<intptr_t>(memory_), 64));
  }
  Buffer(Buffer&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), data_(other.data_) {}
  ~Buffer() { std::free(memory_); }
  T& operator[](int64_t place) { return data_[place]; }

 private:
  void* memory_;
  T* data_;
};
