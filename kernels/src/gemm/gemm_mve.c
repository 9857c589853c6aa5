/* The matrix product for Helium: rows are packed in groups of four, and multiplied with one or two
 * pixels. */
#include "../base/rescale_mve.h"
#include "quad.h"

#if WPK_MVE

#include <arm_mve.h>

enum { LANES = 16, ROWS = WPK_M55_ROW_GROUP };

static void set_quad(const wpk_block *group, wpk_quad *q) {
    const wpk_requant *const requant = group->requant;
    const mve_pred16_t channels = vctp32q(group->count);
    int32x4_t multiplier, shift;
    if (requant->multipliers == 1) {
        multiplier = vdupq_n_s32(requant->multiplier[0]);
        shift = vdupq_n_s32(requant->shift[0]);
    } else {
        multiplier = vldrwq_z_s32(requant->multiplier + group->first, channels);
        shift = vldrbq_z_s32(requant->shift + group->first, channels);
    }
    const int32x4_t zero = vdupq_n_s32(0);
    vstrwq_s32(q->bias,
               requant->bias == NULL ? zero : vldrwq_z_s32(requant->bias + group->first, channels));
    vstrwq_s32(q->multiplier, multiplier);
    vstrwq_s32(q->left, vmaxq_s32(shift, zero));
    vstrwq_s32(q->right, vminq_s32(shift, zero));
    vstrwq_s32(q->zero_point, vdupq_n_s32(requant->output_zero_point));
    vstrwq_s32(q->low, vdupq_n_s32(requant->activation_min));
    vstrwq_s32(q->high, vdupq_n_s32(requant->activation_max));
    q->channels = group->count;
    q->cols = group->cols;
    q->fast = vmaxvq_p_s32(INT32_MIN, shift, channels) < 0 && requant->activation_min == INT8_MIN &&
              requant->activation_max == INT8_MAX;
}

void wpk_gemm_channels(const wpk_block *block, void *channels) {
    (void)block, (void)channels;
}

/* Take the offset out of the activations: offset · Σ w off the bias. */
static void fold_offset(const wpk_block *group, wpk_quad *q) {
    const int8_t *row = group->rows;
    for (uint32_t r = 0; r < group->count; ++r, row += group->stride) {
        const int8_t *w = row;
        int32_t sum = 0;
        __asm__ volatile(
            "dlstp.8 lr, %[cols]\n\t"
            "1:\n\t"
            "vldrb.8 q0, [%[w]], #16\n\t"
            "vaddva.s8 %[sum], q0\n\t"
            "letp lr, 1b\n\t"
            : [w] "+r"(w), [sum] "+Te"(sum)
            : [cols] "r"(group->cols)
            : "lr", "memory", "q0");
        q->bias[r] = (int32_t)((uint32_t)q->bias[r] -
                               (uint32_t)sum * (uint32_t)(int32_t)group->requant->input_offset);
    }
}

static void pack_four(const int8_t *w0, const int8_t *w1, const int8_t *w2, const int8_t *w3,
                      uint32_t cols, int8_t *to) {
    __asm__ volatile(
        "dlstp.8 lr, %[cols]\n\t"
        "1:\n\t"
        "vldrb.8 q0, [%[w0]], #16\n\t"
        "vldrb.8 q1, [%[w1]], #16\n\t"
        "vldrb.8 q2, [%[w2]], #16\n\t"
        "vldrb.8 q3, [%[w3]], #16\n\t"
        "vstrb.8 q0, [%[to]], #64\n\t"
        "vstrb.8 q1, [%[to], #-48]\n\t"
        "vstrb.8 q2, [%[to], #-32]\n\t"
        "vstrb.8 q3, [%[to], #-16]\n\t"
        "letp lr, 1b\n\t"
        : [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), [to] "+r"(to)
        : [cols] "r"(cols)
        : "lr", "memory", "q0", "q1", "q2", "q3");
}

/* One row, its columns in another order; behind the last column anything. */
static void pack_in_order(const int8_t *from, const uint16_t *order, uint32_t cols, int8_t *to) {
    __asm__ volatile(
        "dls lr, %[chunks]\n\t"
        "1:\n\t"
        "vldrh.16 q0, [%[order]], #16\n\t"
        "vldrb.u16 q1, [%[from], q0]\n\t"
        "vldrh.16 q0, [%[order]], #16\n\t"
        "vldrb.u16 q2, [%[from], q0]\n\t"
        "vstrb.16 q1, [%[to]]\n\t"
        "vstrb.16 q2, [%[to], #8]\n\t"
        "add %[to], %[to], #64\n\t"
        "le lr, 1b\n\t"
        : [order] "+r"(order), [to] "+l"(to)
        : [from] "r"(from), [chunks] "r"((cols + LANES - 1) / LANES)
        : "lr", "memory", "q0", "q1", "q2");
}

void wpk_gemm_pack_channels(const wpk_block *group, void *packed) {
    set_quad(group, packed);
}

void wpk_gemm_pack(const wpk_block *group, void *packed) {
    set_quad(group, packed);
    if (group->requant->input_offset != 0) {
        fold_offset(group, packed);
    }
    /* A row that is not there is computed as another one and dropped. */
    const uint32_t stride = group->stride;
    const int8_t *const w0 = group->rows, *const w1 = w0 + (group->count > 1 ? stride : 0),
                        *const w2 = w0 + (group->count > 2 ? 2 * stride : 0),
                        *const w3 = w0 + (group->count > 3 ? 3 * stride : 0);
    int8_t *const to = (int8_t *)packed + sizeof(wpk_quad);
    if (group->order == NULL) {
        pack_four(w0, w1, w2, w3, group->cols, to);
    } else {
        pack_in_order(w0, group->order, group->cols, to);
        pack_in_order(w1, group->order, group->cols, to + LANES);
        pack_in_order(w2, group->order, group->cols, to + 2 * LANES);
        pack_in_order(w3, group->order, group->cols, to + 3 * LANES);
    }
    /* The stores of the last chunk were cut off like its loads. */
    const uint32_t tail = group->cols % LANES;
    if (tail != 0) {
        int8_t *chunk = (int8_t *)packed + sizeof(wpk_quad) + ROWS * (group->cols - tail);
        for (uint32_t r = 0; r < ROWS; ++r, chunk += LANES) {
            vstrbq_p_s8(chunk, vdupq_n_s8(0), vpnot(vctp8q(tail)));
        }
    }
}

