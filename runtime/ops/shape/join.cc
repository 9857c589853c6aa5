#include "join.h"

extern "C" {
#include "wpk/copy.h"
}

namespace wpconvert {

bool PrepareJoin(PrepareContext &context, uint32_t count) {
    JoinParams *const params = context.AllocateUserData<JoinParams>();
    if (params == nullptr) {
        return false;
    }
    params->count = count;
    params->inputs = static_cast<uint32_t>(context.inputs_size());
    params->output_pitch = context.output(0).nbytes / count;
    params->run_nbytes = static_cast<uint32_t *>(
        context.AllocatePersistent(params->inputs * sizeof(uint32_t), alignof(uint32_t)));
    if (params->run_nbytes == nullptr) {
        return false;
    }
    for (uint32_t i = 0; i < params->inputs; ++i) {
        params->run_nbytes[i] = context.input(static_cast<int>(i)).nbytes / count;
    }
    return true;
}

TfLiteStatus InvokeJoin(InvokeContext &context) {
    const JoinParams *const params = context.user_data<JoinParams>();
    uint8_t *to = context.output<uint8_t>(0);
    for (uint32_t i = 0; i < params->inputs; ++i) {
        const uint32_t run = params->run_nbytes[i];
        wpk_copy_runs(context.input<void>(i), run, to, params->output_pitch, run, params->count);
        to += run;
    }
    return kTfLiteOk;
}

}  // namespace wpconvert
