#include "schema.h"
#include "wpconvert/operator.h"
#include "wpconvert/program.h"

namespace wpconvert {

int PrepareContext::inputs_size() const {
    return static_cast<int>(program_.OperatorTable(node_).Vector(schema::op::kInputs, 4).size);
}

int PrepareContext::outputs_size() const {
    return static_cast<int>(program_.OperatorTable(node_).Vector(schema::op::kOutputs, 4).size);
}

Tensor PrepareContext::At(uint32_t slot, int position, bool may_be_empty) const {
    const FlatVector list = program_.OperatorTable(node_).Vector(slot, 4);
    if (position < 0 || static_cast<uint32_t>(position) >= list.size) {
        return {};
    }
    const int32_t index = list.I32(static_cast<uint32_t>(position));
    return index < 0 ? Tensor() : program_.Declared(index, static_cast<int>(node_), may_be_empty);
}

Tensor PrepareContext::input(int position) const {
    return At(schema::op::kInputs, position);
}

Tensor PrepareContext::list(int position) const {
    return At(schema::op::kInputs, position, true);
}

Tensor PrepareContext::output(int position) const {
    return At(schema::op::kOutputs, position);
}

bool PrepareContext::OptionalOptions(OptionsType type, FlatTable *options) {
    const FlatTable table = program_.OperatorTable(node_);
    const uint32_t found = table.U8(schema::op::kOptionsType);
    *options = FlatTable();
    if (found == static_cast<uint32_t>(OptionsType::kNone)) {
        return true;
    }
    if (found != static_cast<uint32_t>(type)) {
        Fail("options of type %d, expected type %d", found, static_cast<int>(type));
        return false;
    }
    *options = table.Table(schema::op::kOptions);
    return true;
}

bool PrepareContext::Options(OptionsType type, FlatTable *options) {
    if (!OptionalOptions(type, options)) {
        return false;
    }
    if (!options->present()) {
        Fail("no options, expected type %d", static_cast<int>(type));
        return false;
    }
    return true;
}

FlatVector PrepareContext::CustomOptions() const {
    return program_.OperatorTable(node_).Vector(schema::op::kCustomOptions, 1);
}

void *PrepareContext::AllocatePersistent(uint32_t nbytes, uint32_t alignment) {
    return program_.AllocatePersistent(nbytes, alignment);
}

void PrepareContext::SetUserData(void *user_data) {
    program_.SetUserData(node_, user_data);
}

int PrepareContext::RequestScratch(uint32_t nbytes) {
    return program_.RequestScratch(node_, nbytes);
}

uint32_t PrepareContext::SpareScratch() const {
    return program_.SpareScratch(node_);
}

#ifdef WPK_ANY_CORE
wpk_core PrepareContext::core() const {
    return program_.core();
}
#endif

TfLiteStatus PrepareContext::FailWith(const char *format, const ErrorArgument *arguments,
                                      uint32_t count) {
    return program_.FailWith(node_, format, arguments, count);
}

TfLiteStatus Program::FailWith(uint32_t node, const char *format, const ErrorArgument *arguments,
                               uint32_t count) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
    const char *name = nullptr;
#else
    const char *name = OperatorName(node);
#endif
    return error_.Set(static_cast<int>(node), name, format, arguments, count);
}

}  // namespace wpconvert
