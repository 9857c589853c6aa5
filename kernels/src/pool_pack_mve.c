/* Row groups of the matrix product, packed from indices into a pool with Helium. */
#include "bytes.h"
#include "codec_pool.h"
#include "gemm_plan.h"

#if WPK_MVE

/* A chunk of 16 columns of four rows is two vectors of each: eight indices. Lane r is the first one
 * of row r, lane 4 + r the second. An order has three vectors of u16 for each chunk: offsets of the
 * bytes where indices start and where they end, and shifts that leave index · 8 of two bytes. */
enum { ROWS = WPK_ROW_GROUP, LANES = 8, CHUNK = 2 * WPK_POOL_LANES, INDEX_SHIFT = 3 };

void wpk_pool_order_of(const wpk_blob *blob, uint32_t kernel_h, uint32_t kernel_w, bool transposed,
                       wpk_pool_order *order) {
    const uint32_t bits = wpk_pool_index_bits(blob), positions = wpk_pool_positions(blob);
    const uint32_t rows = transposed ? kernel_h : 1, columns = transposed ? kernel_w : 1;
    const uint32_t run = positions / (rows * columns);
    order->row_nbytes = (uint32_t)wpk_pool_row_nbytes(blob);
    order->chunks = (positions + 1) / 2;
    order->mask = ((1u << bits) - 1) << INDEX_SHIFT;
    const uint16x8_t row_at = vmulq_n_u16(viwdupq_n_u16(0, ROWS, 1), (uint16_t)order->row_nbytes);
    uint16_t *to = (uint16_t *)(order + 1);
    const mve_pred16_t both = 0xffff, second = 0xff00;
    bool first = true;
    for (uint32_t j = 0; j < columns; ++j) {
        for (uint32_t i = 0; i < rows; ++i) {
            uint32_t bit = (i * columns + j) * run * bits;
            for (const uint32_t end = bit + run * bits; bit < end; bit += bits) {
                const mve_pred16_t lanes = first ? both : second;
                vstrhq_p_u16(to, vaddq_n_u16(row_at, (uint16_t)(bit / 8)), lanes);
                vstrhq_p_u16(to + LANES, vaddq_n_u16(row_at, (uint16_t)((bit + bits - 1) / 8)),
                             lanes);
                vstrhq_p_u16(to + 2 * LANES,
                             vdupq_n_u16((uint16_t)(INDEX_SHIFT - (int32_t)(bit % 8))), lanes);
                to += first ? 0 : 3 * LANES;
                first = !first;
            }
        }
    }
}

/* Vectors aligned to 8 bytes. */
static void pack(const uint8_t *rows, const uint16_t *places, uint32_t chunks, mve_pred16_t present,
                 uint32_t mask, const int8_t *vectors, int8_t *packed) {
    __asm__ volatile(
        "vmsr p0, %[present]\n\t"
        "vdup.16 q4, %[mask]\n\t"
        "dls lr, %[chunks]\n\t"
        "1:\n\t"
        "vldrh.16 q0, [%[places]], #16\n\t"
        "vldrh.16 q1, [%[places]], #16\n\t"
        "vpstt\n\t"
        "vldrbt.u16 q2, [%[rows], q0]\n\t"
        "vldrbt.u16 q3, [%[rows], q1]\n\t"
        "vldrh.16 q1, [%[places]], #16\n\t"
        "vsli.16 q2, q3, #8\n\t"
        "vshl.u16 q2, q2, q1\n\t"
        "vand q2, q2, q4\n\t"
        /* A gather of 64-bit elements takes offsets from words 0 and 2. */
        "vmovlb.u16 q0, q2\n\t"
        "vmovlt.u16 q1, q2\n\t"
        "vldrd.64 q3, [%[vectors], q0]\n\t"
        "vrev64.32 q2, q0\n\t"
        "vstrb.8 q3, [%[packed]], #16\n\t"
        "vldrd.64 q3, [%[vectors], q1]\n\t"
        "vrev64.32 q0, q1\n\t"
        "vstrb.8 q3, [%[packed]], #16\n\t"
        "vldrd.64 q3, [%[vectors], q2]\n\t"
        "vldrd.64 q1, [%[vectors], q0]\n\t"
        "vstrb.8 q3, [%[packed]], #16\n\t"
        "vstrb.8 q1, [%[packed]], #16\n\t"
        "le lr, 1b\n\t"
        : [places] "+r"(places), [packed] "+r"(packed)
        : [rows] "r"(rows), [chunks] "r"(chunks), [present] "r"((uint32_t)present),
          [mask] "r"(mask), [vectors] "r"(vectors)
        : "lr", "memory", "p0", "q0", "q1", "q2", "q3", "q4");
}

/* Vectors of any alignment. */
static void pack_unaligned(const uint8_t *rows, const uint16_t *places, uint32_t chunks,
                           uint32_t count, uint32_t mask, const int8_t *vectors, int8_t *packed) {
    for (uint32_t i = 0; i < chunks; ++i, places += 3 * LANES, packed += ROWS * CHUNK) {
        for (uint32_t lane = 0; lane < LANES; ++lane) {
            const uint32_t row = lane % ROWS;
            if (row < count) {
                const uint32_t low = rows[places[lane]], high = rows[places[LANES + lane]];
                const uint32_t right = INDEX_SHIFT - (int16_t)places[2 * LANES + lane];
                const uint32_t at = (low | high << 8) << INDEX_SHIFT >> right & mask;
                memcpy(packed + row * CHUNK + lane / ROWS * WPK_POOL_LANES, vectors + at,
                       WPK_POOL_LANES);
            }
        }
    }
}

void wpk_pool_pack(const wpk_blob *blob, const wpk_pool_order *order, uint32_t first,
                   uint32_t count, int8_t *packed) {
    const uint8_t *const rows = blob->section[0] + first * order->row_nbytes;
    const int8_t *const vectors = blob->pool->vectors;
    const uint16_t *const places = (const uint16_t *)(order + 1);
    if ((uintptr_t)vectors % WPK_POOL_LANES == 0) {
        pack(rows, places, order->chunks, vctp16q(count) * 0x101u, order->mask, vectors, packed);
    } else {
        pack_unaligned(rows, places, order->chunks, count, order->mask, vectors, packed);
    }
}

#endif
