/* int8 fully connected layer: y = x · weights^T (docs/FORMAT.md, "Arithmetic"). */
#ifndef WPK_FULLY_CONNECTED_H
#define WPK_FULLY_CONNECTED_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/plan.h"
#include "wpk/table.h"
#include "wpk/weights.h"

WPK_BEGIN_C

/* Plan a layer, once. Returns the scratch of wpk_fully_connected_s8 in bytes; UINT32_MAX if it
 * would not fit 32 bits. */
uint32_t wpk_fully_connected_plan(uint32_t batch, const wpk_weights *weights, wpk_plan *plan);
#ifdef WPK_ANY_CORE
uint32_t wpk_fully_connected_plan_for(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                      wpk_plan *plan);
#endif

/* x is [batch, weights.cols], y [batch, weights.rows]. plan: of the same batch and weights.
 * requant: channels = weights.rows. x and y must not overlap; scratch is aligned to 16 bytes and
 * keeps nothing between calls. */
void wpk_fully_connected_s8(uint32_t batch, const wpk_weights *weights, const wpk_plan *plan,
                            const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

WPK_END_C

#endif
