#include "table.h"

extern "C" {
#include "wpk/activations.h"
}

namespace wpconvert {

namespace {

struct Params {
    uint32_t elements;
    int8_t table[WPK_TABLE_NBYTES];
};

}  // namespace

int8_t *AllocateTable(PrepareContext &context, uint32_t elements) {
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr) {
        return nullptr;
    }
    params->elements = elements;
    return params->table;
}

TfLiteStatus InvokeTable(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_lookup_s8(params->table, context.input<int8_t>(0), context.output<int8_t>(0),
                  params->elements);
    return kTfLiteOk;
}

}  // namespace wpconvert
