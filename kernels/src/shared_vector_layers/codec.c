/* Codec 6, pool: eight channels of a tap are the index of a shared vector (docs/FORMAT.md). */
#include "wpk/codec.h"

#include <stdbool.h>

#include "../base/bytes.h"
#include "../shared_vectors/indices.h"
#include "plan.h"

enum { MAX_BITS = 8 };

static bool indices_fit(const wpk_blob *blob) {
    const uint32_t bits = wpk_sv_index_bits(blob), positions = wpk_sv_positions(blob);
    if (wpk_sv_of(blob)->size >= 1u << bits) {
        return true; /* any index does */
    }
    for (uint32_t r = 0; r < blob->rows; ++r) {
        const uint8_t *const row = wpk_sv_row(blob, r);
        for (uint32_t i = 0; i < positions; ++i) {
            if (wpk_sv_index(row, bits, i) >= wpk_sv_of(blob)->size) {
                return false;
            }
        }
    }
    return true;
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_pool.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const bool fits = wpk_sv_of(blob) != NULL && blob->row_dims == 1 &&
                      (blob->ndim == 2 || blob->ndim == 4) && blob->section_count == 1 &&
                      wpk_sv_index_bits(blob) >= 1 && wpk_sv_index_bits(blob) <= MAX_BITS &&
                      blob->section_nbytes[0] == (uint64_t)blob->rows * wpk_sv_row_nbytes(blob);
    return fits && indices_fit(blob) ? WPK_OK : WPK_BAD_BLOB;
}

/* Runs a statement for each vector of a row and the part of the row it stands for: of eight
 * channels, or fewer at the end of a tap. */
#define FOR_EACH_VECTOR(blob, row, vector, first, lanes, ...)                                 \
    do {                                                                                      \
        const uint8_t *indices = wpk_sv_row(blob, row);                                       \
        const uint32_t bits = wpk_sv_index_bits(blob), depth = wpk_sv_depth(blob);            \
        const uint32_t mask = (1u << bits) - 1;                                               \
        uint32_t bit = 0; /* of the byte at `indices` */                                      \
        for (uint32_t tap = 0; tap < (blob)->cols; tap += depth) {                            \
            for (uint32_t c = 0; c < depth; c += WPK_SV_LANES) {                              \
                const uint32_t low = indices[0], high = indices[(bit + bits - 1) / 8];        \
                const uint32_t index = (low | high << 8) >> bit & mask;                       \
                bit += bits;                                                                  \
                indices += bit / 8;                                                           \
                bit %= 8;                                                                     \
                const int8_t *const vector = wpk_sv_of(blob)->vectors + index * WPK_SV_LANES; \
                const uint32_t first = tap + c;                                               \
                const uint32_t lanes = depth - c < WPK_SV_LANES ? depth - c : WPK_SV_LANES;   \
                __VA_ARGS__                                                                   \
            }                                                                                 \
        }                                                                                     \
    } while (0)

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    cursor->row = first + count;
    for (uint32_t row = first; row < cursor->row; ++row, dst += stride) {
        FOR_EACH_VECTOR(blob, row, vector, at, lanes, {
            if (lanes == WPK_SV_LANES) {
                wpk_store_u32(dst + at, wpk_load_u32(vector));
                wpk_store_u32(dst + at + 4, wpk_load_u32(vector + 4));
            } else {
                wpk_copy(dst + at, vector, lanes);
            }
        });
        wpk_fill(dst + blob->cols, 0, stride - blob->cols);
    }
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    uint32_t acc = 0;
    cursor->row = row + 1;
    FOR_EACH_VECTOR(blob, row, vector, at, lanes, {
        for (uint32_t j = 0; j < lanes; ++j) {
            acc += (uint32_t)(vector[j] * x[at + j]);
        }
    });
    return (int32_t)acc;
}

const wpk_codec wpk_codec_pool = {
    WPK_CODEC_IDENTITY(pool),   .side_nbytes = sizeof(wpk_shared_vectors),
    .parse_side = wpk_sv_parse, .check = check,
    .decode = decode,           .dot = dot,
    .layers = &wpk_sv_layers};
