#include "finish.h"

#include "gemm.h"

#if !WPK_MVE

uint32_t wpk_gemm_channels_nbytes(uint32_t rows) {
    return rows * (uint32_t)sizeof(wpk_channel);
}

void wpk_gemm_channels(const wpk_block *block, void *channels) {
    wpk_channel *const channel = channels;
    for (uint32_t r = 0; r < block->count; ++r) {
        channel[r] = wpk_channel_of(block->requant, block->first + r, block->cols);
    }
}

#endif
