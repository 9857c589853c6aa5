/*
 * A second decoder, written from docs/FORMAT.md alone, to check that the document is enough.
 *
 * Usage: stranger IN OUT
 *
 * IN is a sequence of records { u32 kind, u32 nbytes, payload }, OUT the answers { u32 status, u32
 * nbytes, payload }:
 *
 * - kind 0, a blob: its int8 weights in memory order.
 *
 * - kind 1, a requantisation table: its fields as i32: flags, channels, multipliers, input and
 *   output zero point, activation min and max, biases, multipliers, shifts.
 *
 * - kind 2, i32 triples accumulator, multiplier, shift: rescale() of each as i32.
 *
 * A status other than 0 is an enum status and comes with an empty payload. The program itself fails
 * only when it cannot read or write, never because of what a payload holds. All integers are
 * little-endian.
 */
#include "stranger_blob.h"
#include "stranger_huffman.h"

static enum status answer_blob(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                               uint32_t *answer_nbytes) {
    struct blob blob;
    enum status status = parse_blob(data, nbytes, &blob);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t count = (size_t)blob.rows * blob.cols;
    int8_t *const weights = calloc(count, 1);
    if (weights == NULL) {
        return STATUS_EXPANSION;
    }
    if (blob.codec == CODEC_DENSE) {
        status = decode_dense(&blob, weights);
    } else if (blob.codec == CODEC_RLE) {
        status = decode_rle(&blob, weights);
    } else if (blob.codec == CODEC_DCSR) {
        status = decode_dcsr(&blob, weights);
    } else {
        status = decode_huffman(&blob, weights);
    }
    if (status != STATUS_OK) {
        free(weights);
        return status;
    }
    *answer = (uint8_t *)weights;
    *answer_nbytes = (uint32_t)count;
    return STATUS_OK;
}

static enum status answer_table(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                                uint32_t *answer_nbytes) {
    if (nbytes < 20) {
        return STATUS_LENGTH;
    }
    if (memcmp(data, "WPRQ", 4) != 0) {
        return STATUS_MAGIC;
    }
    if (data[4] != 1) {
        return STATUS_VERSION;
    }
    const uint32_t channels = read_u32(data + 8);
    const uint32_t multipliers = read_u32(data + 12);
    if (data[5] > 1 || read_u16(data + 6) != 0 || channels == 0 ||
        (multipliers != 1 && multipliers != channels) || read_i8(data + 18) > read_i8(data + 19)) {
        return STATUS_HEADER;
    }
    if (20 + 4 * (uint64_t)channels + 5 * (uint64_t)multipliers != nbytes) {
        return STATUS_LENGTH;
    }
    const uint8_t *const bias = data + 20;
    const uint8_t *const multiplier = bias + 4 * (size_t)channels;
    const uint8_t *const shift = multiplier + 4 * (size_t)multipliers;
    for (uint32_t i = 0; i < multipliers; ++i) {
        if (read_i32(multiplier + 4 * (size_t)i) < 0 || read_i8(shift + i) < -31 ||
            read_i8(shift + i) > 30) {
            return STATUS_ELEMENT;
        }
    }
    const size_t fields = 7 + (size_t)channels + 2 * (size_t)multipliers;
    uint8_t *const out = malloc(4 * fields);
    if (out == NULL) {
        return STATUS_EXPANSION;
    }
    uint8_t *at = out;
    const uint32_t head[3] = {data[5], channels, multipliers};
    for (int i = 0; i < 3; ++i, at += 4) {
        write_u32(at, head[i]);
    }
    for (int i = 16; i < 20; ++i, at += 4) {
        write_u32(at, (uint32_t)read_i8(data + i));
    }
    memcpy(at, bias, 4 * (size_t)channels);
    at += 4 * (size_t)channels;
    memcpy(at, multiplier, 4 * (size_t)multipliers);
    at += 4 * (size_t)multipliers;
    for (uint32_t i = 0; i < multipliers; ++i, at += 4) {
        write_u32(at, (uint32_t)read_i8(shift + i));
    }
    *answer = out;
    *answer_nbytes = (uint32_t)(4 * fields);
    return STATUS_OK;
}

