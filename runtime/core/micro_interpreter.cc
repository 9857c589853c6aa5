#include "wpconvert/micro_interpreter.h"

namespace wpconvert {

MicroInterpreter::MicroInterpreter(const void *model, size_t model_nbytes,
                                   const MicroOpResolver &resolver, void *arena,
                                   size_t arena_nbytes)
    : program_(model, model_nbytes, resolver, arena, arena_nbytes) {}

TfLiteStatus MicroInterpreter::AllocateTensors() {
    return program_.Build();
}

TfLiteStatus MicroInterpreter::Invoke() {
    if (!program_.ready()) {
        return kTfLiteError;
    }
    const uint32_t count = program_.nodes_size();
    void *const *slots = program_.slots();
    for (uint32_t i = 0; i < count; i++) {
        const Node &node = program_.node(i);
        const Registration &registration = program_.registration(i);
        InvokeContext context(node.user_data, slots, node.outputs, node.inputs, program_.scratch());
        const int index = static_cast<int>(i);
        if (observer_ != nullptr) {
            observer_(observer_user_, index, registration.name, false);
        }
        if (registration.invoke(context) != kTfLiteOk) {
            return program_.Fail(index, "failed");
        }
        if (observer_ != nullptr) {
            observer_(observer_user_, index, registration.name, true);
        }
        slots += node.outputs + node.inputs;
    }
    return kTfLiteOk;
}

const char *MicroInterpreter::operator_name(int index) const {
    return index >= 0 && index < operators_size()
               ? program_.registration(static_cast<uint32_t>(index)).name
               : "";
}

Tensor MicroInterpreter::operator_output(int index, int position) {
    return index < 0 || position < 0
               ? Tensor()
               : program_.NodeOutput(static_cast<uint32_t>(index), static_cast<uint32_t>(position));
}

}  // namespace wpconvert
