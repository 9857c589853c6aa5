/* What planning has to know of a core: a value, so that a host plans for any of them. Private.
 *
 * Where WPK_ANY_CORE is not defined, the only core is the one that the code is compiled for. The
 * value is empty then, it takes no register, and its constants are those of the compiler. */
#ifndef WPK_SRC_CORE_H
#define WPK_SRC_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/plan.h"

/* Estimates of instructions of layers with shared vectors, in 64ths. */
typedef struct {
    /* Decoded rows: a multiply-accumulate; dropping the lower bits of an activation. */
    uint16_t dense, drop;
    /* A word of products by multiplication; the same with up to four bits; what each vector and run
     * of words takes beside. */
    uint16_t multiply, multiply_narrow, run;
    /* A word of products by look-up, for each plane, and beside. The same with a loop for the core,
     * and what each vector and run of words takes there. */
    uint16_t plane, look_up, fast_plane, fast_look_up, fast_run;
    /* A chunk of words that is added for a tap, and a visit of its sums, where the halves of words
     * are added by themselves and where they are not. */
    uint16_t split_tap, split_visit, packed_tap, packed_visit;
    uint8_t chunk_words, visit_taps;
} wpk_core_costs;

typedef struct wpk_core_constants {
    const char *name; /* as in a board.json */
    bool helium;
    bool fpu; /* float arithmetic is cheap */

    /* The matrix product. */
    bool packs;                /* rows, `row_group` of them together */
    bool rereads;              /* activations are converted once per block: few large blocks are
                                  better than many small ones */
    uint8_t row_group;         /* rows that are multiplied together */
    uint8_t row_head_nbytes;   /* of a packed row, beside its values */
    uint8_t min_packed_pixels; /* from how many pixels on packing or decoding pays */
    uint8_t channel_nbytes;    /* of what is computed once for each output channel */
    uint8_t tile_pixels;       /* that are converted at a time */
    uint8_t tile_cols;         /* whose multiple the columns of a tile are */
    uint8_t tile_value_nbytes; /* of an activation in a tile, 0: there are no tiles */

    /* Sparse rows as lists. */
    uint8_t list_head_nbytes;
    uint8_t list_max_density; /* per cent of the elements that may be stored; without Helium */

    /* 3 × 3 depthwise convolution. */
    uint8_t band_value_nbytes; /* of an activation in a band */
    uint16_t band_nbytes;      /* of a band at most */

    uint8_t prepared_nbytes; /* of a shared vector, ready for multiplication */
    wpk_core_costs costs;
} wpk_core_constants;

/* Of kernels without Helium: what wpk_channel takes, and the head of a list. */
enum { WPK_CHANNEL_NBYTES = 16, WPK_LIST_HEAD_NBYTES = 4 };

#ifdef WPK_ANY_CORE
#define WPK_CORE_FPU(typical) (typical)
#else
#define WPK_CORE_FPU(typical) WPK_FPU
#endif

#include "cortex_m3.h"
#include "cortex_m4.h"
#include "cortex_m55.h"
#include "portable.h"

#if WPK_MVE
#define WPK_CORE_CONSTANTS wpk_cortex_m55
#elif WPK_DSP
#define WPK_CORE_CONSTANTS wpk_cortex_m4
#elif WPK_THUMB2
#define WPK_CORE_CONSTANTS wpk_cortex_m3
#else
#define WPK_CORE_CONSTANTS wpk_portable
#endif

/* Whether Helium is among the cores that are planned for. */
#if WPK_MVE || defined(WPK_ANY_CORE)
#define WPK_PLANS_HELIUM 1
#else
#define WPK_PLANS_HELIUM 0
#endif

#ifdef WPK_ANY_CORE

#define WPK_THIS_CORE (&WPK_CORE_CONSTANTS)
#define WPK_CORE_API

static inline const wpk_core_constants *wpk_of(wpk_core core) {
    return core;
}

#else

typedef struct {
#ifndef __GNUC__
    char unused;
#endif
} wpk_core;
#define WPK_THIS_CORE ((wpk_core){})
/* Functions for any core, which those for this core call. */
#define WPK_CORE_API static

static inline const wpk_core_constants *wpk_of(wpk_core core) {
    (void)core;
    return &WPK_CORE_CONSTANTS;
}

#endif

#endif
