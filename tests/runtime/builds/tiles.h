// A CPU that multiplies tiles of bfloat16 (AMX), for CPUs that don't: what kernels use of it.
#include <sys/syscall.h>
#include <unistd.h>

#include "pairs.h"

static thread_local uint32_t tiles_of_thread[8][16][16];

static inline void emulated_load(int tile, const void* from, int64_t bytes) {
  for (int row = 0; row < 16; ++row)
    std::memcpy(tiles_of_thread[tile][row], static_cast<const char*>(from) + row * bytes, 64);
}

static inline void emulated_store(int tile, void* to, int64_t bytes) {
  for (int row = 0; row < 16; ++row) std::memcpy(static_cast<char*>(to) + row * bytes, tiles_of_thread[tile][row], 64);
}

static inline void emulated_products(int sums, int rows, int columns) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 16; ++column) {
      float sum;
      std::memcpy(&sum, &tiles_of_thread[sums][row][column], sizeof sum);
      for (int pair = 0; pair < 16; ++pair) {
        const uint32_t left = tiles_of_thread[rows][row][pair], right = tiles_of_thread[columns][pair][column];
        sum += from_bfloat16(left & 0xffff) * from_bfloat16(right & 0xffff);
        sum += from_bfloat16(left >> 16) * from_bfloat16(right >> 16);
      }
      std::memcpy(&tiles_of_thread[sums][row][column], &sum, sizeof sum);
    }
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define syscall(...) 0
#define _tile_loadconfig(shapes) static_cast<void>(shapes)
#define _tile_release() static_cast<void>(0)
#define _tile_zero(tile) std::memset(tiles_of_thread[tile], 0, sizeof tiles_of_thread[tile])
#define _tile_loadd(tile, from, bytes) emulated_load(tile, from, bytes)
#define _tile_stored(tile, to, bytes) emulated_store(tile, to, bytes)
#define _tile_dpbf16ps(sums, rows, columns) emulated_products(sums, rows, columns)
#ifndef __AMX_BF16__
#define __AMX_BF16__ 1
#endif
