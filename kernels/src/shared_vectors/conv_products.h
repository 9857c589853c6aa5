/* A convolution by schedule PRODUCTS. */
#ifndef WPK_SRC_POOL_CONV_H
#define WPK_SRC_POOL_CONV_H

#include "plan.h"

/* lut: the look-up table, where the plan looks up. */
void wpk_pool_conv_products(const wpk_conv_shape *shape, const wpk_weights *weights,
                            const wpk_requant *requant, const wpk_pool_layout *layout,
                            const uint8_t *lut, const int8_t *x, int8_t *y, uint8_t *scratch);

#endif