void wpk_store_quad(const wpk_quad *q, int32_t a0, int32_t a1, int32_t a2, int32_t a3, int8_t *y) {
    int32x4_t v;
    __asm__("vmov %q0[2], %q0[0], %1, %3\n\tvmov %q0[3], %q0[1], %2, %4"
            : "=&w"(v)
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3));
    v = wpk_rescale_lanes(v, q->left, q->multiplier, q->right);
    v = vaddq_s32(v, vldrwq_s32(q->zero_point));
    v = vminq_s32(vmaxq_s32(v, vldrwq_s32(q->low)), vldrwq_s32(q->high));
    vstrbq_p_s32(y, v, vctp32q(q->channels));
}

/* 4 packed rows × 1 pixel. */
static void multiply_one(const wpk_quad *q, const int8_t *x, int8_t *y) {
    const int8_t *w = (const int8_t *)(q + 1);
    int32_t a0 = q->bias[0], a1 = q->bias[1], a2 = q->bias[2], a3 = q->bias[3];
    __asm__ volatile(
        "dlstp.8 lr, %[cols]\n\t"
        "1:\n\t"
        "vldrb.8 q4, [%[x]], #16\n\t"
        "vldrb.8 q0, [%[w]], #64\n\t"
        "vmladava.s8 %[a0], q0, q4\n\t"
        "vldrb.8 q1, [%[w], #-48]\n\t"
        "vmladava.s8 %[a1], q1, q4\n\t"
        "vldrb.8 q2, [%[w], #-32]\n\t"
        "vmladava.s8 %[a2], q2, q4\n\t"
        "vldrb.8 q3, [%[w], #-16]\n\t"
        "vmladava.s8 %[a3], q3, q4\n\t"
        "letp lr, 1b\n\t"
        : [w] "+r"(w), [x] "+r"(x), [a0] "+Te"(a0), [a1] "+Te"(a1), [a2] "+Te"(a2), [a3] "+Te"(a3)
        : [cols] "r"(q->cols)
        : "memory", "lr", "q0", "q1", "q2", "q3", "q4");
    wpk_store_quad(q, a0, a1, a2, a3, y);
}

void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch) {
    (void)scratch;
    const uint32_t group_nbytes = (uint32_t)wpk_gemm_group_nbytes(WPK_THIS_CORE, block->cols);
    const uint32_t stride = pixels->stride, pairs = pixels->count / 2;
    const uint8_t *group = block->rows;
    for (uint32_t r = 0; r < block->count; r += ROWS, group += group_nbytes) {
        const wpk_quad *const q = (const wpk_quad *)(const void *)group;
        int8_t *const out = y + r;
        if (pairs > 0) {
            wpk_multiply_pairs(block, q, pixels->data, stride, pairs, out, y_stride);
        }
        if ((pixels->count & 1) != 0) {
            multiply_one(q, pixels->data + 2 * pairs * stride, out + 2 * pairs * y_stride);
        }
    }
}

void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y) {
    const uint32_t stride = block->stride;
    wpk_block group = *block;
    const int8_t *row = block->rows;
    for (uint32_t r = 0; r < block->count; r += ROWS, row += ROWS * stride) {
        const uint32_t left = block->count - r;
        wpk_quad q;
        group.first = block->first + r;
        group.count = left < ROWS ? left : ROWS;
        group.rows = row;
        set_quad(&group, &q);
        if (group.requant->input_offset != 0) {
            fold_offset(&group, &q);
        }
        int32_t a0 = q.bias[0], a1 = q.bias[1], a2 = q.bias[2], a3 = q.bias[3];
        /* A row that is not there is computed as another one and dropped. */
        const int8_t *w0 = row, *w1 = row + (left > 1 ? stride : 0),
                     *w2 = row + (left > 2 ? 2 * stride : 0),
                     *w3 = row + (left > 3 ? 3 * stride : 0), *from = x;
        __asm__ volatile(
            "dlstp.8 lr, %[cols]\n\t"
            "1:\n\t"
            "vldrb.8 q4, [%[x]], #16\n\t"
            "vldrb.8 q0, [%[w0]], #16\n\t"
            "vmladava.s8 %[a0], q0, q4\n\t"
            "vldrb.8 q1, [%[w1]], #16\n\t"
            "vmladava.s8 %[a1], q1, q4\n\t"
            "vldrb.8 q2, [%[w2]], #16\n\t"
            "vmladava.s8 %[a2], q2, q4\n\t"
            "vldrb.8 q3, [%[w3]], #16\n\t"
            "vmladava.s8 %[a3], q3, q4\n\t"
            "letp lr, 1b\n\t"
            : [x] "+r"(from), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
              [a0] "+Te"(a0), [a1] "+Te"(a1), [a2] "+Te"(a2), [a3] "+Te"(a3)
            : [cols] "r"(block->cols)
            : "memory", "lr", "q0", "q1", "q2", "q3", "q4");
        wpk_store_quad(&q, a0, a1, a2, a3, y + r);
    }
}

#endif
