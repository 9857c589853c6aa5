/* The matrix product for Helium.
 *
 * A packed row group is a `quad` and then the rows: the 16-byte chunks of four rows interleaved
 * (chunk 0 of row 0, 1, 2, 3, chunk 1 of row 0, …), zeros behind the last column. One pointer then
 * reads all four, which leaves registers for 4 rows × 2 pixels: 6 loads for 8 × 16
 * multiply-accumulates. */
#include "gemm.h"

#if WPK_MVE

#include <arm_mve.h>
#include <stddef.h>

enum { LANES = 16, ROWS = WPK_ROW_GROUP };

/* How four channels become outputs. Vectors, for the assembly to load as they are. */
typedef struct {
    int32_t bias[ROWS], left[ROWS], multiplier[ROWS], right[ROWS];
    int32_t zero_point[ROWS], low[ROWS], high[ROWS];
    uint32_t channels; /* those of the four that exist */
    uint32_t cols;
    uint32_t fast; /* all four shift to the right, and all of int8 is allowed */
    uint32_t reserved;
} quad;

_Static_assert(sizeof(quad) == WPK_QUAD_NBYTES, "the rows behind it are aligned to 16 bytes");

static void set_quad(const wpk_block *group, quad *q) {
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
static void fold_offset(const wpk_block *group, quad *q) {
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

void wpk_gemm_pack(const wpk_block *group, void *packed) {
    set_quad(group, packed);
    if (group->requant->input_offset != 0) {
        fold_offset(group, packed);
    }
    for (uint32_t r = 0; r < ROWS; ++r) {
        /* A row that is not there is computed as another one and dropped. */
        const int8_t *from =
            (const int8_t *)group->rows + (r < group->count ? r : 0) * group->stride;
        int8_t *to = (int8_t *)packed + sizeof(quad) + r * LANES;
        if (group->order != NULL) {
            pack_in_order(from, group->order, group->cols, to);
            continue;
        }
        __asm__ volatile(
            "dlstp.8 lr, %[cols]\n\t"
            "1:\n\t"
            "vldrb.8 q0, [%[from]], #16\n\t"
            "vstrb.8 q0, [%[to]], #64\n\t"
            "letp lr, 1b\n\t"
            : [from] "+r"(from), [to] "+r"(to)
            : [cols] "r"(group->cols)
            : "lr", "memory", "q0");
    }
    /* The stores of the last chunk were cut off like its loads. */
    const uint32_t tail = group->cols % LANES;
    if (tail != 0) {
        int8_t *chunk = (int8_t *)packed + sizeof(quad) + ROWS * (group->cols - tail);
        for (uint32_t r = 0; r < ROWS; ++r, chunk += LANES) {
            vstrbq_p_s8(chunk, vdupq_n_s8(0), vpnot(vctp8q(tail)));
        }
    }
}

/* Requantise and store four channels of one pixel. */
static void store_quad(const quad *q, int32_t a0, int32_t a1, int32_t a2, int32_t a3, int8_t *y) {
    int32x4_t v;
    __asm__("vmov %q0[2], %q0[0], %1, %3\n\tvmov %q0[3], %q0[1], %2, %4"
            : "=&w"(v)
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3));
    const int32x4_t right = vldrwq_s32(q->right);
    v = vqrdmulhq_s32(vshlq_s32(v, vldrwq_s32(q->left)), vldrwq_s32(q->multiplier));
    /* VRSHL rounds halves up; one less makes that away from zero for negative values. */
    v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, right), 31));
    v = vaddq_s32(vrshlq_s32(v, right), vldrwq_s32(q->zero_point));
    v = vminq_s32(vmaxq_s32(v, vldrwq_s32(q->low)), vldrwq_s32(q->high));
    vstrbq_p_s32(y, v, vctp32q(q->channels));
}

/* Pixel pairs that are multiplied with one row group. For the assembly. */
typedef struct {
    const quad *q;
    int32_t zero_point;
    uint32_t entry; /* into the unrolled loop */
    uint32_t
        iterations; /* of the loop over whole chunks, the first one possibly not from its start */
    uint32_t tail;  /* columns behind the last whole chunk */
    int32_t x_step; /* from behind the whole chunks of a pixel to the pixel after the next */
    int8_t *y;
    uint32_t y_stride;
    const int8_t *y_end;
} pair_run;

/* 16 columns of 4 rows × 2 pixels. Accumulators of VMLADAVA are even registers: r0, r2, r4, r6 of
 * the first pixel, r8, r10, r12, lr of the second. q0 comes with weights of the first row, and gets
 * those of the next chunk. Loads and multiplications alternate, for they take a pipe each for two
 * cycles. */
