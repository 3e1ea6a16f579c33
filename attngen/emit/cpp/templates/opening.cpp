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

__numbers__

__vectors__

__memory__

__sums__
