/* Runs calls of the element-wise kernels from a file made by element_cases.py and compares every
 * output, on a host (build with sanitizers) or on a simulated board (link runtime/ports). Also
 * prints what each call costs there.
 *
 * A record: u32 operation, fields, parts; 48 bytes of name; the fields, i32; the parts' lengths,
 * u32; the parts. The last part is the expected output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs.h"
#include "harness.h"
#include "wpk/activations.h"
#include "wpk/copy.h"
#include "wpk/depthwise.h"
#include "wpk/elementwise.h"
#include "wpk/fixed_point.h"
#include "wpk/pooling.h"
#include "wpk/quantise.h"
#include "wpk/reduce.h"
#include "wpk/softmax.h"

enum { NAME_NBYTES = 48, MAX_FIELDS = 32, MAX_PARTS = 5 };
enum { SCRATCH = MAX_PARTS, WRITTEN, BUFFERS };

typedef struct {
    uint32_t operation, fields, parts;
    char name[NAME_NBYTES];
    int32_t field[MAX_FIELDS];
    uint32_t nbytes[MAX_PARTS];
    void *part[MAX_PARTS];
    uint8_t *scratch, *y;
    uint32_t scratch_nbytes, cost;
} call;

static void request_scratch(call *c, uint32_t nbytes) {
    c->scratch_nbytes = nbytes;
    c->scratch = allocate_written(SCRATCH, nbytes, 16);
}

static float as_float(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool run_depthwise(call *c) {
    const int32_t *const f = c->field;
    wpk_conv_shape shape;
    memcpy(&shape, f + 2, sizeof shape);
    wpk_table table;
    if (wpk_table_parse(c->part[1], c->nbytes[1], &table) != WPK_OK) {
        return false;
    }
    wpk_weights weights = {0};
    if (f[0]) {
        wpk_blob blob;
        if (wpk_blob_parse(c->part[0], c->nbytes[0], &blob) != WPK_OK) {
            return false;
        }
        const wpk_codec *const codec = find_codec(blob.codec);
        if (codec == NULL || codec->check(&blob) != WPK_OK) {
            return false;
        }
        weights = wpk_weights_of_blob(&blob, codec);
    } else {
        weights.dense = c->part[0];
        weights.rows = (uint32_t)(shape.kernel_h * shape.kernel_w);
        weights.cols = (uint32_t)shape.out_c;
    }
    request_scratch(
        c, wpk_table_scratch_nbytes(&table) + wpk_depthwise_scratch_nbytes(&shape, &weights));
    const uint32_t before = instructions();
    wpk_requant requant;
    void *const rest = wpk_table_unpack(&table, c->scratch, &requant);
    if (f[1]) {
        requant.bias = c->part[2];
        requant.input_offset = requant.input_zero_point;
    }
    wpk_depthwise_s8(&shape, &weights, &requant, c->part[3], (int8_t *)c->y, rest);
    c->cost = instructions() - before;
    return true;
}

static bool run_elementwise(call *c, wpk_elementwise run) {
    const int32_t *const f = c->field, *const p = f + 12;
    wpk_broadcast shape;
    memcpy(&shape, f, sizeof shape);
    const wpk_sum sum = {p[0], p[1], p[2], p[3],         p[4],         p[5],
                         p[6], p[7], p[8], (int8_t)p[9], (int8_t)p[10]};
    const wpk_product product = {p[0], p[1], p[2], p[3], p[4], (int8_t)p[5], (int8_t)p[6]};
    const void *const params = run == wpk_mul_s8 ? (const void *)&product : &sum;
    const uint32_t before = instructions();
    wpk_elementwise_s8(run, params, &shape, c->part[0], c->part[1], (int8_t *)c->y);
    c->cost = instructions() - before;
    return true;
}

static bool run_pool(call *c, void (*run)(const wpk_pooling *, const int8_t *, int8_t *)) {
    const int32_t *const f = c->field;
    const wpk_pooling pool = {f[0], f[1], f[2], f[3],  f[4],  f[5],          f[6],
                              f[7], f[8], f[9], f[10], f[11], (int8_t)f[12], (int8_t)f[13]};
    const uint32_t before = instructions();
    run(&pool, c->part[0], (int8_t *)c->y);
    c->cost = instructions() - before;
    return true;
}

static bool run_reduce(call *c) {
    wpk_mean mean;
    memcpy(&mean, c->field, sizeof(int32_t) * c->fields);
    void *const y = c->y;
    if (c->fields > 12) {
        wpk_mean_s8(&mean, c->part[0], y);
    } else if (c->nbytes[0] ==
                   c->nbytes[1] * (uint32_t)(mean.shape.reduced[0] * mean.shape.reduced[1] *
                                             mean.shape.reduced[2]) &&
               c->operation == 8) {
        wpk_reduce_max_f32(&mean.shape, c->part[0], y);
    } else {
        wpk_reduce_max_s8(&mean.shape, c->part[0], y);
    }
    return true;
}

static bool run_softmax(call *c) {
    const int32_t *const f = c->field;
    const wpk_softmax softmax = {f[0], f[1], f[2], f[3], f[4]};
    request_scratch(c, wpk_softmax_scratch_nbytes(&softmax));
    const uint32_t before = instructions();
    wpk_softmax_s8(&softmax, c->part[0], (int8_t *)c->y, c->scratch);
    c->cost = instructions() - before;
    return true;
}

static bool run_view(call *c) {
    wpk_view view;
    memcpy(&view, c->field, sizeof view);
    wpk_copy_view(&view, (uint32_t)c->field[11], c->part[0], c->y);
    return true;
}

static bool run_pad(call *c) {
    wpk_pad pad;
    memcpy(&pad, c->field, sizeof pad);
    wpk_pad_copy(&pad, (uint32_t)c->field[12], c->part[0], c->part[1], c->y);
    return true;
}

static bool run_quantise(call *c) {
    const float scale = as_float(c->field[0]);
    const uint32_t before = instructions();
    wpk_quantise_f32_s8(scale, c->field[1], c->part[0], (int8_t *)c->y, c->nbytes[1]);
    c->cost = instructions() - before;
    return true;
}

static bool run_dequantise(call *c) {
    const float scale = as_float(c->field[0]);
    request_scratch(c, wpk_dequantise_scratch_nbytes(c->nbytes[0]));
    const uint32_t before = instructions();
    wpk_dequantise_s8_f32(scale, c->field[1], c->part[0], (float *)(void *)c->y, c->nbytes[0],
                          c->scratch);
    c->cost = instructions() - before;
    return true;
}

static bool run_transcendental(call *c) {
    const int32_t *const a = c->part[0];
    int32_t *const y = (int32_t *)(void *)c->y;
    for (uint32_t i = 0; i < c->nbytes[0] / sizeof *a; ++i) {
        y[i] = c->operation == 15   ? wpk_exp_on_negative_values(a[i], c->field[0])
               : c->operation == 16 ? wpk_one_over_one_plus(a[i])
               : c->operation == 17 ? wpk_logistic_q4(a[i])
                                    : wpk_tanh_q4(a[i]);
    }
    return true;
}

static bool run(call *c) {
    switch (c->operation) {
        case 0:
            return run_depthwise(c);
        case 1:
            return run_elementwise(c, wpk_add_s8);
        case 2:
            return run_elementwise(c, wpk_sub_s8);
        case 3:
            return run_elementwise(c, wpk_mul_s8);
        case 4:
            return run_pool(c, wpk_max_pool_s8);
        case 5:
            return run_pool(c, wpk_average_pool_s8);
        case 6:
        case 7:
        case 8:
            return run_reduce(c);
        case 9:
            return run_softmax(c);
        case 10:
            wpk_lookup_s8(c->part[0], c->part[1], (int8_t *)c->y, c->nbytes[1]);
            return true;
        case 11:
            return run_view(c);
        case 12:
            return run_pad(c);
        case 13:
            return run_quantise(c);
        case 14:
            return run_dequantise(c);
        default:
            return run_transcendental(c);
    }
}

/* NULL or what is wrong. */
static const char *check(call *c) {
    const uint32_t nbytes = c->nbytes[c->parts - 1];
    c->y = allocate_written(WRITTEN, nbytes, 1);
    if (c->y == NULL || !run(c)) {
        return "cannot run";
    }
    if (!is_intact(SCRATCH, c->scratch, c->scratch_nbytes)) {
        return "scratch overrun";
    }
    if (!is_intact(WRITTEN, c->y, nbytes)) {
        return "output overrun";
    }
    return memcmp(c->y, c->part[c->parts - 1], nbytes) == 0 ? NULL : "output differs";
}

