// How much memory this process may still take: the smaller of what the system has and what its
// control group leaves, as in a container.
#ifndef TL_CLI_AVAILABLE_H
#define TL_CLI_AVAILABLE_H

#include <stdint.h>

// In bytes; 0 = unknown. Any thread.
uint64_t tl_cli_available_bytes(void);

#endif
