// Operators that copy a view of their input: TRANSPOSE and STRIDED_SLICE.
#ifndef WPCONVERT_OPS_VIEW_H_
#define WPCONVERT_OPS_VIEW_H_

#include "wpconvert/operator.h"

extern "C" {
#include "wpk/copy.h"
}

namespace wpconvert {

struct ViewParams {
    wpk_view view;
    uint32_t element_nbytes;
};

constexpr int kViewRank = 5;

// A view of one element, to be filled from dimension kViewRank − rank on.
inline wpk_view OneElement() {
    return {{1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, 0};
}

inline TfLiteStatus InvokeView(InvokeContext &context) {
    const ViewParams *const params = context.user_data<ViewParams>();
    wpk_copy_view(&params->view, params->element_nbytes, context.input<void>(0),
                  context.output<void>(0));
    return kTfLiteOk;
}

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_VIEW_H_
