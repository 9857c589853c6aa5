/* The inner loops of layers whose weights are indices of shared vectors (docs/KERNELS.md,
 * "Weight pools"). Private. Each has a version in plain C.
 *
 * A *vector* is what one shared vector is multiplied with: eight levels, the channels of a group at
 * one pixel. It takes 8 bytes: the levels, or their bit planes, byte b having bit j = bit b of
 * level j. A *product* f of a vector and a shared vector is kept as f + excess ≥ 0; excess is a
 * constant of table and act_bits (wpk_sv_excess).
 *
 * The products of a row of pixels with all shared vectors are a table [shared vector][column]. With
 * lut_bits 4 and 8 a product has at most 16 bits, and a word holds two of them: word i of a row is
 * columns i (low half) and i + H (high half), so that a tap that starts at any column reads whole,
 * aligned words. H is half the width of the tile of outputs. With lut_bits 16 a word is one
 * product; those variants ("wide") are plain C on every core. Rows are `pitch` words apart.
 *
 * Products, offsets and sums are aligned to 4 bytes, shared vectors and the look-up table have any
 * alignment (LDR and LDRH read them, LDM and LDRD do not). */
#ifndef WPK_SRC_SV_KERNELS_H
#define WPK_SRC_SV_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/levels.h"
#include "wpk/shared_vectors.h"

/* Whether the stored table is that of the vectors, which are checked. */
bool wpk_sv_lut_is_right(const wpk_shared_vectors *shared);

/* Rows of a table of products: loops over the look-up table may do eight entries at a time. Rows
 * behind the last shared vector hold anything. */
static inline uint32_t wpk_sv_rows(const wpk_shared_vectors *shared) {
    return shared->pitch;
}

/* What is added to each product: with u = entry + 2^(lut_bits − 1) as stored, the stored product is
 * Σ_{b<B−1} 2^b · u_b + 2^(B−1) · (2^lut_bits − 1 − u_{B−1}), B = act_bits. */
static inline uint32_t wpk_sv_excess(const wpk_shared_vectors *shared, uint32_t act_bits) {
    const uint32_t most = (1u << shared->lut_bits) - 1, half = 1u << (shared->lut_bits - 1);
    return (most << (act_bits - 1)) - half;
}

/* How many stored products may be added up in a half word. */
static inline uint32_t wpk_sv_headroom(const wpk_shared_vectors *shared, uint32_t act_bits) {
    return UINT16_MAX / (((1u << shared->lut_bits) - 1) * ((1u << act_bits) - 1));
}

/* n activations to their levels, in place. */
void wpk_sv_narrow(const wpk_levels *levels, int8_t *x, uint32_t n);

/* `count` pixels, `stride` bytes apart, to vectors of levels `step` bytes apart (aligned to 8):
 * channels x[0 … lanes) of each, 1 ≤ lanes ≤ 8, and level 0 behind them. Reads no other byte. */
void wpk_sv_vectors(const wpk_levels *levels, const int8_t *x, uint32_t stride, uint32_t lanes,
                    uint32_t count, uint8_t *vectors, uint32_t step);

/* Levels to bit planes 0 … bits − 1, in place, of `count` neighbouring vectors; bytes from `bits`
 * on become anything. */
void wpk_sv_planes(uint8_t *vectors, uint32_t count, uint32_t bits);

/* A form of the vectors that wpk_sv_products_mac reads with levels of these bits, made once per
 * layer; its size is in pool_plan.h, it is aligned to 16 bytes. */
void wpk_sv_prepare(const wpk_shared_vectors *shared, uint32_t excess, uint32_t bits,
                    void *prepared);

/* The products of 2 · words vectors with every shared vector by multiplication: of vectors[2i] to
 * the low half of word i, of vectors[2i + 1] to its high half. Vectors are levels. Needs lut_shift
 * 0.
 */
void wpk_sv_products_mac(const wpk_shared_vectors *shared, const void *prepared, uint32_t excess,
                         uint32_t bits, const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch);

/* The same through the look-up table `lut` of lut_bits 4 or 8; vectors are bit planes. */
void wpk_sv_products_lut(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                         const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch);

/* The same for lut_bits 8 and up to WPK_SV_LUT_8_BITS planes; WPK_THUMB2 and WPK_DSP only. */
enum { WPK_SV_LUT_8_BITS = 4 };
void wpk_sv_products_lut_8(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                           const uint8_t *vectors, uint32_t words, uint32_t *products,
                           uint32_t pitch);

/* A word for each of `words` vectors. */
void wpk_sv_products_mac_wide(const wpk_shared_vectors *shared, uint32_t excess,
                              const uint8_t *vectors, uint32_t words, uint32_t *products,
                              uint32_t pitch);
void wpk_sv_products_lut_wide(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                              const uint8_t *vectors, uint32_t words, uint32_t *products,
                              uint32_t pitch);

/* Add products to a row of sums [filters][words], which are pairs: of all words added, modulo 2^32,
 * and of their high halves; the low halves' sum is the first minus 2^16 times the second. Filter f
 * takes offsets[f · taps … (f + 1) · taps): each the distance in bytes from `products` to the first
 * of `words` words, a multiple of 4. `headroom` ≥ 1 of them may be added up before a low half
 * overflows. */
void wpk_sv_accumulate(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                       uint32_t taps, uint32_t words, uint32_t headroom, uint32_t *sums);

/* Sums are one word each. */
void wpk_sv_accumulate_wide(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                            uint32_t taps, uint32_t words, uint32_t *sums);

/* Σ f of `count` vectors (bit planes) with the shared vectors of these indices, modulo 2^32,
 * without excess, by `bits` look-ups each. Any lut_bits. */
int32_t wpk_sv_direct(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                      const uint8_t *vectors, const uint8_t *indices, uint32_t count);

#endif
