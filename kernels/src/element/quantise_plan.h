/* Scratch of DEQUANTIZE. Private. */
#ifndef WPK_SRC_QUANTISE_PLAN_H
#define WPK_SRC_QUANTISE_PLAN_H

#include "../core/core.h"
#include "wpk/quantise.h"

#ifdef WPK_ANY_CORE
/* wpk_dequantise_scratch_nbytes for any core. */
uint32_t wpk_dequantise_scratch_nbytes_for(wpk_core core, uint32_t n);
#endif

#endif
