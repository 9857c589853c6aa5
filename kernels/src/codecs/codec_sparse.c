#include "codec_sparse.h"

static uint32_t index_entry(const wpk_blob *blob, uint32_t i) {
    const uint8_t *const index = blob->section[WPK_SECTION_INDEX];
    return (blob->flags & WPK_FLAG_WIDE_INDEX) != 0 ? wpk_load_u32(index + 4 * (size_t)i)
                                                    : wpk_load_u16(index + 2 * (size_t)i);
}

uint32_t wpk_sparse_stored(const wpk_blob *blob) {
    return blob->section_nbytes[WPK_SECTION_VALUES];
}

bool wpk_sparse_index_fits(const wpk_blob *blob, uint32_t streams) {
    const uint64_t blocks =
        ((uint64_t)blob->rows + (1u << blob->block_log2) - 1) >> blob->block_log2;
    const uint32_t width = (blob->flags & WPK_FLAG_WIDE_INDEX) != 0 ? 4 : 2;
    return blob->section_nbytes[WPK_SECTION_INDEX] == blocks * streams * width;
}

bool wpk_sparse_sections_fit(const wpk_blob *blob, uint32_t sections, uint32_t streams) {
    const uint32_t count_type = blob->flags & WPK_FLAG_COUNT_TYPE;
    if (blob->section_count != sections || count_type == 3 ||
        (blob->flags & ~(WPK_FLAG_COUNT_TYPE | WPK_FLAG_WIDE_INDEX)) != 0) {
        return false;
    }
    return wpk_sparse_index_fits(blob, streams) &&
           blob->section_nbytes[WPK_SECTION_COUNTS] == (uint64_t)blob->rows << count_type;
}

bool wpk_sparse_index_agrees(const wpk_blob *blob, const wpk_cursor *cursor, uint32_t streams) {
    if ((cursor->row & ((1u << blob->block_log2) - 1)) != 0) {
        return true;
    }
    const uint32_t entry = (cursor->row >> blob->block_log2) * streams;
    for (uint32_t s = 0; s < streams; ++s) {
        if (index_entry(blob, entry + s) != cursor->at[s]) {
            return false;
        }
    }
    return true;
}

void wpk_sparse_seek_block(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row,
                           uint32_t streams) {
    const uint32_t block = row >> blob->block_log2;
    cursor->row = block << blob->block_log2;
    for (uint32_t s = 0; s < streams; ++s) {
        cursor->at[s] = index_entry(blob, block * streams + s);
    }
}
