// Processors: how many threads this process may keep busy.
//
// The smaller of the affinity mask and the CPU quota of the process's control group (v1 or v2, the
// tightest on the way up to the root of the hierarchy), rounded up:
//
//   mask of 8 processors, cpu.max "250000 100000"   ->  3
#ifndef TL_BASE_PROCESSORS_H
#define TL_BASE_PROCESSORS_H

enum { TL_PROCESSORS_MAX = 1024 }; // processors with a higher number are not seen

// Writes the numbers of the processors in the calling thread's affinity mask, ascending, to
// `out_numbers` (room for `capacity`, may be NULL if 0) and returns how many there are, at least 1.
int tl_processors_list(int *out_numbers, int capacity);

// Processors' worth of time that the control group's quota allows, at least 1; 0 = no quota. The
// files are looked for below `root`: "" for the machine's own /proc and /sys, a folder in tests.
int tl_processors_quota(const char *root);

// What a pool should use by default: at least 1, at most `limit`.
int tl_processors_allowed(int limit);

#endif
