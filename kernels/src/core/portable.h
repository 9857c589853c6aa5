/* Plain C, for hosts and other cores: planned as for a Cortex-M3, without what only its own loops
 * keep in scratch. */
static const wpk_core_constants wpk_portable = {
    .name = "host",
    .fpu = WPK_FPU,
    .rereads = true,
    .row_group = 2,
    .min_packed_pixels = 2,
    .channel_nbytes = WPK_CHANNEL_NBYTES,
    .tile_pixels = 4,
    .tile_cols = 1,
    .list_head_nbytes = WPK_LIST_HEAD_NBYTES,
    .list_max_density = 65,
    .band_value_nbytes = 1,
    .band_nbytes = 6144,
    .costs = WPK_M3_COSTS,
};
