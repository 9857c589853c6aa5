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
 * - kind 3, u32 length of a pool tensor, the tensor, and a blob: its int8 weights in memory order.
 *
 * - kind 4, a pool tensor: size, lut_bits, lut_shift and lut as i32, and all entries, rows of
 *   patterns, as i32.
 *
 * - kind 5, u32 length of a pool tensor, the tensor, and rows of i32: act_bits, zero point, vector
 *   and eight activations: the eight levels and the sum of each as i32.
 *
 * A status other than 0 is an enum status and comes with an empty payload. The program itself fails
 * only when it cannot read or write, never because of what a payload holds. All integers are
 * little-endian.
 */
#include "stranger_blob.h"
#include "stranger_huffman.h"
#include "stranger_pool.h"

static enum status decode_blob(const uint8_t *data, uint32_t nbytes, const struct pool *pool,
                               uint8_t **answer, uint32_t *answer_nbytes) {
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
    } else if (blob.codec == CODEC_BITMAP) {
        status = decode_bitmap(&blob, weights);
    } else if (blob.codec == CODEC_PACKED) {
        status = decode_packed(&blob, weights);
    } else if (blob.codec == CODEC_HUFFMAN) {
        status = decode_huffman(&blob, weights);
    } else {
        status = decode_pool(data, &blob, pool, weights);
    }
    if (status != STATUS_OK) {
        free(weights);
        return status;
    }
    *answer = (uint8_t *)weights;
    *answer_nbytes = (uint32_t)count;
    return STATUS_OK;
}

static enum status answer_blob(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                               uint32_t *answer_nbytes) {
    return decode_blob(data, nbytes, NULL, answer, answer_nbytes);
}

/* A pool tensor, in an allocation of its own, and what comes behind it. */
static enum status answer_with_pool(uint32_t kind, const uint8_t *data, uint32_t nbytes,
                                    uint8_t **answer, uint32_t *answer_nbytes) {
    if (nbytes < 4 || nbytes - 4 < read_u32(data)) {
        return STATUS_LENGTH;
    }
    const uint32_t pool_nbytes = read_u32(data), rest = nbytes - 4 - pool_nbytes;
    uint8_t *const tensor = malloc((size_t)pool_nbytes + (pool_nbytes == 0));
    if (tensor == NULL) {
        return STATUS_EXPANSION;
    }
    memcpy(tensor, data + 4, pool_nbytes);
    struct pool pool;
    const uint8_t *const behind = data + 4 + pool_nbytes;
    enum status status = parse_pool(tensor, pool_nbytes, &pool);
    if (status == STATUS_OK) {
        status = kind == 3 ? decode_blob(behind, rest, &pool, answer, answer_nbytes)
                           : answer_sums(behind, rest, &pool, answer, answer_nbytes);
    }
    free(tensor);
    return status;
}

/* Bit by bit: a field of `width` bits that starts at bit `at` of the stream. */
static uint32_t read_bits(const uint8_t *stream, uint64_t at, uint32_t width) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < width; ++i, ++at) {
        value |= (uint32_t)(stream[at / 8] >> (at % 8) & 1) << i;
    }
    return value;
}

/* mantissa · factor, a product of 71 or 72 bits, rounded to 31 bits: schoolbook, in parts of 24
 * bits. */
static uint64_t scale(uint32_t mantissa, uint64_t factor) {
    const uint64_t low = mantissa * (factor & 0xffffff), high = mantissa * (factor >> 24);
    const uint64_t sum = high + (low >> 24); /* product / 2^24; what is lost is below a half */
    const int drop = sum >> 47 ? 17 : 16;
    return (sum + ((uint64_t)1 << (drop - 1))) >> drop;
}

static enum status answer_table(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                                uint32_t *answer_nbytes) {
    if (nbytes < 32) {
        return STATUS_LENGTH;
    }
    if (memcmp(data, "WPRQ", 4) != 0) {
        return STATUS_MAGIC;
    }
    if (data[4] != 2) {
        return STATUS_VERSION;
    }
    const uint32_t channels = read_u32(data + 16);
    const int scaled = data[5] >> 2 & 1;
    const uint64_t factor = (uint64_t)read_u32(data + 24) << 16 | read_u16(data + 14);
    if (data[5] > 7 || (!scaled && read_u16(data + 14) != 0) || channels == 0 ||
        channels > 1u << 26 || data[6] > 32 || data[7] > 31 || data[8] > 6 ||
        read_i8(data + 12) > read_i8(data + 13)) {
        return STATUS_HEADER;
    }
    const uint32_t multipliers = data[5] & 2 ? 1 : channels;
    const uint32_t count[3] = {channels, multipliers, multipliers};
    const int64_t base[3] = {read_i32(data + 20), read_i32(data + 24), read_i8(data + 9)};
    if (scaled ? factor >> 47 == 0 || data[7] != 23
               : base[1] < 0 || base[1] + ((int64_t)1 << data[7]) - 1 > INT32_MAX) {
        return STATUS_ELEMENT;
    }
    uint64_t length = 32;
    for (int i = 0; i < 3; ++i) {
        length += ((uint64_t)count[i] * data[6 + i] + 7) / 8;
    }
    if (length != nbytes) {
        return STATUS_LENGTH;
    }
    const size_t fields = 7 + (size_t)channels + 2 * (size_t)multipliers;
    uint8_t *const out = malloc(4 * fields);
    if (out == NULL) {
        return STATUS_EXPANSION;
    }
    uint8_t *at = out;
    const uint32_t head[3] = {data[5] & 1, channels, multipliers};
    for (int i = 0; i < 3; ++i, at += 4) {
        write_u32(at, head[i]);
    }
    for (int i = 10; i < 14; ++i, at += 4) {
        write_u32(at, (uint32_t)read_i8(data + i));
    }
    const uint8_t *stream = data + 28;
    for (int i = 0; i < 3; ++i) {
        for (uint32_t j = 0; j < count[i]; ++j, at += 4) {
            const uint32_t field = read_bits(stream, (uint64_t)j * data[6 + i], data[6 + i]);
            if (i == 2 && (base[2] + field < -31 || base[2] + field > 30)) {
                free(out);
                return STATUS_ELEMENT;
            }
            if (i == 1 && scaled) {
                const uint64_t multiplier = scale(((uint32_t)1 << 23) + field, factor);
                if (multiplier > INT32_MAX) {
                    free(out);
                    return STATUS_ELEMENT;
                }
                write_u32(at, (uint32_t)multiplier);
            } else {
                write_u32(at, (uint32_t)base[i] + field);
            }
        }
        stream += ((uint64_t)count[i] * data[6 + i] + 7) / 8;
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
                               : kind == 2 ? answer_rescale(data, nbytes, &answer, &answer_nbytes)
                               : kind == 4
                                   ? answer_pool(data, nbytes, &answer, &answer_nbytes)
                                   : answer_with_pool(kind, data, nbytes, &answer, &answer_nbytes);
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
