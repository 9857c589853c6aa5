// How a core computes a layer, from the kernels' own planning.
#ifndef WPCONVERT_NATIVE_LAYER_PLAN_H_
#define WPCONVERT_NATIVE_LAYER_PLAN_H_

#include <string>

#include "planning.h"

namespace wpconvert::native {

// Weights that need not be there: rows and columns are those of the layer.
struct Stored {
    std::string codec;      // a name of codec_names, but pool; empty: rows as they are
    uint32_t elements;      // as wpk_codec.stored says
    uint32_t table_nbytes;  // as wpk_codec.tables_nbytes says
};

// `core` as in a board.json. Throws Error for a core or codec that is not known.
wpn_layer_plan layer_plan(const std::string &core, bool depthwise, const wpk_conv_shape &shape,
                          uint32_t spare, const Stored &stored);

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_LAYER_PLAN_H_
