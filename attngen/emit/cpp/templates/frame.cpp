// __summary__
//
// % for line in equation
//     __line__
// % endfor
//
// __header__
// Don't edit it: change the spec and compile that again.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif
#if defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifndef ELEMENT  // float, BFloat16 or Half; a library is compiled for each that is needed
#define ELEMENT float
#endif
#ifndef INDEX  // int32_t, where all positions of a call fit into it
#define INDEX int64_t
#endif

namespace {

constexpr int64_t PANEL_BYTES = 48 << 20;  // of keys and values that all threads together keep packed
constexpr float NOTHING = -std::numeric_limits<float>::infinity();

__numbers__

constexpr int64_t QUERY_TILE = __query_tile_rows__;
constexpr int64_t KEY_TILE = __key_tile_rows__;

__vectors__

__pairs__

__tiles__

__multiply__

__weights__

__own_support__

// % if functions
// ---- functions of the language

__functions__
// % endif
__given__
