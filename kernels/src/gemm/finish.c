#include "finish.h"

#include "gemm.h"

#if !WPK_MVE

_Static_assert(sizeof(wpk_channel) == WPK_CHANNEL_NBYTES, "what scratch is planned with");

void wpk_gemm_channels(const wpk_block *block, void *channels) {
    wpk_channel *const channel = channels;
    for (uint32_t r = 0; r < block->count; ++r) {
        channel[r] = wpk_channel_of(block->requant, block->first + r, block->cols);
    }
}

#endif
