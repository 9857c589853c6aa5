/* What loops over pairs of pixels share that multiply each shared vector with a run of them.
 * Private.
 */
#ifndef WPK_SRC_SV_PAIRS_H
#define WPK_SRC_SV_PAIRS_H

#include "wpk/arch.h"
#include "wpk/shared_vectors.h"

/* Pairs of a run, unrolled. */
enum { WPK_SV_PAIRS = 8 };

#define WPK_SV_EACH_PAIR(x) x x x x x x x x

typedef struct {
    uint32_t *products;
    const uint32_t *end; /* where products of a vector behind the last would go */
    uint32_t step;       /* bytes from behind the products of a vector to the next vector's */
    uint32_t skip;       /* bytes of code before the first pair */
} wpk_sv_pairs_loop;

/* For `words` pairs, up to WPK_SV_PAIRS, with `nbytes` bytes of code each. */
static inline wpk_sv_pairs_loop wpk_sv_pairs_loop_of(const wpk_shared_vectors *shared,
                                                     uint32_t *products, uint32_t pitch,
                                                     uint32_t words, uint32_t nbytes) {
    return (wpk_sv_pairs_loop){products, products + shared->size * pitch, 4 * (pitch - words),
                               (WPK_SV_PAIRS - words) * nbytes};
}

#endif
