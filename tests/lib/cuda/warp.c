// Collectives of a warp: every lane leaves a parcel, the last one opens all 32 and does the work.
#include <string.h>

#include "tests/lib/cuda/state.h"

bool tl_warp_meet(tl_shim *shim, const tl_site *site) {
  tl_warp *warp = &shim->warps[shim->thread / TL_LANES];
  if (warp->arrived && warp->site != site)
    tl_shim_fail(shim, site, "divergence: %d lanes of the warp are at %s:%d: %s", warp->arrived,
                 warp->site->file, warp->site->line, warp->site->operation);
  warp->site = site;
  if (++warp->arrived == TL_LANES) return true;
  tl_shim_wait(shim, TL_AT_WARP);
  return false;
}

void tl_warp_release(tl_shim *shim) {
  int first = shim->thread / TL_LANES * TL_LANES;
  shim->warps[shim->thread / TL_LANES].meetings++;
  shim->warps[shim->thread / TL_LANES].arrived = 0;
  for (int lane = 0; lane < TL_LANES; lane++)
    shim->states[first + lane] = TL_READY;
}

void tl_shim_warp_barrier(const tl_site *site) {
  tl_shim *shim = tl_shim_current;
  if (!tl_warp_meet(shim, site)) return;
  shim->warps[shim->thread / TL_LANES].turn++;
  tl_warp_release(shim);
}

static const tl_parcel *parcels_of_running(const tl_shim *shim) {
  return shim->warps[shim->thread / TL_LANES].parcels;
}

// ---- values of other lanes

float tl_shim_from_lane(const tl_site *site, float value, tl_i32 lane) {
  tl_shim *shim = tl_shim_current;
  if (lane < 0 || lane >= TL_LANES) tl_shim_fail(shim, site, "bounds: there is no lane %d", lane);
  float out;
  tl_warp_give(shim, (tl_parcel){.d = &out, .value = value, .lane = lane});
  if (tl_warp_meet(shim, site)) {
    const tl_parcel *parcels = parcels_of_running(shim);
    for (int i = 0; i < TL_LANES; i++)
      *parcels[i].d = parcels[parcels[i].lane].value;
    tl_warp_release(shim);
  }
  return out;
}

tl_i32 tl_shim_any(const tl_site *site, tl_i32 condition) {
  tl_shim *shim = tl_shim_current;
  float out;
  tl_warp_give(shim, (tl_parcel){.d = &out, .value = condition ? 1 : 0});
  if (tl_warp_meet(shim, site)) {
    const tl_parcel *parcels = parcels_of_running(shim);
    float any = 0;
    for (int i = 0; i < TL_LANES; i++)
      any = parcels[i].value > any ? parcels[i].value : any;
    for (int i = 0; i < TL_LANES; i++)
      *parcels[i].d = any;
    tl_warp_release(shim);
  }
  return out > 0;
}

// Numbers travel as the places that other collectives are given.
static tl_u32 reduce(const tl_site *site, tl_u32 value, tl_u32 (*add)(tl_u32 a, tl_u32 b)) {
  tl_shim *shim = tl_shim_current;
  tl_u32 out;
  tl_warp_give(shim, (tl_parcel){.out = &out, .at = value});
  if (tl_warp_meet(shim, site)) {
    const tl_parcel *parcels = parcels_of_running(shim);
    tl_u32 all = parcels[0].at;
    for (int i = 1; i < TL_LANES; i++)
      all = add(all, parcels[i].at);
    for (int i = 0; i < TL_LANES; i++)
      *parcels[i].out = all;
    tl_warp_release(shim);
  }
  return out;
}

static tl_u32 sum_of(tl_u32 a, tl_u32 b) {
  return a + b;
}

static tl_u32 larger_of(tl_u32 a, tl_u32 b) {
  return a > b ? a : b;
}

tl_u32 tl_shim_lanes_sum(const tl_site *site, tl_u32 value) {
  return reduce(site, value, sum_of);
}

tl_u32 tl_shim_lanes_largest(const tl_site *site, tl_u32 value) {
  return reduce(site, value, larger_of);
}

float tl_shim_from_lane_xor(const tl_site *site, float value, tl_i32 mask) {
  tl_shim *shim = tl_shim_current;
  if (mask < 0 || mask >= TL_LANES) tl_shim_fail(shim, site, "bounds: there is no lane %d", mask);
  return tl_shim_from_lane(site, value, shim->thread % TL_LANES ^ mask);
}

// ---- the matrix unit

static void read_matrix(tl_shim *shim, const tl_parcel *parcels, int matrix, bool turned) {
  tl_u16 rows[8][8];
  for (int row = 0; row < 8; row++)
    memcpy(rows[row], tl_shim_block_of(shim)->shared + parcels[8 * matrix + row].at,
           sizeof rows[row]);
  for (int lane = 0; lane < TL_LANES; lane++) {
    int g = lane / 4, t = lane % 4 * 2;
    tl_u32 low = turned ? rows[t][g] : rows[g][t];
    tl_u32 high = turned ? rows[t + 1][g] : rows[g][t + 1];
    parcels[lane].out[matrix] = low | high << 16;
  }
}

void tl_shim_matrices(const tl_site *site, tl_u32 *out, tl_u32 at, bool turned) {
  tl_shim *shim = tl_shim_current;
  tl_shared_touch(shim, site, at, 16, false);
  tl_warp_give(shim, (tl_parcel){.out = out, .at = at});
  if (!tl_warp_meet(shim, site)) return;
  for (int matrix = 0; matrix < 4; matrix++)
    read_matrix(shim, parcels_of_running(shim), matrix, turned);
  tl_warp_release(shim);
}

static void unpack(tl_u32 pair, float *out, int stride) {
  tl_u32 low = pair << 16, high = pair & 0xFFFF0000u;
  memcpy(&out[0], &low, sizeof low);
  memcpy(&out[stride], &high, sizeof high);
}

// The maps of fragments; a product of bf16 is exact in f32.
static void multiply(const tl_parcel *parcels) {
  float a[16][16], b[16][8], d[16][8];
  for (int lane = 0; lane < TL_LANES; lane++) {
    const tl_parcel *p = &parcels[lane];
    int g = lane / 4, t = lane % 4 * 2;
    unpack(p->a[0], &a[g][t], 1);
    unpack(p->a[1], &a[g + 8][t], 1);
    unpack(p->a[2], &a[g][t + 8], 1);
    unpack(p->a[3], &a[g + 8][t + 8], 1);
    unpack(p->b[0], &b[t][g], 8);
    unpack(p->b[1], &b[t + 8][g], 8);
    for (int i = 0; i < 4; i++)
      d[g + i / 2 * 8][t + i % 2] = p->d[i];
  }
  for (int row = 0; row < 16; row++)
    for (int k = 0; k < 16; k++)
      for (int column = 0; column < 8; column++)
        d[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < TL_LANES; lane++)
    for (int i = 0; i < 4; i++)
      parcels[lane].d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

void tl_shim_multiply(const tl_site *site, float *d, const tl_u32 *a, const tl_u32 *b) {
  tl_shim *shim = tl_shim_current;
  tl_warp_give(shim, (tl_parcel){.d = d, .a = a, .b = b});
  if (!tl_warp_meet(shim, site)) return;
  multiply(parcels_of_running(shim));
  tl_warp_release(shim);
}
