// Stop strings: a streaming matcher that holds back text which may be the beginning of one.
//
//   stops "\nUser:", "END"        feed "The E"  -> out "The "       ("E" is held)
//                                 feed "dge\n"  -> out "Edge"       ("\n" is held)
//                                 feed "User: x"-> found 0, out ""  (nothing after it is given)
//
// Of several, the one that is complete first wins, the longest if they end together; so the result
// does not depend on how the text is cut into pieces. At most the longest stop less one byte is
// held. Works on bytes. One thread at a time per matcher; no memory but its own.
#ifndef TL_ENGINE_STOP_H
#define TL_ENGINE_STOP_H

#include "runtime/base/diag.h"

enum { TL_STOPS_MAX = 16, TL_STOP_BYTES_MAX = 256 };

typedef struct tl_stop_pattern {
  uint16_t length;
  uint16_t matched; // bytes of it that the newest text ends with
  uint8_t bytes[TL_STOP_BYTES_MAX];
  uint8_t border[TL_STOP_BYTES_MAX]; // of each prefix: its longest proper prefix that is its suffix
} tl_stop_pattern;

typedef struct tl_stop {
  int32_t patterns_count;
  int32_t found; // the stop that was met, or -1
  uint32_t held_count;
  char held[TL_STOP_BYTES_MAX]; // text not given out yet
  tl_stop_pattern patterns[TL_STOPS_MAX];
} tl_stop;

// Prepares for a new text; copies the stops. TL_USAGE if there are more than TL_STOPS_MAX or one is
// not of 1..TL_STOP_BYTES_MAX bytes.
TL_CHECKED tl_status tl_stop_init(tl_stop *stop, const tl_str *stops, int32_t stops_count,
                                  tl_diag *diag);

// Takes more text and writes what is certain to come before any stop to `out_text`, which has room
// for text.length + TL_STOP_BYTES_MAX bytes and does not overlap `text`. Returns the number of the
// stop that was met, in this call or before, or -1; after one nothing is given out any more.
int32_t tl_stop_feed(tl_stop *stop, tl_str text, char *out_text, size_t *out_bytes);

// The text has ended: gives out what is held, at most TL_STOP_BYTES_MAX bytes.
void tl_stop_flush(tl_stop *stop, char *out_text, size_t *out_bytes);

#endif
