// Helpers that every reference template uses.
#include "templates/ref/ref.h"

int64_t tl_ref_elements(const tl_ref_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++)
    count *= tensor->dims[i];
  return count;
}

int64_t tl_ref_rows(const tl_ref_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i + 1 < tensor->rank; i++)
    count *= tensor->dims[i];
  return count;
}
