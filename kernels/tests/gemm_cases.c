/* Runs convolution and fully connected cases from a file made by gemm_cases.py and compares every
 * output, on a host (build with sanitizers) or on a simulated board (link runtime/ports). Also
 * prints what each case costs there.
 *
 * A record: i32 kind (0 convolution, 1 fully connected), weights (0 dense rows, 1 blob), folded (0,
 * 1), 15 shape fields, spare, act_bits, name length; u32 lengths of weights, table, plain bias,
 * input, output, pool; then these, each padded to 16 bytes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs.h"
#include "harness.h"
#include "wpk/conv.h"
#include "wpk/fully_connected.h"
#include "wpk/shared_vectors.h"

enum { NAME_NBYTES = 64 };
enum { WEIGHTS, TABLE, BIAS, INPUT, OUTPUT, POOL, PARTS, SCRATCH = PARTS, WRITTEN, BUFFERS };
enum { POOL_OFFSETS = 3 };

static const char *const kBuffers[BUFFERS] = {"weights", "table", "bias",    "input",
                                              "",        "pool",  "scratch", "output"};

typedef struct {
    int32_t kind, blob, folded;
    wpk_conv_shape shape;
    uint32_t spare;
    int32_t act_bits;
    char name[NAME_NBYTES];
    uint32_t nbytes[PARTS];
} record;

/* NULL or what is wrong. */
static const char *run_case(const record *r, uint8_t *const *data, uint32_t *cost,
                            uint32_t *scratch_nbytes, uint8_t **scratch, uint8_t **output) {
    uint8_t *part[PARTS];
    for (uint32_t p = 0; p < PARTS; ++p) {
        part[p] = placed(p, data[p], r->nbytes[p]);
        if (part[p] == NULL) {
            return "memory";
        }
    }
    wpk_table table;
    if (wpk_table_parse(part[TABLE], r->nbytes[TABLE], &table) != WPK_OK) {
        return "table";
    }
    const wpk_conv_shape *const s = &r->shape;
    wpk_weights weights = {0};
    wpk_shared_vectors pool;
    if (r->nbytes[POOL] != 0 && wpk_sv_parse(part[POOL], r->nbytes[POOL], &pool) != WPK_OK) {
        return "pool";
    }
    if (r->blob) {
        wpk_blob blob;
        if (wpk_blob_parse(part[WEIGHTS], r->nbytes[WEIGHTS], &blob) != WPK_OK) {
            return "blob";
        }
        blob.side = r->nbytes[POOL] != 0 ? &pool : NULL;
        const wpk_codec *const codec = find_codec(blob.codec);
        if (codec == NULL || codec->check(&blob) != WPK_OK) {
            return "check";
        }
        weights = wpk_weights_of_blob(&blob, codec);
        weights.act_bits = (uint8_t)r->act_bits;
    } else {
        weights.dense = (const int8_t *)part[WEIGHTS];
        weights.rows = (uint32_t)s->out_c;
        weights.cols = (uint32_t)(s->kernel_h * s->kernel_w * s->kernel_c);
    }
    *scratch_nbytes = wpk_table_scratch_nbytes(&table);
    wpk_plan plan;
    *scratch_nbytes += r->kind == 0 ? wpk_conv_plan(s, &weights, r->spare, &plan)
                                    : wpk_fully_connected_plan((uint32_t)s->batch, &weights, &plan);
    /* A call that planned again would ask for it. */
    wpk_codec planned = {0};
    if (weights.codec != NULL) {
        planned = *weights.codec;
        planned.stored = NULL;
        weights.codec = &planned;
    }
    *scratch = allocate_written(SCRATCH, *scratch_nbytes, 16);
    *output = allocate_written(WRITTEN, r->nbytes[OUTPUT], 1);
    if (*scratch == NULL || *output == NULL) {
        return "memory";
    }
    int8_t *const y = (int8_t *)*output;
    const int8_t *const x = (const int8_t *)part[INPUT];
    const uint32_t before = instructions();
    wpk_requant requant;
    void *const rest = wpk_table_unpack(&table, *scratch, &requant);
    if (!r->folded) {
        requant.bias = r->nbytes[BIAS] == 0 ? NULL : (const int32_t *)(const void *)part[BIAS];
        requant.input_offset = requant.input_zero_point;
    }
    if (r->kind == 0) {
        wpk_conv_s8(s, &weights, &plan, &requant, x, y, rest);
    } else {
        wpk_fully_connected_s8((uint32_t)s->batch, &weights, &plan, &requant, x, y, rest);
    }
    *cost = instructions() - before;
    if (!is_intact(SCRATCH, *scratch, *scratch_nbytes)) {
        return "scratch overrun";
    }
    if (!is_intact(WRITTEN, *output, r->nbytes[OUTPUT])) {
        return "output overrun";
    }
    return memcmp(y, part[OUTPUT], r->nbytes[OUTPUT]) == 0 ? NULL : "output differs";
}

