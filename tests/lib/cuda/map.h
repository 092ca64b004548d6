// What stands for a tensor map of the driver: the same 128 bytes, our own fields.
#ifndef TL_TESTS_CUDA_MAP_H
#define TL_TESTS_CUDA_MAP_H

#include <stdbool.h>
#include <stdint.h>

enum { TL_MAP_BYTES = 128, TL_MAP_ALIGN = 64, TL_MAP_COLUMNS = 64 };

// A matrix of bf16 and the rows of a box, which has TL_MAP_COLUMNS columns.
typedef struct tl_shim_map {
  uint64_t magic;
  const unsigned char *base; // (rows, columns)
  int64_t columns, rows, row_bytes;
  int32_t box_rows;
} tl_shim_map;

_Static_assert(sizeof(tl_shim_map) <= TL_MAP_BYTES, "as the driver's");

// False if the hardware could not have such a map.
bool tl_shim_map_make(void *out_map, const void *base, int64_t columns, int64_t rows,
                      int64_t row_bytes, int64_t box_rows);

#endif
