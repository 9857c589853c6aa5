/* How a layer of pool indices is computed on this core, how it is cut and where things lie in
 * scratch. Private. A host compiles this for other cores too. */
#ifndef WPK_SRC_POOL_PLAN_H
#define WPK_SRC_POOL_PLAN_H

#include "wpk/arch.h"
#include "wpk/pool.h"

/* Bytes of what wpk_pool_prepare writes. */
static inline uint32_t wpk_pool_prepared_nbytes(const wpk_pool *pool) {
#if WPK_DSP || WPK_THUMB2
    return 36 * pool->size;
#else
    (void)pool;
    return 0;
#endif
}

#endif
