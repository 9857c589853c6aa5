/* The look-up table of a pool (docs/FORMAT.md). Private. */
#ifndef WPK_SRC_POOL_TABLE_H
#define WPK_SRC_POOL_TABLE_H

#include <stdbool.h>

#include "wpk/pool.h"

/* Whether the stored table is that of the vectors, which are checked. */
bool wpk_pool_lut_is_right(const wpk_pool *pool);

#endif
