// Base64, as JSON files hold bytes.
#ifndef TL_COMPILER_LOAD_BASE64_H
#define TL_COMPILER_LOAD_BASE64_H

#include "runtime/base/arena.h"

// Writes the bytes that `text` spells to the arena. TL_INPUT, not reported, if it is not whole
// groups of four characters of the usual alphabet, padded at the end.
TL_CHECKED tl_status tl_base64_decode(tl_arena *arena, tl_str text, tl_str *out_bytes);

#endif
