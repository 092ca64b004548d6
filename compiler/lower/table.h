// Named vectors of numbers computed from the config: section `tables`.
//
//   rope:
//     length: head // 2
//     let: {wave: 6.28 / base ** (2 * j / head)}     may be absent; computed in double precision
//     value: 6.28 / wave                             for j = 0 .. length - 1, rounded to f32
//
// Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_TABLE_H
#define TL_COMPILER_LOWER_TABLE_H

#include "compiler/lower/scope.h"

// Adds the table that `definition` describes to the graph, under its key.
tl_status tl_table_add(tl_scope *scope, tl_graph *graph, const tl_yaml *definition,
                       tl_value **out_value) TL_CHECKED;

#endif
