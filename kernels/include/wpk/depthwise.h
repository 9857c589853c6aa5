/* int8 depthwise convolution: output channel c reads input channel c / (out_c / in_c)
 * (docs/FORMAT.md, "Arithmetic"). */
#ifndef WPK_DEPTHWISE_H_
#define WPK_DEPTHWISE_H_

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/conv.h"
#include "wpk/table.h"
#include "wpk/weights.h"

WPK_BEGIN_C

/* Scratch of wpk_depthwise_s8 in bytes; UINT32_MAX if it would not fit 32 bits. */
uint32_t wpk_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights);
#ifdef WPK_ANY_CORE
uint32_t wpk_depthwise_scratch_nbytes_for(wpk_core core, const wpk_conv_shape *shape,
                                          const wpk_weights *weights);
#endif

/* shape: as for wpk_conv_s8, with out_c a multiple of in_c and kernel_c = 1. weights: rows =
 * kernel_h · kernel_w taps, cols = out_c. requant: channels = out_c; unlike elsewhere,
 * input_offset may be anything, for the folding costs nothing here. x and y must not overlap;
 * scratch is aligned to 16 bytes and keeps nothing between calls. */
void wpk_depthwise_s8(const wpk_conv_shape *shape, const wpk_weights *weights,
                      const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

WPK_END_C

#endif /* WPK_DEPTHWISE_H_ */
