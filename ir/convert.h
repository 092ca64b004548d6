// Stored float formats to and from f32, element by element.
//
//   tl_convert_to_f32(TL_FORMAT_BF16, bits, 576, out)
//
// To f32 is exact; from f32 rounds to nearest, ties to even. The stored side needs no alignment;
// the buffers must not overlap. Pure functions: any thread.
#ifndef TL_IR_CONVERT_H
#define TL_IR_CONVERT_H

#include "ir/type.h"

// Whether a format can be read: every float of formats.def.
bool tl_convert_reads(tl_format format);

// Whether a format can be written: f32, bf16 and f16.
bool tl_convert_writes(tl_format format);

// Bytes of an element of a float format.
size_t tl_convert_element_bytes(tl_format format);

// `format` must be one that can be read.
void tl_convert_to_f32(tl_format format, const void *in, int64_t count, float *out);

// `format` must be one that can be written. NaN stays NaN; what is too large becomes infinite.
void tl_convert_from_f32(tl_format format, const float *in, int64_t count, void *out);

#endif
