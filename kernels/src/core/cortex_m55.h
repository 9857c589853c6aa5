/* Cortex-M55 and M85: Helium. Four rows are packed behind what their channels need, and a chunk
 * more than they have: the next one is loaded while the last one is multiplied. */
enum { WPK_M55_ROW_GROUP = 4, WPK_M55_QUAD_NBYTES = 128, WPK_M55_LIST_HEAD_NBYTES = 16 };

static const wpk_core_constants wpk_cortex_m55 = {
    .name = "Cortex-M55",
    .helium = true,
    .fpu = WPK_CORE_FPU(true),
    .packs = true,
    .rereads = false,
    .row_group = WPK_M55_ROW_GROUP,
    .row_head_nbytes = (WPK_M55_QUAD_NBYTES + 16) / WPK_M55_ROW_GROUP,
    .min_packed_pixels = 4,
    .tile_pixels = 4,
    .tile_cols = 1,
    .list_head_nbytes = WPK_M55_LIST_HEAD_NBYTES,
    .band_nbytes = 7168,
    .costs = {.dense = 6,
              .drop = 200,
              .multiply = 1100,
              .multiply_narrow = 1100,
              .plane = 200,
              .look_up = 500,
              .fast_plane = 200,
              .fast_look_up = 500,
              .split_tap = 200,
              .split_visit = 200,
              .packed_tap = 200,
              .packed_visit = 200,
              .chunk_words = 1,
              .visit_taps = 64},
};
