// The tables of functions, filters, tests and methods; each ends with a row without a name.
#ifndef TL_TEXT_JINJA_GLOBALS_H
#define TL_TEXT_JINJA_GLOBALS_H

#include "runtime/text/jinja/function.h"

extern const tl_function_row tl_global_rows[];       // globals.c
extern const tl_function_row tl_cycler_rows[];       // methods of a cycler
extern const tl_function_row tl_loop_rows[];         // methods of loop
extern const tl_function_row tl_text_filter_rows[];  // filter_text.c
extern const tl_function_row tl_list_filter_rows[];  // filter_list.c
extern const tl_function_row tl_value_filter_rows[]; // filter_value.c
extern const tl_function_row tl_test_rows[];         // test.c
extern const tl_function_row tl_text_method_rows[];  // method_text.c
extern const tl_function_row tl_dict_method_rows[];  // method.c
extern const tl_function_row tl_list_method_rows[];  // of lists and tuples

#endif
