/* Row groups of the matrix product from indices of shared vectors, with Helium. */
#include "../base/bytes.h"
#include "../gemm/quad.h"
#include "../shared_vectors/indices.h"
#include "plan.h"

#if WPK_MVE

/* A chunk of 16 columns of four rows is two vectors of each: eight indices. Lane r is the first one
 * of row r, lane 4 + r the second. An order has three vectors of u16 for each chunk: offsets of the
 * bytes where indices start and where they end, and shifts that leave index · 8 of two bytes. */
enum { ROWS = WPK_M55_ROW_GROUP, LANES = 8, CHUNK = 2 * WPK_SV_LANES, INDEX_SHIFT = 3 };

void wpk_sv_order_of(const wpk_blob *blob, uint32_t kernel_h, uint32_t kernel_w, bool transposed,
                     void *written) {
    wpk_sv_order *const order = written;
    const uint32_t bits = wpk_sv_index_bits(blob), positions = wpk_sv_positions(blob);
    const uint32_t rows = transposed ? kernel_h : 1, columns = transposed ? kernel_w : 1;
    const uint32_t run = positions / (rows * columns);
    order->row_nbytes = (uint32_t)wpk_sv_row_nbytes(blob);
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

/* The eight indices of a chunk, times 8, to q0 and q1, as offsets for gathers of 64-bit elements,
 * which take words 0 and 2: q0 has those of row 0 there and those of row 2 in words 1 and 3, q1
 * those of rows 1 and 3. */
#define LOAD_OFFSETS                    \
    "vldrh.16 q0, [%[places]], #16\n\t" \
    "vldrh.16 q1, [%[places]], #16\n\t" \
    "vpstt\n\t"                         \
    "vldrbt.u16 q2, [%[rows], q0]\n\t"  \
    "vldrbt.u16 q3, [%[rows], q1]\n\t"  \
    "vldrh.16 q1, [%[places]], #16\n\t" \
    "vsli.16 q2, q3, #8\n\t"            \
    "vshl.u16 q2, q2, q1\n\t"           \
    "vand q2, q2, q4\n\t"               \
    "vmovlb.u16 q0, q2\n\t"             \
    "vmovlt.u16 q1, q2\n\t"
#define LOOP(body)            \
    "vmsr p0, %[present]\n\t" \
    "vdup.16 q4, %[mask]\n\t" \
    "dls lr, %[chunks]\n\t"   \
    "1:\n\t" LOAD_OFFSETS body "le lr, 1b\n\t"

/* Lanes of rows that are there. */
static uint32_t present_lanes(uint32_t count) {
    return vctp16q(count) * 0x101u;
}

static bool is_aligned(const wpk_shared_vectors *shared) {
    return (uintptr_t)shared->vectors % WPK_SV_LANES == 0;
}

static void pack_aligned(const wpk_sv_order *order, const uint8_t *rows, uint32_t count,
                         const int8_t *vectors, int8_t *packed) {
    const uint16_t *places = (const uint16_t *)(order + 1);
    __asm__ volatile(
        LOOP("vldrd.64 q3, [%[vectors], q0]\n\t"
             "vrev64.32 q2, q0\n\t"
             "vstrb.8 q3, [%[packed]], #16\n\t"
             "vldrd.64 q3, [%[vectors], q1]\n\t"
             "vrev64.32 q0, q1\n\t"
             "vstrb.8 q3, [%[packed]], #16\n\t"
             "vldrd.64 q3, [%[vectors], q2]\n\t"
             "vldrd.64 q1, [%[vectors], q0]\n\t"
             "vstrb.8 q3, [%[packed]], #16\n\t"
             "vstrb.8 q1, [%[packed]], #16\n\t")
        : [places] "+r"(places), [packed] "+r"(packed)
        : [rows] "r"(rows), [chunks] "r"(order->chunks), [present] "r"(present_lanes(count)),
          [mask] "r"(order->mask), [vectors] "r"(vectors)
        : "lr", "memory", "p0", "q0", "q1", "q2", "q3", "q4");
}

static void pack_unaligned(const wpk_sv_order *order, const uint8_t *rows, uint32_t count,
                           const int8_t *vectors, int8_t *packed) {
    const uint16_t *places = (const uint16_t *)(order + 1);
    for (uint32_t i = 0; i < order->chunks; ++i, places += 3 * LANES, packed += ROWS * CHUNK) {
        for (uint32_t lane = 0; lane < LANES; ++lane) {
            const uint32_t row = lane % ROWS;
            if (row < count) {
                const uint32_t low = rows[places[lane]], high = rows[places[LANES + lane]];
                const uint32_t right = INDEX_SHIFT - (int16_t)places[2 * LANES + lane];
                const uint32_t at = (low | high << 8) << INDEX_SHIFT >> right & order->mask;
                memcpy(packed + row * CHUNK + lane / ROWS * WPK_SV_LANES, vectors + at,
                       WPK_SV_LANES);
            }
        }
    }
}

void wpk_sv_pack(const wpk_block *group, const wpk_blob *blob, void *packed) {
    const wpk_sv_order *const order = group->order;
    const uint8_t *const rows = blob->section[0] + group->first * order->row_nbytes;
    wpk_gemm_pack_channels(group, packed);
    (is_aligned(wpk_sv_of(blob)) ? pack_aligned : pack_unaligned)(
        order, rows, group->count, wpk_sv_of(blob)->vectors, (int8_t *)packed + sizeof(wpk_quad));
}

/* Adds the products of `chunks` chunks of four rows and a pixel; returns the places behind. */
static const uint16_t *add_dots(const wpk_sv_order *order, const uint16_t *places, uint32_t chunks,
                                const uint8_t *rows, uint32_t count, const int8_t *vectors,
                                const int8_t *x, int32_t *sums) {
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    __asm__ volatile(LOOP("vldrb.8 q5, [%[x]], #16\n\t"
                          "vldrd.64 q3, [%[vectors], q0]\n\t"
                          "vrev64.32 q2, q0\n\t"
                          "vmladava.s8 %[a0], q3, q5\n\t"
                          "vldrd.64 q3, [%[vectors], q1]\n\t"
                          "vrev64.32 q0, q1\n\t"
                          "vmladava.s8 %[a1], q3, q5\n\t"
                          "vldrd.64 q3, [%[vectors], q2]\n\t"
                          "vmladava.s8 %[a2], q3, q5\n\t"
                          "vldrd.64 q1, [%[vectors], q0]\n\t"
                          "vmladava.s8 %[a3], q1, q5\n\t")
                     : [places] "+r"(places), [x] "+r"(x), [a0] "+Te"(a0), [a1] "+Te"(a1),
                       [a2] "+Te"(a2), [a3] "+Te"(a3)
                     : [rows] "r"(rows), [chunks] "r"(chunks), [present] "r"(present_lanes(count)),
                       [mask] "r"(order->mask), [vectors] "r"(vectors)
                     : "lr", "memory", "p0", "q0", "q1", "q2", "q3", "q4", "q5");
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    return places;
}

void wpk_sv_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                 const int8_t *x, int8_t *y) {
    const wpk_blob *const blob = &weights->blob;
    const wpk_sv_order *const order = block->order;
    if (!is_aligned(wpk_sv_of(blob))) {
        wpk_gemm_dots(block, weights, start, x, y);
        return;
    }
    const int8_t *const vectors = wpk_sv_of(blob)->vectors;
    const uint32_t whole = block->cols / CHUNK, rest = block->cols % CHUNK;
    int8_t last[CHUNK] = {0};
    wpk_copy(last, x + whole * CHUNK, rest);
    wpk_block group = *block;
    for (uint32_t r = 0; r < block->count; r += ROWS) {
        const uint16_t *places = (const uint16_t *)(order + 1);
        wpk_quad q;
        group.first = block->first + r;
        group.count = block->count - r < ROWS ? block->count - r : ROWS;
        wpk_gemm_pack_channels(&group, &q);
        const uint8_t *const rows = blob->section[0] + group.first * order->row_nbytes;
        if (whole > 0) {
            places = add_dots(order, places, whole, rows, group.count, vectors, x, q.bias);
        }
        if (rest > 0) {
            add_dots(order, places, 1, rows, group.count, vectors, last, q.bias);
        }
        wpk_store_quad(&q, q.bias[0], q.bias[1], q.bias[2], q.bias[3], y + r);
    }
}

#endif