#define MULTIPLY_CHUNK(load_x, x0, x1, count)             \
    load_x " q4, " x0                                     \
           "\n\t"                                         \
           "vmladava.s8 r0, q0, q4\n\t" load_x " q5, " x1 \
           "\n\t"                                         \
           "vmladava.s8 r8, q0, q5\n\t"                   \
           "vldrb.8 q1, [%[w]], #16\n\t"                  \
           "vmladava.s8 r2, q1, q4\n\t"                   \
           "vldrb.8 q2, [%[w]], #16\n\t"                  \
           "vmladava.s8 r10, q1, q5\n\t"                  \
           "vldrb.8 q3, [%[w]], #16\n\t"                  \
           "vmladava.s8 r4, q2, q4\n\t" count             \
           "vmladava.s8 r12, q2, q5\n\t"                  \
           "vldrb.8 q0, [%[w]], #16\n\t"                  \
           "vmladava.s8 r6, q3, q4\n\t"                   \
           "vmladava.s8 lr, q3, q5\n\t"
#define WHOLE_CHUNK(count) MULTIPLY_CHUNK("vldrb.8", "[%[x0]], #16", "[%[x1]], #16", count)
enum { UNROLLED = 4, CHUNK_CODE_NBYTES = 14 * 4 };

/* 4 packed rows × pixel pairs, in assembly as a whole: with all even registers taken the compiler
 * would move everything around between its pieces. The link register is one of them, so the loop
 * counts by itself instead of using LE. */
static inline void multiply_pairs(pair_run *run, const int8_t *x0, const int8_t *x1) {
    const int8_t *w;
    uint32_t n;
    __asm__ volatile(
        "adr %[n], 2f\n\t"
        "ldr %[w], [%[run], %[entry]]\n\t"
        "add %[n], %[n], %[w]\n\t"
        "orr %[n], %[n], #1\n\t"
        "str %[n], [%[run], %[entry]]\n\t"
        "1:\n\t"
        "ldr %[w], [%[run], %[q]]\n\t"
        "ldr %[n], [%[run], %[iterations]]\n\t"
        "ldrd r0, r2, [%[w]]\n\t"
        "ldrd r4, r6, [%[w], #8]\n\t"
        "add %[w], %[w], %[rows]\n\t"
        "mov r8, r0\n\t"
        "vldrb.8 q0, [%[w]], #16\n\t"
        "mov r10, r2\n\t"
        "mov r12, r4\n\t"
        "mov lr, r6\n\t"
        "cmp %[n], #0\n\t"
        "beq 3f\n\t"
        "ldr pc, [%[run], %[entry]]\n\t"
        ".balign 4\n\t"
        "2:\n\t"
        /* clang-format off */
        WHOLE_CHUNK("") WHOLE_CHUNK("") WHOLE_CHUNK("") WHOLE_CHUNK("subs %[n], %[n], #1\n\t")
        /* clang-format on */
        "bne 2b\n\t"
        "3:\n\t"
        "ldr %[n], [%[run], %[tail]]\n\t"
        "cmp %[n], #0\n\t"
        "beq 4f\n\t"
        /* Weights are padded with zeros; pixels are not, and what follows the last one is not ours
           to read. */
        "vctp.8 %[n]\n\t"
        MULTIPLY_CHUNK("vpst\n\tvldrbt.8", "[%[x0]]", "[%[x1]]", "") "4:\n\t"
        "vmov q0[2], q0[0], r0, r4\n\t"
        "vmov q0[3], q0[1], r2, r6\n\t"
        "ldr r0, [%[run], %[q]]\n\t"
        "vmov q1[2], q1[0], r8, r12\n\t"
        "vmov q1[3], q1[1], r10, lr\n\t"
        "ldr %[n], [r0, %[fast]]\n\t"
        "vldrw.32 q2, [r0, %[multiplier]]\n\t"
        "cmp %[n], #0\n\t"
        "beq 5f\n\t"
        "vqrdmulh.s32 q0, q0, q2\n\t"
        "vldrw.32 q3, [r0, %[right]]\n\t"
        "vqrdmulh.s32 q1, q1, q2\n\t"
        /* VRSHL rounds halves up; one less makes that away from zero for negative values. */
        "vshr.s32 q4, q0, #31\n\t"
        "ldr r2, [%[run], %[zero_point]]\n\t"
        "vadd.i32 q0, q0, q4\n\t"
        "ldr %[n], [r0, %[channels]]\n\t"
        "vshr.s32 q5, q1, #31\n\t"
        "vadd.i32 q1, q1, q5\n\t"
        "vrshl.s32 q0, q0, q3\n\t"
        "vrshl.s32 q1, q1, q3\n\t"
        /* The second pixel between the lanes of the first. */
        "vqmovnb.s32 q0, q0\n\t"
        "vqmovnt.s32 q0, q1\n\t"
        "vqadd.s16 q0, q0, r2\n\t"
        "vqmovnb.s16 q0, q0\n\t"
        "vshr.u32 q1, q0, #16\n\t"
        "b 6f\n\t"
        "5:\n\t"
        "vldrw.32 q3, [r0, %[left]]\n\t"
        "vshl.s32 q0, q0, q3\n\t"
        "vshl.s32 q1, q1, q3\n\t"
        "vqrdmulh.s32 q0, q0, q2\n\t"
        "vldrw.32 q3, [r0, %[right]]\n\t"
        "vqrdmulh.s32 q1, q1, q2\n\t"
        "vand q4, q0, q3\n\t"
        "vand q5, q1, q3\n\t"
        "vshr.s32 q4, q4, #31\n\t"
        "vshr.s32 q5, q5, #31\n\t"
        "vqadd.s32 q0, q0, q4\n\t"
        "vqadd.s32 q1, q1, q5\n\t"
        "ldr r2, [%[run], %[zero_point]]\n\t"
        "vrshl.s32 q0, q0, q3\n\t"
        "vrshl.s32 q1, q1, q3\n\t"
        "vldrw.32 q4, [r0, %[low]]\n\t"
        "vadd.i32 q0, q0, r2\n\t"
        "vadd.i32 q1, q1, r2\n\t"
        "vldrw.32 q5, [r0, %[high]]\n\t"
        "vmax.s32 q0, q0, q4\n\t"
        "vmax.s32 q1, q1, q4\n\t"
        "ldr %[n], [r0, %[channels]]\n\t"
        "vmin.s32 q0, q0, q5\n\t"
        "vmin.s32 q1, q1, q5\n\t"
        "6:\n\t"
        "ldrd r0, r2, [%[run], %[y]]\n\t"
        "vctp.32 %[n]\n\t"
        "add r4, r0, r2\n\t"
        "vpstt\n\t"
        "vstrbt.32 q0, [r0]\n\t"
        "vstrbt.32 q1, [r4]\n\t"
        "add r0, r4, r2\n\t"
        "ldr r2, [%[run], %[x_step]]\n\t"
        "ldr r4, [%[run], %[y_end]]\n\t"
        "str r0, [%[run], %[y]]\n\t"
        "add %[x0], %[x0], r2\n\t"
        "add %[x1], %[x1], r2\n\t"
        "cmp r0, r4\n\t"
        "bne 1b\n\t"
        : [w] "=&r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [n] "=&r"(n)
        : [run] "r"(run), [q] "i"(offsetof(pair_run, q)), [entry] "i"(offsetof(pair_run, entry)),
          [iterations] "i"(offsetof(pair_run, iterations)), [tail] "i"(offsetof(pair_run, tail)),
          [zero_point] "i"(offsetof(pair_run, zero_point)),
          [x_step] "i"(offsetof(pair_run, x_step)), [y] "i"(offsetof(pair_run, y)),
          [y_end] "i"(offsetof(pair_run, y_end)), [rows] "i"(sizeof(quad)),
          [fast] "i"(offsetof(quad, fast)), [left] "i"(offsetof(quad, left)),
          [multiplier] "i"(offsetof(quad, multiplier)), [right] "i"(offsetof(quad, right)),
          [low] "i"(offsetof(quad, low)), [high] "i"(offsetof(quad, high)),
          [channels] "i"(offsetof(quad, channels))
        : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "cc", "memory", "q0", "q1", "q2", "q3",
          "q4", "q5", "p0");
}

