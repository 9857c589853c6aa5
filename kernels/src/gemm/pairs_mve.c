/* The inner loop of the matrix product for Helium, two pixels at a time. */
#include "quad.h"

#if WPK_MVE

#include <stddef.h>

/* Pixel pairs that are multiplied with one row group. For the assembly. */
typedef struct {
    const wpk_quad *q;
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
enum { LANES = 16, UNROLLED = 4, CHUNK_CODE_NBYTES = 14 * 4 };

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
          [y_end] "i"(offsetof(pair_run, y_end)), [rows] "i"(sizeof(wpk_quad)),
          [fast] "i"(offsetof(wpk_quad, fast)), [left] "i"(offsetof(wpk_quad, left)),
          [multiplier] "i"(offsetof(wpk_quad, multiplier)), [right] "i"(offsetof(wpk_quad, right)),
          [low] "i"(offsetof(wpk_quad, low)), [high] "i"(offsetof(wpk_quad, high)),
          [channels] "i"(offsetof(wpk_quad, channels))
        : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "cc", "memory", "q0", "q1", "q2", "q3",
          "q4", "q5", "p0");
}

void wpk_multiply_pairs(const wpk_block *block, const wpk_quad *q, const int8_t *x, uint32_t stride,
                        uint32_t pairs, int8_t *y, uint32_t y_stride) {
    const uint32_t chunks = block->cols / LANES;
    const uint32_t iterations = (chunks + UNROLLED - 1) / UNROLLED;
    pair_run run = {
        .q = q,
        .zero_point = block->requant->output_zero_point,
        .entry = (UNROLLED * iterations - chunks) * CHUNK_CODE_NBYTES,
        .iterations = iterations,
        .tail = block->cols % LANES,
        .x_step = (int32_t)(2 * stride - chunks * LANES),
        .y = y,
        .y_stride = y_stride,
        .y_end = y + 2 * pairs * y_stride,
    };
    multiply_pairs(&run, x, x + stride);
}

#endif
