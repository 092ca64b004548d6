// A plan file in memory that tests change, seal again and open, thousands of times a minute.
//
//   plan_file file;
//   plan_file_open(&file, "model.plan");
//   ((tl_plan_model *)plan_file_row(&file, TL_PLAN_TABLE_model, 0))->vocabulary++;
//   plan_file_seal(&file);
//   .. open file.path ..
//   plan_file_restore(&file);
//
// Only what lies before the code may be changed: header, section table, meta, tokenizer, template,
// programs, checksums; and the weights, which are not restored: who changes them sets
// `weights_changed`, so that all seals from then on hash them.
#ifndef TL_TESTS_PLAN_FILE_H
#define TL_TESTS_PLAN_FILE_H

#include "runtime/base/plan.h"
#include "runtime/base/str.h"

typedef struct plan_file {
  int fd;
  char path[48];
  char *bytes;       // the file, shared with who opens `path`
  char *original;    // what it was
  size_t size, head; // bytes before the code
  bool weights_changed;
} plan_file;

// A copy of the good plan at `path`, in an unnamed file.
void plan_file_open(plan_file *file, const char *path);
void plan_file_close(plan_file *file);

// The first section of `kind`, where the good plan has it; NULL if there is none. The row is that
// of the file, which may have been changed.
tl_plan_section *plan_file_section(const plan_file *file, tl_plan_section_kind kind);

// A row of the programs section, where the good plan has it, and how many rows the table has.
void *plan_file_row(const plan_file *file, tl_plan_table table, uint32_t row);
uint32_t plan_file_rows(const plan_file *file, tl_plan_table table);

// The bytes of a row of `table`.
size_t plan_file_row_bytes(tl_plan_table table);

// Makes the checksums and all digests right, but for those of code sections and of what lies
// outside of the file.
void plan_file_seal(plan_file *file);

// Undoes every change before the code.
void plan_file_restore(plan_file *file);

#endif