/* ⌊a / 2^k⌋ without relying on how the compiler shifts negative numbers. */
static int64_t floor_shift(int64_t a, int32_t k) {
    return a >= 0 ? a >> k : -((-a + ((int64_t)1 << k) - 1) >> k);
}

static int32_t rescale(int32_t acc, int32_t m, int32_t s) {
    const int32_t left = s > 0 ? s : 0;
    const int32_t right = s < 0 ? -s : 0;
    const int64_t p = (int64_t)as_i32((uint32_t)acc << left) * m;
    int64_t h = floor_shift(p + ((int64_t)1 << 30), 31);
    if (h > INT32_MAX) {
        h = INT32_MAX;
    }
    if (right == 0) {
        return (int32_t)h;
    }
    const int64_t half = (int64_t)1 << (right - 1);
    return (int32_t)(h >= 0 ? (h + half) >> right : -((-h + half) >> right));
}

static enum status answer_rescale(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                                  uint32_t *answer_nbytes) {
    if (nbytes % 12 != 0) {
        return STATUS_LENGTH;
    }
    const uint32_t count = nbytes / 12;
    uint8_t *const out = malloc(4 * (size_t)count + 1);
    if (out == NULL) {
        return STATUS_EXPANSION;
    }
    for (uint32_t i = 0; i < count; ++i) {
        const uint8_t *const at = data + 12 * (size_t)i;
        const int32_t shift = read_i32(at + 8);
        if (shift < -31 || shift > 30 || read_i32(at + 4) < 0) {
            free(out);
            return STATUS_ELEMENT;
        }
        write_u32(out + 4 * (size_t)i, (uint32_t)rescale(read_i32(at), read_i32(at + 4), shift));
    }
    *answer = out;
    *answer_nbytes = 4 * count;
    return STATUS_OK;
}

static bool answer_record(uint32_t kind, const uint8_t *data, uint32_t nbytes, FILE *out) {
    uint8_t *answer = NULL;
    uint32_t answer_nbytes = 0;
    uint8_t head[8];
    const enum status status = kind == 0   ? answer_blob(data, nbytes, &answer, &answer_nbytes)
                               : kind == 1 ? answer_table(data, nbytes, &answer, &answer_nbytes)
                                           : answer_rescale(data, nbytes, &answer, &answer_nbytes);
    write_u32(head, status);
    write_u32(head + 4, answer_nbytes);
    const bool written = fwrite(head, 1, sizeof head, out) == sizeof head &&
                         (answer == NULL || fwrite(answer, 1, answer_nbytes, out) == answer_nbytes);
    free(answer);
    return written;
}

/* Each payload gets an allocation of exactly its length, so that the sanitizer sees any byte read
 * beyond it. */
static bool answer_all(FILE *in, FILE *out) {
    uint8_t head[8];
    size_t got;
    while ((got = fread(head, 1, sizeof head, in)) == sizeof head) {
        const uint32_t nbytes = read_u32(head + 4);
        uint8_t *const data = malloc(nbytes);
        if (data == NULL && nbytes != 0) {
            return false;
        }
        const bool done = fread(data, 1, nbytes, in) == nbytes &&
                          answer_record(read_u32(head), data, nbytes, out);
        free(data);
        if (!done) {
            return false;
        }
    }
    return got == 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: stranger IN OUT\n", stderr);
        return 2;
    }
    FILE *const in = fopen(argv[1], "rb");
    FILE *const out = fopen(argv[2], "wb");
    bool done = in != NULL && out != NULL && answer_all(in, out);
    if (in != NULL) {
        fclose(in);
    }
    if (out != NULL && fclose(out) != 0) {
        done = false;
    }
    return done ? 0 : 1;
}
