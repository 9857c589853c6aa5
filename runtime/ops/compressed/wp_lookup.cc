// WP_LOOKUP: any function of one int8, as a table (docs/FORMAT.md, "Operators").
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "compressed.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/activations.h"
}

namespace wpconvert {

namespace {

struct Params {
    const int8_t *table;
    uint32_t elements;
};

TfLiteStatus Prepare(PrepareContext &context) {
    auto *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !CheckArity(context, 2, 2, 1)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), table = context.input(1), y = context.output(0);
    if (!table.is_constant || table.type != TensorType::kInt8 ||
        table.elements() != WPK_TABLE_NBYTES) {
        return context.Fail("input 1 must be a constant INT8 tensor of %d elements",
                            WPK_TABLE_NBYTES);
    }
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk ||
        !CheckShape(context, y, x.dims, x.rank)) {
        return kTfLiteError;
    }
    *params = {table.as<int8_t>(), x.elements()};
    return kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const auto *const params = context.user_data<Params>();
    wpk_lookup_s8(params->table, context.input<int8_t>(0), context.output<int8_t>(0),
                  params->elements);
    return kTfLiteOk;
}

}  // namespace

const Registration kOperator_WP_LOOKUP = {"WP_LOOKUP", Prepare, Invoke, kOperatorInPlace};

const Registration *Register_WP_LOOKUP() {
    return &kOperator_WP_LOOKUP;
}

}  // namespace wpconvert
