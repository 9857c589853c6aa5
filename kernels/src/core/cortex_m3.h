/* Cortex-M3: one multiply-accumulate an instruction. */
#define WPK_M3_COSTS                                                                           \
    {                                                                                          \
        .dense = 128, .drop = 350, .multiply = 768, .multiply_narrow = 768, .run = 640,        \
        .plane = 346, .look_up = 358, .fast_plane = 128, .fast_look_up = 256, .fast_run = 160, \
        .split_tap = 704, .split_visit = 768, .packed_tap = 448, .packed_visit = 960,          \
        .chunk_words = 4, .visit_taps = 12                                                     \
    }
static const wpk_core_constants wpk_cortex_m3 = {
    .name = "Cortex-M3",
    .fpu = WPK_CORE_FPU(false),
    .rereads = true,
    .row_group = 2,
    .min_packed_pixels = 2,
    .channel_nbytes = WPK_CHANNEL_NBYTES,
    .tile_pixels = 4,
    .tile_cols = 1,
    .tile_value_nbytes = 2,
    .list_head_nbytes = WPK_LIST_HEAD_NBYTES,
    .list_max_density = 65,
    .band_value_nbytes = 1,
    .band_nbytes = 6144,
    .prepared_nbytes = 32,
    .costs = WPK_M3_COSTS,
};