/* With each buffer in turn at the guard, which ends the program where one is read too far. */
static const char *run_at_guard(const record *r, uint8_t *const *part) {
    const uint32_t mark = mark_memory();
    const char *wrong = NULL;
    for (at_guard = 0; at_guard < BUFFERS && wrong == NULL; ++at_guard) {
        if (at_guard != OUTPUT && (at_guard >= PARTS || r->nbytes[at_guard] != 0)) {
            uint32_t cost, scratch_nbytes;
            uint8_t *scratch, *output;
            say_turn(r->name, kBuffers[at_guard]);
            wrong = run_case(r, part, &cost, &scratch_nbytes, &scratch, &output);
            release_from(mark);
        }
    }
    at_guard = NO_BUFFER;
    return wrong;
}

static uint64_t multiplications(const wpk_conv_shape *s) {
    return (uint64_t)s->batch * (uint64_t)(s->out_h * s->out_w) * (uint64_t)s->out_c *
           (uint64_t)(s->kernel_h * s->kernel_w * s->kernel_c);
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
    for (uint32_t i = 0; i < count; ++i) {
        record r;
        if (!get(&r, sizeof r)) {
            say("truncated file\n");
            return 2;
        }
        uint8_t *memory[BUFFERS] = {0};
        uint8_t *part[PARTS];
        for (uint32_t p = 0; p < PARTS; ++p) {
            /* A pool may have any alignment; what is measured has the one that files have. */
            const uint32_t offset = p == POOL && !verbose ? i % POOL_OFFSETS : 0;
            memory[p] = allocate(r.nbytes[p] + offset);
            part[p] = memory[p] + offset;
            if (memory[p] == NULL || !get(part[p], r.nbytes[p])) {
                say("truncated file or too large a case\n");
                return 2;
            }
        }
        uint32_t cost = 0, scratch_nbytes = 0;
        const char *wrong =
            run_case(&r, part, &cost, &scratch_nbytes, &memory[SCRATCH], &memory[WRITTEN]);
        if (wrong == NULL && GUARDED) {
            wrong = run_at_guard(&r, part);
        }
        char line[160];
        if (wrong != NULL || verbose) {
            const uint64_t macs = multiplications(&r.shape);
            snprintf(line, sizeof line,
                     "%-44s %9lu instructions, %5lu / 1000 MAC, scratch %6lu %s\n", r.name,
                     (unsigned long)cost, (unsigned long)((uint64_t)cost * 1000 / macs),
                     (unsigned long)scratch_nbytes, wrong == NULL ? "" : wrong);
            say(line);
        }
        failed += wrong != NULL;
        release_all((void **)memory, BUFFERS);
    }
    char line[80];
    snprintf(line, sizeof line, "%lu cases, %lu failed\n", (unsigned long)count,
             (unsigned long)failed);
    say(line);
    return failed != 0;
}
