/* Sparse rows times few pixels, for Helium: 16 stored elements at a time gather their columns of a
 * pixel. Nothing is decoded to dense rows or transposed, which few pixels would not repay. */
#include "lists.h"
#include "lists_plan.h"

#if WPK_MVE

#include <arm_mve.h>

#include "../base/rescale_mve.h"
#include "wpk/requant.h"

enum { MANY = WPK_GROUP_PIXELS };

/* A row in groups. */
typedef struct {
    int32_t bias, multiplier, shift;
    uint32_t count; /* of groups */
    wpk_group group[];
} row_groups;

_Static_assert(sizeof(row_groups) == WPK_GROUPS_HEAD_NBYTES, "what scratch is planned with");

static void load(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes) {
    const wpk_requant *const requant = block->requant;
    uint8_t *at = lists;
    const uint8_t *const end = at + nbytes;
    uint32_t r = 0;
    for (; r < block->count && (uint32_t)(end - at) >= sizeof(row_groups); ++r) {
        row_groups *const row = (row_groups *)(void *)at;
        const uint32_t channel = block->first + r;
        const uint32_t capacity =
            (uint32_t)((uint32_t)(end - at) - sizeof *row) / sizeof(wpk_group);
        const uint32_t count =
            weights->codec->groups(&weights->blob, cursor, channel, row->group, capacity);
        if (count == WPK_NO_ROOM) {
            break;
        }
        int32_t sum = 0;
        for (uint32_t g = 0; g < count && requant->input_offset != 0; ++g) {
            sum = vaddvaq_s8(sum, vldrbq_s8(row->group[g].value));
        }
        const uint32_t m = requant->multipliers == 1 ? 0 : channel;
        row->bias = (int32_t)((uint32_t)wpk_bias(requant, channel) -
                              (uint32_t)sum * (uint32_t)(int32_t)requant->input_offset);
        row->multiplier = requant->multiplier[m];
        row->shift = requant->shift[m];
        row->count = count;
        at += wpk_groups_nbytes(count);
    }
    block->count = r;
    block->rows = lists;
}

#define GROUP                         \
    "vldrb.8 q0, [%[group]], #16\n\t" \
    "vldrb.8 q1, [%[group]], #16\n\t" \
    "ldr %[step], [%[group]], #4\n\t"
#define GATHER(x, acc, to)   \
    "add %[" x "], %[" x     \
    "], %[step]\n\t"         \
    "vldrb.u8 " to ", [%[" x \
    "], q1]\n\t"             \
    "vmladava.s8 %[" acc "], q0, " to "\n\t"

/* A row times four pixels. */
static inline int32x4_t multiply_four(const row_groups *row, const int8_t *x0, uint32_t stride) {
    const int8_t *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    const wpk_group *group = row->group;
    int32_t a0 = row->bias, a1 = a0, a2 = a0, a3 = a0, step;
    if (row->count != 0) {
        __asm__ volatile(
            "dls lr, %[n]\n\t"
            "1:\n\t" GROUP GATHER("x0", "a0", "q2") GATHER("x1", "a1", "q3")
                GATHER("x2", "a2", "q2") GATHER("x3", "a3", "q3") "le lr, 1b\n\t"
            : [group] "+r"(group), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3),
              [a0] "+Te"(a0), [a1] "+Te"(a1), [a2] "+Te"(a2), [a3] "+Te"(a3), [step] "=&r"(step)
            : [n] "r"(row->count)
            : "lr", "memory", "q0", "q1", "q2", "q3");
    }
    int32x4_t sums;
    __asm__("vmov %q0[2], %q0[0], %1, %3\n\tvmov %q0[3], %q0[1], %2, %4"
            : "=&w"(sums)
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3));
    return sums;
}

static inline int32_t multiply_one(const row_groups *row, const int8_t *x) {
    const wpk_group *group = row->group;
    int32_t acc = row->bias, step;
    if (row->count != 0) {
        __asm__ volatile(
            "dls lr, %[n]\n\t"
            "1:\n\t" GROUP GATHER("x", "acc", "q2") "le lr, 1b\n\t"
            : [group] "+r"(group), [x] "+r"(x), [acc] "+Te"(acc), [step] "=&r"(step)
            : [n] "r"(row->count)
            : "lr", "memory", "q0", "q1", "q2");
    }
    return acc;
}

/* Outputs of `count` pixels, at most four. */
static inline void finish(const wpk_requant *requant, const row_groups *row, int32x4_t sums,
                          uint32_t count, int8_t *y, uint32x4_t offset) {
    sums = wpk_rescale_by(sums, row->multiplier, row->shift);
    sums = vaddq_n_s32(sums, requant->output_zero_point);
    sums = vmaxq_s32(sums, vdupq_n_s32(requant->activation_min));
    sums = vminq_s32(sums, vdupq_n_s32(requant->activation_max));
    vstrbq_scatter_offset_p_s32(y, offset, sums, vctp32q(count));
}

static void run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch) {
    (void)scratch;
    const wpk_requant *const requant = block->requant;
    const uint32_t stride = pixels->stride, count = pixels->count;
    const uint32x4_t offset = vmulq_n_u32(vidupq_n_u32(0, 1), y_stride);
    const row_groups *row = block->rows;
    for (uint32_t r = 0; r < block->count; ++r, ++y) {
        const int8_t *x = pixels->data;
        int8_t *out = y;
        uint32_t left = count;
        for (; left >= MANY; left -= MANY, x += MANY * stride, out += MANY * y_stride) {
            finish(requant, row, multiply_four(row, x, stride), MANY, out, offset);
        }
        if (left > 0) {
            int32x4_t sums = vdupq_n_s32(multiply_one(row, x));
            sums = left > 1 ? vsetq_lane_s32(multiply_one(row, x + stride), sums, 1) : sums;
            sums = left > 2 ? vsetq_lane_s32(multiply_one(row, x + 2 * stride), sums, 2) : sums;
            finish(requant, row, sums, left, out, offset);
        }
        row = (const row_groups *)(const void *)(row->group + row->count);
    }
}

const struct wpk_list_kernels wpk_groups = {load, run, NULL};

#endif