/* With each buffer in turn at the guard, which ends the program where one is read too far. */
static const char *check_at_guard(const call *c) {
    static const char *const names[BUFFERS] = {"part 0", "part 1",  "part 2", "part 3",
                                               "part 4", "scratch", "output"};
    const uint32_t mark = mark_memory();
    const char *wrong = NULL;
    for (at_guard = 0; at_guard < BUFFERS && wrong == NULL; ++at_guard) {
        static call turn;
        turn = *c;
        turn.scratch = NULL;
        const bool used = at_guard == SCRATCH ? c->scratch_nbytes != 0
                                              : at_guard == WRITTEN || at_guard + 1 < c->parts;
        if (!used) {
            continue;
        }
        if (at_guard < MAX_PARTS) {
            turn.part[at_guard] = placed(at_guard, c->part[at_guard], c->nbytes[at_guard]);
        }
        say_turn(c->name, names[at_guard]);
        wrong = check(&turn);
        release_from(mark);
    }
    at_guard = NO_BUFFER;
    return wrong;
}

static bool read_call(call *c) {
    memset(c, 0, sizeof *c);
    if (!get(c, 12 + NAME_NBYTES) || c->fields > MAX_FIELDS || c->parts > MAX_PARTS ||
        !get(c->field, 4 * c->fields) || !get(c->nbytes, 4 * c->parts)) {
        return false;
    }
    for (uint32_t i = 0; i < c->parts; ++i) {
        c->part[i] = allocate(c->nbytes[i]);
        if (c->part[i] == NULL || !get(c->part[i], c->nbytes[i])) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
#ifdef __arm__
    (void)argc, (void)argv;
    const char *const path = "cases.bin";
#else
    const char *const path = argc > 1 ? argv[1] : "cases.bin";
#endif
    uint32_t count = 0, failed = 0, verbose = 0;
    if (!open_cases(path) || !get(&count, 4) || !get(&verbose, 4)) {
        say("cannot read the cases\n");
        return 2;
    }
    raise_guard();
    char line[160];
    for (uint32_t i = 0; i < count; ++i) {
        static call c;
        if (!read_call(&c)) {
            say("truncated file or too large a case\n");
            return 2;
        }
        const char *wrong = check(&c);
        if (wrong == NULL && GUARDED) {
            wrong = check_at_guard(&c);
        }
        if (wrong != NULL || verbose) {
            const uint32_t nbytes = c.nbytes[c.parts - 1];
            snprintf(line, sizeof line,
                     "%-36s op %2lu %9lu instructions, %6lu / 1000 output bytes, scratch %5lu %s\n",
                     c.name, (unsigned long)c.operation, (unsigned long)c.cost,
                     (unsigned long)((uint64_t)c.cost * 1000 / nbytes),
                     (unsigned long)c.scratch_nbytes, wrong == NULL ? "" : wrong);
            say(line);
        }
        failed += wrong != NULL;
        void *memory[MAX_PARTS + 2];
        memcpy(memory, c.part, sizeof c.part);
        memory[MAX_PARTS] = c.scratch;
        memory[MAX_PARTS + 1] = c.y;
        release_all(memory, MAX_PARTS + 2);
    }
    snprintf(line, sizeof line, "%lu calls, %lu failed\n", (unsigned long)count,
             (unsigned long)failed);
    say(line);
    return failed != 0;
}
