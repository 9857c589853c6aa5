/* int8 convolution, grouped or not (docs/FORMAT.md, "Arithmetic"). */
#ifndef WPK_CONV_H
#define WPK_CONV_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/plan.h"
#include "wpk/table.h"
#include "wpk/weights.h"

WPK_BEGIN_C

/* All ≥ 1, except pads, which are ≥ 0. Activations are [batch, in_h, in_w, in_c] and
 * [batch, out_h, out_w, out_c]. in_c is a multiple of kernel_c, out_c one of in_c / kernel_c, the
 * number of groups. Windows may reach over every edge of the image. Tensors have less than 2^31
 * elements. */
typedef struct {
    int32_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, kernel_c;
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
} wpk_conv_shape;

/* Plan a layer, once: the choice takes up to some hundred thousand instructions for shared vectors.
 * spare: bytes of scratch that cost nothing, since other layers need as much memory; a convolution
 * takes more than it must where that makes it faster. 0 if not known. Returns the scratch of
 * wpk_conv_s8 in bytes; UINT32_MAX if it would not fit 32 bits. */
uint32_t wpk_conv_plan(const wpk_conv_shape *shape, const wpk_weights *weights, uint32_t spare,
                       wpk_plan *plan);
#ifdef WPK_ANY_CORE
uint32_t wpk_conv_plan_for(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                           uint32_t spare, wpk_plan *plan);
#endif

/* weights: rows = out_c, cols = kernel_h · kernel_w · kernel_c. plan: of the same shape and
 * weights. requant: channels = out_c. x and y must not overlap; scratch is aligned to 16 bytes and
 * keeps nothing between calls. */
void wpk_conv_s8(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                 const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

WPK_END_C

#endif