/* 4 packed rows × 1 pixel. */
static void multiply_one(const quad *q, const int8_t *x, int8_t *y) {
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
    store_quad(q, a0, a1, a2, a3, y);
}

void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch) {
    (void)scratch;
    const uint32_t group_nbytes = (uint32_t)wpk_gemm_group_nbytes(block->cols);
    const uint32_t stride = pixels->stride, pairs = pixels->count / 2;
    const uint32_t chunks = block->cols / LANES;
    const uint32_t iterations = (chunks + UNROLLED - 1) / UNROLLED;
    const uint8_t *group = block->rows;
    for (uint32_t r = 0; r < block->count; r += ROWS, group += group_nbytes) {
        const quad *const q = (const quad *)(const void *)group;
        int8_t *const out = y + r;
        if (pairs > 0) {
            pair_run run = {
                .q = q,
                .zero_point = block->requant->output_zero_point,
                .entry = (UNROLLED * iterations - chunks) * CHUNK_CODE_NBYTES,
                .iterations = iterations,
                .tail = block->cols % LANES,
                .x_step = (int32_t)(2 * stride - chunks * LANES),
                .y = out,
                .y_stride = y_stride,
                .y_end = out + 2 * pairs * y_stride,
            };
            multiply_pairs(&run, pixels->data, pixels->data + stride);
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
        quad q;
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
        store_quad(&q, a0, a1, a2, a3, y + r);
    }
}

#endif
