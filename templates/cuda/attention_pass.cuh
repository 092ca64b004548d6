// A tile of query vectors, while the positions that it sees pass by: what attention_many and
// latent_many share. Before it: attention_tiles.cuh, type `tile`, VECTORS and the stages,
//
//   shared   | VECTORS queries | stage of even steps | of odd ones |
//   stage    | T_POSITIONS keys, KEY_ROW bytes each | T_POSITIONS values, VALUE_ROW bytes each |
#ifndef TL_TEMPLATES_CUDA_ATTENTION_PASS_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_PASS_CUH

#define STAGES (VECTORS * KEY_ROW) // where they lie
#define STAGE TL_ATTENTION_STAGE(T_KEY, T_VALUE, T_POSITIONS)

// The includer's: what the tile asks, that at its place in shared memory, and the step of positions
// [index * T_POSITIONS, ..) on its way to its stage.
TL_INLINE const query_tile *queries_of(const tile *own);
TL_INLINE void load(const tile *own);
TL_INLINE void fetch(const tile *own, tl_i32 index);

TL_INLINE tl_u32 stage_of(tl_i32 index) {
  return (tl_u32)(STAGES + index % 2 * STAGE);
}

// From the step of position `begin` on.
TL_INLINE void pass_positions(const tile *own, tl_i32 begin, part *o) {
  const query_tile *t = queries_of(own);
  tl_i32 first = begin / T_POSITIONS, last = position_of(t, t->count - 1) / T_POSITIONS;
  tl_i32 first_vector = tl_thread() / 32 * (16 * TILES);
  begin_part(o);
  fetch(own, first);
  load(own);
  for (tl_i32 index = first; index <= last; index++) {
    tl_u32 stage = stage_of(index);
    tl_copy_wait(0);
    tl_barrier(); // the step is there for all, and the one before has been used by all
    if (index < last) fetch(own, index + 1);
    for (tl_i32 i = 0; i < T_POSITIONS; i += WIDE)
      add_positions(o, t, first_vector, index * T_POSITIONS + i, (tl_u32)(first_vector * KEY_ROW),
                    stage + (tl_u32)(i * KEY_ROW),
                    stage + (tl_u32)(T_POSITIONS * KEY_ROW + i * VALUE_ROW));
  }
  end_part(o);
}

// Of `width` values each; a multiple of 2.
TL_INLINE void store(const query_tile *t, const part *o, tl_i32 width) {
  tl_i32 lane = tl_thread() % 32, first_vector = tl_thread() / 32 * (16 * TILES);
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
      tl_i32 vector = first_vector + tile * 16 + half * 8 + lane / 4;
      float by = 1 / o->total[tile][half];
      TL_UNROLL for (tl_i32 c = 0; c < T_VALUE / 8; c++) {
        const float *sums = &o->sums[tile][c][half * 2];
        tl_i32 column = c * 8 + lane % 4 * 2;
        if (vector < t->count && (width == T_VALUE || column < width))
          store_pair(t, vector, column, sums[0] * by, sums[1] * by);
      }
    }
  }
}

#endif
